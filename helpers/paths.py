"""The one place that knows folders."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
REFERENCE = ROOT / "report"


def cache() -> Path:
    """Trained models and downloads: $HELPERS_CACHE, else report/cache."""
    return Path(os.environ.get("HELPERS_CACHE", REFERENCE / "cache")).resolve()


def output() -> Path:
    """Where results and figures go: $HELPERS_OUTPUT (set by a batch run), else report/interactive.

    A notebook opened by hand therefore never overwrites the reference run.
    """
    return Path(os.environ.get("HELPERS_OUTPUT", REFERENCE / "interactive")).resolve()


def by_hand() -> bool:
    """Whether somebody runs a notebook by hand, and no batch run does."""
    return "HELPERS_OUTPUT" not in os.environ


def results() -> Path:
    """Folder of the results (JSON) of the run at hand."""
    return output() / "results"


def figures() -> Path:
    """Folder of the figures (SVG and PNG) of the run at hand."""
    return output() / "figures"
