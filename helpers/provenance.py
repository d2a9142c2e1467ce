"""What a trained model, a notebook's run and a rendering are made from, as digests.

For the last two these are dictionaries {part, as people call it: its digest}; equal parts need no second run.
Threads, and whether a model was in the cache, are no parts: they change times, and last digits at most.
"""

import ast
import hashlib
import json
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from helpers import paths
from helpers.errors import Refusal

# The modules that decide a trained model's weights; configuration and recipe are in the model's own key.
TRAINING = ("data", "losses", "models", "optimizers", "training")
OPTIMIZERS = {"adam": (), "muon": ()}  # those that do so only where a recipe takes the optimiser
# The modules that decide what is measured of it.
MEASURING = tuple(f"metrics/{m}" for m in ("classifier", "images", "inpainting", "latent", "likelihoods", "suite", "bounds", "samples"))
# The modules that run notebooks and talk about it; what they do changes no result, so that they do not count.
RUNNING = ("__main__", "benchmark", "checkpoints", "digests", "jobs", "parameters", "pipeline", "progress", "publish")
RUNNING += ("store", "sweep", "terminal", "workers")
NAMED = 3  # changed parts that are named before the rest is counted
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def digest(content: Any) -> str:
    """Twelve hexadecimal digits of the SHA-256 of bytes, or of anything else as JSON."""
    data = content if isinstance(content, bytes) else json.dumps(content, sort_keys=True, default=repr).encode()
    return hashlib.sha256(data).hexdigest()[:12]


def sha256(file: Path) -> str:
    """SHA-256 of a file's bytes."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def training_code(optimizer: str = "muon", root: Path = paths.ROOT) -> str:
    """Digest of the code that trains: modules without comments, docstrings and layout; Keras; its backend.

    optimizer: one of OPTIMIZERS. A trained model with another digest may have other weights. Raises Refusal when
    the backend is not installed.
    """
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    modules = [statements(root / "helpers" / f"{name}.py") for name in TRAINING + OPTIMIZERS[optimizer]]
    try:
        return digest([*modules, version("keras"), backend, version(backend)])
    except PackageNotFoundError as error:
        raise Refusal(
            f"KERAS_BACKEND={backend}: no such package is installed. Unset it for TensorFlow, or install jax or torch "
            "and name that."
        ) from error


def measuring_code(root: Path = paths.ROOT) -> str:
    """Digest of the code that measures a trained model, comments aside."""
    return digest([statements(root / "helpers" / f"{name}.py") for name in MEASURING])


def statements(module: Path) -> str:
    """A module's code without comments, docstrings and layout; all of it where it is no valid Python."""
    source = module.read_text(encoding="utf-8")
    try:
        tree = ast.parse(source)
    except SyntaxError:  # the notebook that imports it says where
        return source
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
    return ast.unparse(tree)


def notebook_parts(
    source: Path, values: dict[str, Any], given: dict[str, str], root: Path = paths.ROOT
) -> dict[str, str]:
    """What a notebook's run is made from.

    values: its parameters; given: the digests of the results of other notebooks that it reads, by file name.
    """
    modules = [file for file in (root / "helpers").glob("*.py") if file.stem not in RUNNING]
    modules += (root / "helpers" / "live").glob("*.py")
    data = [*(root / "helpers").glob("*.json"), *(root / "report" / "results").glob("*.csv")]
    parts = {"its cells": _cells(source), "its parameters": digest(values), "the training code": training_code(root=root)}
    return parts | _files([*modules, *data], root) | _environment(root) | given


def rendering_parts(notebooks: dict[str, str], root: Path = paths.ROOT) -> dict[str, str]:
    """What the two documents are made from; notebooks: the digests of the executed notebooks by file name."""
    folders = [root / "helpers" / name for name in ("report", "live")]
    files = [f for folder in folders for f in folder.rglob("*") if f.is_file() and f.suffix != ".pyc"]
    return notebooks | _files(files, root) | _environment(root)


def changed(parts: dict[str, str], old: dict[str, str]) -> list[str]:
    """The names of the parts that differ, are new or are gone."""
    return [name for name in parts | old if parts.get(name) != old.get(name)]


def changes(parts: dict[str, str], old: dict[str, str]) -> str:
    """The same in words: the first few by name."""
    names = changed(parts, old)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more} changed"


def _cells(source: Path) -> str:
    """Digest of what a notebook says: no outputs, execution counts or notes of the program that edited it."""
    notebook = json.loads(source.read_bytes())
    about = notebook["metadata"]
    cells = [
        [cell["cell_type"], "".join(cell["source"]), cell["metadata"].get("tags"), cell["metadata"].get("report")]
        for cell in notebook["cells"]
    ]
    return digest([cells, about.get("report"), about.get("kernelspec", {}).get("name")])


def _files(files: list[Path], root: Path) -> dict[str, str]:
    """The digest of each file, by its path from root."""
    return {file.relative_to(root).as_posix(): digest(file.read_bytes()) for file in sorted(files)}


def _environment(root: Path) -> dict[str, str]:
    """What is installed."""
    return {"Python": platform.python_version()} | _files([root / "requirements.txt"], root)
