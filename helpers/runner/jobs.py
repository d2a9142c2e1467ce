"""One notebook in a process of its own: started, watched, explained when it fails, stopped."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import yaml

from helpers import paths
from helpers.results import write_json
from helpers.runner.cache import Entry
from helpers.runner.parameters import read_notebook
from helpers.runner.publish import FOLDERS
from helpers.runner.terminal import Events
from helpers.runner.watched import family, send

PAPERMILL_TAGS = {"papermill-error-cell-tag", "injected-parameters"}
DEAD_KERNEL = 138  # papermill's exit status; the notebook that it leaves says that all went well
GRACE = 5.0  # seconds that a stopped notebook has to end its kernel
MEMORY_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes, of what the system says of a process


class Job:
    """A notebook being run by papermill in a folder of its own, which must not be there yet.

    values: its parameters; needs: entries whose stored results it reads; parts: what it is made
    from; threads: those of its numerical libraries. Once `finished`, it has its `cost` (seconds,
    and GB of memory in its largest process) and, if it failed, its `failure` in words.
    """

    def __init__(
        self, source: Path, folder: Path, values: dict[str, Any], needs: Iterable[Entry],
        parts: dict[str, str], threads: int,
    ):
        self.name, self.folder, self.parts = source.stem, folder, parts
        self.result = folder / "notebooks" / source.name
        self.log = folder / "log.txt"
        self.events = Events(folder / "progress.jsonl")
        for name in FOLDERS:
            (folder / name).mkdir(parents=True)
        for entry in needs:
            entry.copy_to(folder, entry.under("results"))
        self.given = set(self._files())
        self.began = time.monotonic()
        self.cost: dict[str, float] = {}
        self.failure: str | None = None
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self._command(source, values),
                env=self._environment(threads),
                stdin=subprocess.PIPE,  # its end tells papermill that the runner is gone
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches the runner alone, which stops the rest
            )

    def _command(self, source: Path, values: dict[str, Any]) -> list[str]:
        papermill = [sys.executable, "-m", "helpers.runner.watched", str(source), str(self.result)]
        options = ["--cwd", str(self.folder), "--no-progress-bar", "--log-output"]
        given = yaml.safe_dump(_lists(values), allow_unicode=True)
        return [*papermill, *options, "--start-timeout", "300", "--parameters_yaml", given]

    def _environment(self, threads: int) -> dict[str, str]:
        path = os.pathsep.join(filter(None, [str(paths.ROOT), os.environ.get("PYTHONPATH")]))
        return os.environ | {
            "PYTHONPATH": path,
            "JUPYTER_PREFER_ENV_PATH": "1",  # this environment's kernel, whatever else is installed
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # silences a warning about frozen modules
            "HELPERS_CACHE": str(paths.cache()),
            "HELPERS_OUTPUT": str(self.folder),
            "HELPERS_PROGRESS": str(self.events.file),
            "HELPERS_THREADS": str(threads),
            "OMP_NUM_THREADS": str(threads),
        }

    def finished(self) -> bool:
        """Whether the notebook has ended."""
        pid, status, usage = os.wait4(self.process.pid, os.WNOHANG)  # Popen.poll tells no memory
        if not pid:
            return False
        self.process.returncode = os.waitstatus_to_exitcode(status)
        assert self.process.stdin
        self.process.stdin.close()
        memory = usage.ru_maxrss * MEMORY_UNIT / 1e9
        self.cost = {"seconds": time.monotonic() - self.began, "memory_gb": memory}
        self.failure = explain(self.process.returncode, self.result, self.log)
        if self.failure is None:
            forget_folders(self.result)
        return True

    def products(self) -> dict[str, Path]:
        """The files that the notebook has made, by their path in its folder."""
        return {name: file for name, file in self._files().items() if name not in self.given}

    def _files(self) -> dict[str, Path]:
        files = [file for name in FOLDERS for file in sorted((self.folder / name).rglob("*"))]
        return {f.relative_to(self.folder).as_posix(): f for f in files if f.is_file()}


def _lists(value: Any) -> Any:
    """Tuples as lists, which is what YAML has."""
    if isinstance(value, dict):
        return {key: _lists(one) for key, one in value.items()}
    return [_lists(one) for one in value] if isinstance(value, list | tuple) else value


def forget_folders(file: Path) -> None:
    """Take this machine's folders out of an executed notebook's metadata."""
    notebook = read_notebook(file)
    notebook["metadata"]["papermill"] |= {"input_path": file.name, "output_path": file.name}
    write_json(file, notebook)


def explain(status: int, file: Path, log: Path) -> str | None:
    """Why a notebook's run failed, with its cell (the first is 1); None when it did not fail.

    Only papermill's exit status tells: after a kernel's death the notebook looks complete.
    """
    if status == 0:
        return None
    cells = _own_cells(file) if file.exists() else []
    started = [n for n, cell in enumerate(cells) if _papermill(cell).get("start_time")]
    if not started:
        return f"papermill ended with status {status}: {_last_line(log)}"
    cell = cells[started[-1]]
    place = f"cell {started[-1] + 1} ({_first_line(''.join(cell['source']))})"
    if status == DEAD_KERNEL:
        return f"{place}: its kernel died (killed, perhaps for want of memory)"
    return f"{place}: {_error(cell) or _last_line(log)}"


def _papermill(cell: dict) -> dict:
    """What papermill notes of a cell."""
    return cell["metadata"].get("papermill", {})


def _own_cells(file: Path) -> list[dict]:
    """The cells of an executed notebook without those that papermill added."""
    cells = read_notebook(file)["cells"]
    return [cell for cell in cells if not PAPERMILL_TAGS & set(cell["metadata"].get("tags", []))]


def _error(cell: dict) -> str | None:
    """The exception that a cell ended with."""
    errors = [one for one in cell.get("outputs", []) if one["output_type"] == "error"]
    return f"{errors[0]['ename']}: {errors[0]['evalue']}" if errors else None


def _first_line(text: str) -> str:
    """What a cell starts with, for people to find it."""
    line = text.strip().partition("\n")[0]
    return line if len(line) <= 60 else f"{line[:57]}..."


def _last_line(log: Path) -> str:
    """The last line that papermill wrote, without colours."""
    lines = log.read_text(errors="replace").split("\n")
    written = [line for line in lines if line.strip()]
    return re.sub(r"\x1b\[[\d;]*m", "", written[-1]) if written else "it wrote nothing"


def stop(jobs: Iterable[Job]) -> None:
    """End jobs with their kernels and what those started, by force where they linger."""
    roots = [job.process for job in jobs]
    if not roots:
        return
    with _undisturbed():
        members = [process for root in roots for process in family(root.pid)]
        for process in members:
            send(process.terminate)
        psutil.wait_procs(members, timeout=GRACE)
        for process in {*members, *(process for root in roots for process in family(root.pid))}:
            send(process.kill)
        for root in roots:
            root.wait()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Hold off a second Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)
