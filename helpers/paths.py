"""The one place that knows folders."""

import os
from pathlib import Path

from helpers.errors import ParameterError

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
REFERENCE = ROOT / "report"


def _folder(variable: str, default: Path) -> Path:
    """The folder that an environment variable names; ParameterError for an empty one or a file."""
    value = os.environ.get(variable, str(default))
    if not value or (Path(value).exists() and not Path(value).is_dir()):
        raise ParameterError(f"{variable}={value} is not a folder: name one, or unset {variable}")
    return Path(value).resolve()


def cache() -> Path:
    """Trained models and downloads: $HELPERS_CACHE, else report/cache."""
    return _folder("HELPERS_CACHE", REFERENCE / "cache")


def output() -> Path:
    """Where results and figures go: $HELPERS_OUTPUT (set by a batch run), else report/interactive.

    A notebook opened by hand thus never overwrites the reference run.
    """
    return _folder("HELPERS_OUTPUT", REFERENCE / "interactive")


def by_hand() -> bool:
    """Whether somebody runs a notebook by hand, and no batch run does."""
    return "HELPERS_OUTPUT" not in os.environ


def results() -> Path:
    """Folder of the results (JSON) of the run at hand."""
    return output() / "results"


def figures() -> Path:
    """Folder of the figures of the run at hand."""
    return output() / "figures"
