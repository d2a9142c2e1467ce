"""Notebooks opened by hand: copies of them, so that the report's own stay as they are."""

import os
import shutil
import sys
from collections.abc import Sequence

from helpers import paths
from helpers.runner.jobs import kernel_environment

LAB = paths.ROOT / "lab"  # which git ignores
BACK = "jupyter nbconvert --clear-output --inplace lab/NAME.ipynb; cp lab/NAME.ipynb notebooks/"


def open_lab(options: Sequence[str] = ()) -> None:
    """Become JupyterLab, on 127.0.0.1, in a folder of copies; options: for JupyterLab."""
    LAB.mkdir(exist_ok=True)
    kept = []
    for source in sorted(paths.NOTEBOOKS.glob("*.ipynb")):
        if not (copy := LAB / source.name).exists():
            shutil.copyfile(source, half := copy.with_suffix(".part"))
            half.replace(copy)
        kept += [copy.name] * (copy.read_bytes() != source.read_bytes())
    print(f"{LAB} has your copies of the notebooks; git ignores it.")
    if kept:
        print(f"Kept as you left them: {', '.join(kept)}. For a fresh copy, delete or rename one.")
    print(f"To bring a change back into the report: {BACK}", flush=True)
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={LAB}"]
    command += ["--ServerApp.ip=127.0.0.1", *options]
    os.execve(sys.executable, command, kernel_environment())
