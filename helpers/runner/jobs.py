"""One notebook in a process of its own: started, watched, explained when it fails, stopped."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from helpers import paths
from helpers.results import write_json
from helpers.runner.cache import Entry
from helpers.runner.parameters import read_notebook
from helpers.runner.publish import FOLDERS
from helpers.runner.terminal import Events

PAPERMILL_TAGS = {"papermill-error-cell-tag", "injected-parameters"}
DEAD_KERNEL = 138  # papermill's exit status; the notebook that it leaves says that all went well
MEMORY_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes, of what the system says of a process


class _Dumper(yaml.SafeDumper):
    """Writes plain YAML, with tuples as lists."""


_Dumper.add_representer(tuple, yaml.SafeDumper.represent_list)


class Job:
    """A notebook being run by papermill in a folder of its own, which must not be there yet.

    values: its parameters; needs: entries whose stored results it reads; parts: what it is made
    from; threads: those of its numerical libraries. Once `finished`, it has its `cost` (seconds,
    and GB of memory in its largest process) and, if it failed, its `failure` in words.
    """

    def __init__(
        self, source: Path, folder: Path, values: dict[str, Any], needs: Iterable[Entry],
        parts: dict[str, str], threads: int,
    ):  # fmt: skip
        self.name, self.folder, self.parts = source.stem, folder, parts
        self.result, self.log = folder / "notebooks" / source.name, folder / "log.txt"
        self.events = Events(folder / "progress.jsonl")
        for name in FOLDERS:
            (folder / name).mkdir(parents=True)
        for entry in needs:
            entry.copy_to(folder, entry.under("results"))
        self.given = set(self._files())
        self.began = time.monotonic()
        self.cost: dict[str, float] = {}
        self.failure: str | None = None
        command = [sys.executable, "-m", "helpers.runner.watched", str(source), str(self.result)]
        command += ["--cwd", str(folder), "--no-progress-bar", "--log-output"]
        command += ["--parameters_yaml", yaml.dump(values, Dumper=_Dumper, allow_unicode=True)]
        path = os.pathsep.join(filter(None, [str(paths.ROOT), os.environ.get("PYTHONPATH")]))
        environment = os.environ | {
            "PYTHONPATH": path,
            "JUPYTER_PREFER_ENV_PATH": "1",  # this environment's kernel, whatever else is installed
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # silences a warning about frozen modules
            "HELPERS_CACHE": str(paths.cache()),
            "HELPERS_OUTPUT": str(folder),
            "HELPERS_PROGRESS": str(self.events.file),
            "HELPERS_THREADS": str(threads),
            "OMP_NUM_THREADS": str(threads),
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--start-timeout", "300"], env=environment,
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
        self._close()
        memory = usage.ru_maxrss * MEMORY_UNIT / 1e9
        self.cost = {"seconds": time.monotonic() - self.began, "memory_gb": memory}
        if self.process.returncode:
            self.failure = explain(self.process.returncode, self.result, self.log)
        else:  # take this machine's folders out of its metadata
            notebook, name = read_notebook(self.result), self.result.name
            notebook["metadata"]["papermill"] |= {"input_path": name, "output_path": name}
            write_json(self.result, notebook)
        return True

    def products(self) -> dict[str, Path]:
        """The files that the notebook has made, by their path in its folder."""
        return {name: file for name, file in self._files().items() if name not in self.given}

    def stop(self) -> None:
        """End papermill with its kernel and what that has started."""
        self._close()
        self.process.wait()

    def _files(self) -> dict[str, Path]:
        files = [file for name in FOLDERS for file in sorted((self.folder / name).rglob("*"))]
        return {f.relative_to(self.folder).as_posix(): f for f in files if f.is_file()}

    def _close(self) -> None:
        """Close the pipe to the process, which ends it if it runs."""
        if self.process.stdin:
            self.process.stdin.close()


def explain(status: int, file: Path, log: Path) -> str:
    """Why a notebook's run failed, with its cell: the first is 1, papermill's own do not count."""
    written = [line for line in log.read_text(errors="replace").split("\n") if line.strip()]
    last = re.sub(r"\x1b\[[\d;]*m", "", written[-1]) if written else "it wrote nothing"
    every = read_notebook(file)["cells"] if file.exists() else []
    cells = [one for one in every if not PAPERMILL_TAGS & set(one["metadata"].get("tags", []))]
    noted = [one["metadata"].get("papermill", {}) for one in cells]
    started = [number for number, about in enumerate(noted) if about.get("start_time")]
    if not started:
        return f"papermill ended with status {status}: {last}"
    cell = cells[started[-1]]
    line = "".join(cell["source"]).strip().partition("\n")[0]
    line = line if len(line) <= 60 else f"{line[:57]}..."
    errors = [one for one in cell.get("outputs", []) if one["output_type"] == "error"]
    why = f"{errors[0]['ename']}: {errors[0]['evalue']}" if errors else last
    if status == DEAD_KERNEL:
        why = "its kernel died (killed, perhaps for want of memory)"
    return f"cell {started[-1] + 1} ({line}): {why}"
