"""Notebooks opened by hand: copies of them, so that the report's own stay as they are."""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from helpers import paths
from helpers.errors import Refusal
from helpers.runner.jobs import kernel_environment

LAB = paths.ROOT / "lab"  # which git ignores
BACK = "jupyter nbconvert --clear-output --inplace lab/NAME.ipynb; cp lab/NAME.ipynb notebooks/"


def copy_notebooks(folder: Path) -> list[str]:
    """Copy the report's notebooks that a folder lacks; the names of those there that differ."""
    sources = sorted(paths.NOTEBOOKS.glob("*.ipynb"))
    if not sources:
        raise Refusal(f"no notebooks in {paths.NOTEBOOKS}")
    folder.mkdir(exist_ok=True)
    for source in (one for one in sources if not (folder / one.name).exists()):
        shutil.copyfile(source, folder / source.name)
    both = [(source, folder / source.name) for source in sources]
    return [copy.name for source, copy in both if copy.read_bytes() != source.read_bytes()]


def open_lab(options: Sequence[str] = ()) -> None:
    """Become JupyterLab, on 127.0.0.1, in the folder of the copies; options: for JupyterLab."""
    kept = copy_notebooks(LAB)
    print(f"{LAB} has your copies of the notebooks; git ignores it.")
    if kept:
        print(f"Kept as you left them: {', '.join(kept)}. For a fresh copy, delete or rename one.")
    print(f"To bring a change back into the report: {BACK}", flush=True)
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={LAB}"]
    command += ["--ServerApp.ip=127.0.0.1", *options]
    os.execve(sys.executable, command, kernel_environment())
