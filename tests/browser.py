"""A headless Chromium that opens files and says what is in them, over its debugging pipe: no driver, no port."""

import fcntl
import json
import os
import select
import shutil
import time

EXECUTABLE = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
OPTIONS += ["--disable-background-networking", "--disable-component-update", "--window-size=1000,900"]
SECONDS = 120  # the most that a page may take


class Browser:
    """One Chromium; a context manager."""

    def __init__(self, profile):
        theirs, self._to = _pipe()
        self._from, answers = _pipe()
        command = [EXECUTABLE, *OPTIONS, "--remote-debugging-pipe", f"--user-data-dir={profile}"]
        actions = [(os.POSIX_SPAWN_DUP2, theirs, 3), (os.POSIX_SPAWN_DUP2, answers, 4)]
        actions += [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_RDWR, 0) for stream in (1, 2)]
        self._process = os.posix_spawn(EXECUTABLE, command, os.environ, file_actions=actions)
        os.close(theirs)
        os.close(answers)
        self._count, self._rest = 0, b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._call("Browser.close")
        os.waitpid(self._process, 0)
        os.close(self._to)
        os.close(self._from)

    def ask(self, address, expression):
        """The value of a JavaScript expression in a page, as soon as it is one that counts as true."""
        target = self._call("Target.createTarget", url=address)["targetId"]
        session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._call("Runtime.enable", session)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            answer = self._call("Runtime.evaluate", session, expression=expression, returnByValue=True)
            if value := answer["result"].get("value"):
                self._call("Target.closeTarget", targetId=target)
                return value
            time.sleep(0.05)
        raise TimeoutError(f"{address}: no answer to {expression} within {SECONDS} s")

    def _call(self, method, session=None, **params):
        """The answer to one command of the Chrome DevTools protocol; of the events in between only errors count."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": params} | ({"sessionId": session} if session else {})
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._to, data) :]
        while (answer := self._read()).get("id") != self._count:
            if answer.get("method") == "Runtime.exceptionThrown":
                raise RuntimeError(f"in the page: {answer['params']['exceptionDetails']}")
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def _read(self):
        """The next message."""
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._from], [], [], SECONDS)
            data = os.read(self._from, 1 << 20) if ready else b""
            if not data:
                raise RuntimeError("Chromium has stopped" if ready else f"Chromium has said nothing for {SECONDS} s")
            self._rest += data
        message, self._rest = self._rest.split(b"\0", 1)
        return json.loads(message)


def _pipe():
    """A pipe whose ends are out of the way of 3 and 4, where Chromium has its own."""
    ends = os.pipe()
    moved = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
    for end in ends:
        os.close(end)
    return moved
