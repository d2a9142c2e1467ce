"""The one place that knows folders."""

import os
from pathlib import Path

from helpers.errors import ParameterError

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
REFERENCE = ROOT / "report"


def writable(what: str, folder: Path) -> Path:
    """A folder that is there or can be made, resolved; else ParameterError, which says what for."""
    there = next(one for one in (folder.absolute(), *folder.absolute().parents) if one.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        why = f"{there} is not a folder that can be written: name another"
        raise ParameterError(f"{what} {folder}: {why}")
    return folder.resolve()


def _folder(variable: str, default: Path) -> Path:
    """The folder that an environment variable names; ParameterError for an empty one or a file."""
    if (value := os.environ.get(variable)) is None:
        return default.resolve()
    if not value:
        raise ParameterError(f"{variable}= names no folder: name one, or unset {variable}")
    return writable(variable, Path(value))


def cache() -> Path:
    """Trained models and downloads: $HELPERS_CACHE, else report/cache."""
    return _folder("HELPERS_CACHE", REFERENCE / "cache")


def output() -> Path:
    """Where results and figures go: $HELPERS_OUTPUT (set by a batch run), else `interactive`.

    That is report/interactive, or for a notebook in a folder outside of this checkout, interactive
    in that folder. A notebook opened by hand thus never overwrites the reference run.
    """
    here = Path.cwd().resolve()
    home = REFERENCE if here.is_relative_to(ROOT) else here
    return _folder("HELPERS_OUTPUT", home / "interactive")


def by_hand() -> bool:
    """Whether somebody runs a notebook by hand, and no batch run does."""
    return "HELPERS_OUTPUT" not in os.environ


def results() -> Path:
    """Folder of the results (JSON) of the run at hand."""
    return output() / "results"


def figures() -> Path:
    """Folder of the figures of the run at hand."""
    return output() / "figures"
