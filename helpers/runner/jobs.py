"""One notebook in a process of its own: started, watched, explained when it fails, stopped."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from helpers import paths
from helpers.errors import Refusal
from helpers.parameters import read_notebook
from helpers.runner.cache import Entry
from helpers.runner.terminal import Events

PAPERMILL_TAGS = {"papermill-error-cell-tag", "injected-parameters"}
DEAD_KERNEL = 138  # papermill's exit status; the notebook that it leaves says that all went well
MEMORY_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes, of what the system says of a process


def kernel_environment() -> dict[str, str]:
    """The environment of a process whose kernels import this code and use this cache."""
    path = os.pathsep.join(filter(None, [str(paths.ROOT), os.environ.get("PYTHONPATH")]))
    return os.environ | {
        "PYTHONPATH": path,
        "JUPYTER_PREFER_ENV_PATH": "1",  # this environment's kernel, whatever else is installed
        "HELPERS_CACHE": str(paths.cache()),
    }


class Job:
    """A notebook being run by papermill in a folder of its own, which must not be there yet.

    values: its parameters; needs: entries whose stored results it reads; parts: what it is made
    from; threads: those of its numerical libraries. Once `finished`, `made` holds what it has
    made, and it has its `cost` (seconds, and GB of memory in its largest process) and, if it
    failed, its `failure` in words.
    """

    def __init__(
        self, source: Path, folder: Path, values: dict[str, Any], needs: Collection[Entry],
        parts: dict[str, str], threads: int,
    ):  # fmt: skip
        self.name, self.needs, self.parts = source.stem, needs, parts
        self.made, self.log = folder / "made", folder / "log.txt"
        self.events = Events(folder / "progress.jsonl", f"{self.name}: {{model}}", self.name)
        for name in ("notebooks", "results", "figures"):  # where a notebook leaves what it makes
            (self.made / name).mkdir(parents=True)
        for entry in needs:
            entry.copy_to(self.made, "results")
        self.result = Path(shutil.copy(source, self.made / "notebooks"))
        self.began, self.cost, self.failure = time.monotonic(), dict[str, float](), ""
        command = [sys.executable, "-m", "helpers.runner.watched", source.name, source.name]
        command += ["--cwd", str(folder), "--no-progress-bar", "--log-output"]
        command += ["--parameters_yaml", yaml.safe_dump(values, allow_unicode=True)]
        environment = kernel_environment() | {
            "HELPERS_OUTPUT": str(self.made),
            "HELPERS_PROGRESS": str(self.events.file),
            "HELPERS_THREADS": str(threads),
            "OMP_NUM_THREADS": str(threads),
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--start-timeout", "300"], env=environment, cwd=self.result.parent,
                stdin=subprocess.PIPE,  # its end tells papermill that the runner is gone
                stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches the runner alone, which stops the rest
            )  # fmt: skip

    def finished(self) -> bool:
        """Whether the notebook has ended."""
        pid, status, usage = os.wait4(self.process.pid, os.WNOHANG)  # Popen.poll tells no memory
        if not pid:
            return False
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self.stop()
        memory = usage.ru_maxrss * MEMORY_UNIT / 1e9
        self.cost = {"seconds": time.monotonic() - self.began, "memory_gb": memory}
        if self.process.returncode:
            self.failure = explain(self.process.returncode, self.result, self.log)
        for name in (name for entry in self.needs for name in entry.under("results")):
            (self.made / name).unlink(missing_ok=True)
        return True

    def stop(self) -> None:
        """End papermill with its kernel and what that has started, by closing its pipe."""
        self.process.communicate()


def explain(status: int, notebook: Path, log: Path) -> str:
    """Why a notebook's run failed, with its cell: the first is 1, papermill's own do not count."""
    written = [line for line in log.read_text(errors="replace").split("\n") if line.strip()]
    last = re.sub(r"\x1b\[[\d;]*m", "", written[-1])[:300] if written else "it wrote nothing"
    every = []
    with suppress(Refusal):  # a full disk may have cut it off
        every = read_notebook(notebook)["cells"]
    cells = [one for one in every if not PAPERMILL_TAGS & {*one["metadata"].get("tags", ())}]
    noted = [one["metadata"].get("papermill", {}) for one in cells]
    started = [number for number, about in enumerate(noted) if about.get("start_time")]
    if not started:
        return f"papermill ended with status {status}: {last}"
    cell = cells[started[-1]]
    errors = [one for one in cell.get("outputs", []) if one["output_type"] == "error"]
    why = f"{errors[0]['ename']}: {errors[0]['evalue']}" if errors else last
    if status == DEAD_KERNEL:
        why = "its kernel died (killed, perhaps for want of memory)"
    line = "".join(cell["source"]).strip().partition("\n")[0]
    return f"cell {started[-1] + 1} ({line[:60]}): {why}"
