"""From a finished run to its output folder: all of it or nothing, whenever the process is killed.

A run fills output/staging/report. Then a journal beside it, written in one step, lists every move
and every removal. From there the new report counts: whoever next opens the output folder finds
the journal and does what is left of it. Before it the old report is untouched.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from helpers import paths
from helpers.errors import Failure, Refusal
from helpers.results import write_json


@contextmanager
def staging(output: Path) -> Iterator[Path]:
    """A fresh folder output/staging for one run; Refusal when another run has it.

    What a killed process had begun to publish is finished first. The folder stays when the run
    fails, so that its notebooks can be looked at, until the next run.
    """
    output.mkdir(parents=True, exist_ok=True)
    folder = output / "staging"
    try:
        with FileLock(output / "staging.lock", timeout=0):
            finish(output)
            shutil.rmtree(folder, ignore_errors=True)
            (folder / "report").mkdir(parents=True)
            yield folder
            shutil.rmtree(folder)
    except Timeout as error:
        hint = "wait for it, or name another --output"
        raise Refusal(f"another run is writing to {output}: {hint}") from error


def moves(folder: Path, output: Path) -> dict[str, str]:
    """Where each file of a staged report goes: paths relative to the two folders.

    Figures of the reference run go to figures/ at the top, those of others next to the report.
    """
    found = {}
    for file in (file for file in (folder / "report").rglob("*") if file.is_file()):
        source, name = (file.relative_to(top).as_posix() for top in (folder, folder / "report"))
        at_the_top = output == paths.REFERENCE and name.startswith("figures/")
        found[source] = f"../{name}" if at_the_top else name
    return found


def record(output: Path) -> dict:
    """What run.json says of the run that is published; empty when none is, or it is damaged."""
    try:
        run = json.loads((output / "run.json").read_text())
        return run if {*map(type, run["files"])} <= {str} else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def is_published(folder: Path, output: Path, about: dict) -> bool:
    """Whether the output folder holds what the staging folder does, and `about` is true of it."""
    before, files = record(output), moves(folder, output)
    expected = about | {"files": sorted([*files.values(), "run.json"])}
    pairs = [(folder / source, output / name) for source, name in files.items()]
    return expected.items() <= before.items() and all(
        new.is_file() and new.read_bytes() == old.read_bytes() for old, new in pairs
    )


def publish(folder: Path, output: Path, run: dict | None = None) -> None:
    """Move a finished run from its staging folder to the output folder, and write its run.json.

    Files of the run before are replaced, and removed where this one has none of that name; files
    that no run has made stay. Without `run` nothing is removed, and run.json stays. Raises Failure,
    with nothing changed, when something is in the way.
    """
    gone, files = set(), moves(folder, output)
    if run:
        files["report/run.json"] = "run.json"
        write_json(folder / "report" / "run.json", run | {"files": sorted(files.values())})
        gone = {*record(output).get("files", ())} - {*files.values()}
    for target in [_target(output, name) for name in [*gone, *files.values()]]:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir() or not os.access(target.parent, os.W_OK):
            raise Failure(f"cannot write {target}: nothing is published")
    write_json(folder / "journal.json", {"moves": files, "gone": sorted(gone)})
    finish(output)


def finish(output: Path) -> None:
    """Do what is left of a journal, if there is one; any part of it may have been done before."""
    folder, journal = output / "staging", output / "staging" / "journal.json"
    if not journal.exists():
        return
    try:
        steps = json.loads(journal.read_text())
        moved = {_target(folder, old): _target(output, new) for old, new in steps["moves"].items()}
        gone = [_target(output, name) for name in steps["gone"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Failure(f"{journal} is damaged ({error!r}): remove {folder}") from error
    for source, target in moved.items():
        if source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(source, target)  # in one step, but for another disk
    for target in gone:
        target.unlink(missing_ok=True)
    journal.unlink()


def _target(output: Path, name: str) -> Path:
    """The file of a name in a journal or run.json. Raises Failure when it lies elsewhere."""
    file = Path(os.path.normpath(output / name))
    places = [output] + [paths.ROOT / "figures"] * (output == paths.REFERENCE)
    if not any(file.parent.resolve().is_relative_to(place.resolve()) for place in places):
        raise Failure(f"{output} lists a file elsewhere, {name}: remove its run.json and staging/")
    return file
