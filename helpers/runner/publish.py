"""From a finished run to the report folder: all of it or nothing."""

import json
import os
import shutil
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from helpers import paths
from helpers.runner.jobs import FOLDERS
from helpers.errors import Refusal

DOCUMENTS = ("report.html", "report.pdf")
PRODUCTS = (*DOCUMENTS, "run.json")


@contextmanager
def staging(output: Path):
    """A fresh folder output/staging for one run, locked against a second one.

    It is kept when the run fails, so that its notebooks can be looked at, and emptied by the next run.
    Raises Refusal when another run has it.
    """
    output.mkdir(parents=True, exist_ok=True)
    folder = output / "staging"
    try:
        with FileLock(output / "staging.lock", timeout=0):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            yield folder
    except Timeout as error:
        raise Refusal(f"another run is writing to {output}: wait for it, or name another --output") from error


def figures_folder(output: Path) -> Path:
    """Where figures are published: figures/ at the top for the reference run, else beside the report."""
    return paths.ROOT / "figures" if output == paths.REFERENCE else output / "figures"


def targets(folder: Path, output: Path) -> dict[Path, Path]:
    """Where each file of the staging folder is published."""
    places = {name: output / name for name in FOLDERS} | {"figures": figures_folder(output)}
    files = {folder / name: output / name for name in PRODUCTS}
    for name, place in places.items():
        found = (file for file in (folder / name).rglob("*") if file.is_file())
        files |= {file: place / file.relative_to(folder / name) for file in found}
    return files


def is_published(folder: Path, output: Path, about: dict) -> bool:
    """Whether the output folder holds just what the staging folder does, from a run of which `about` is true."""
    record = output / "run.json"
    if not record.exists():
        return False
    before, files = json.loads(record.read_text()), targets(folder, output)
    same = before["files"] == _names(files, output) and all(before.get(key) == value for key, value in about.items())
    del files[folder / "run.json"]
    return same and all(new.is_file() and new.read_bytes() == file.read_bytes() for file, new in files.items())


def _names(files: dict[Path, Path], output: Path) -> list[str]:
    """The published files as run.json lists them."""
    return sorted(os.path.relpath(file, output) for file in files.values())


def publish(folder: Path, output: Path, run: dict) -> None:
    """Move a finished run from its staging folder to the output folder, and write its run.json.

    Files of the run before are replaced, and removed where this one has none of that name; files
    that no run has made stay. Every step is a rename: when one fails, all are taken back.
    """
    stale, files = _published(output), targets(folder, output)
    (folder / "run.json").write_text(json.dumps(run | {"files": _names(files, output)}, indent=1) + "\n")
    aside = [file for file in dict.fromkeys([*files.values(), *stale]) if file.is_file()]
    (folder / "previous").mkdir()
    moves = [(file, folder / "previous" / str(number)) for number, file in enumerate(aside)]
    _move(moves + list(files.items()))


def _published(output: Path) -> list[Path]:
    """The files of the run before, as its run.json lists them."""
    record = output / "run.json"
    names = json.loads(record.read_text())["files"] if record.exists() else []
    files = [Path(os.path.normpath(output / name)) for name in names]
    return [file for file in files if {output, figures_folder(output)} & set(file.parents)]


def _move(moves: list[tuple[Path, Path]]) -> None:
    """Rename each pair's first to its second; all or none."""
    done = []
    try:
        for source, target in moves:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(source, target)
            done.append((source, target))
    except BaseException:
        for source, target in reversed(done):
            shutil.move(target, source)
        raise
