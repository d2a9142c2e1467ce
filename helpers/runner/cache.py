"""Results kept in the cache under the digest of what they were made from; and what that is."""

import ast
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic.dataclasses import dataclass

from helpers import paths, provenance
from helpers.definitions import digest, sha256
from helpers.errors import one_line
from helpers.evidence.tables import UNFINISHED
from helpers.parameters import read_notebook

MOST_KEPT = 5  # entries of a cache: those that were used last
PYTHON = {"Python": platform.python_version()}
NAMED = 3  # changed parts that are named before the rest is counted


@dataclass(frozen=True)
class Entry:
    """Files made from `parts` ({name: digest}), kept in `folder`/files.

    files: their SHA-256 by their path there; cost: what it took to make them.
    """

    folder: Path
    parts: dict[str, str]
    files: dict[str, str]
    cost: dict[str, float]

    def under(self, top: str) -> dict[str, str]:
        """Those of the files that lie in one of its folders."""
        return {name: found for name, found in self.files.items() if name.startswith(f"{top}/")}

    def copy_to(self, folder: Path, top: str = "") -> None:
        """Copy the files, or those in one of its folders; a changed copy changes nothing here."""
        shutil.copytree(self.folder / "files" / top, folder / top, dirs_exist_ok=True)


class ResultCache:
    """A folder with an entry for each digest: the runs of one notebook, or the renderings."""

    def __init__(self, name: str):
        self.folder = paths.cache() / name

    def find(self, parts: dict[str, str]) -> tuple[Entry | None, str]:
        """The entry made from these very parts, else None; and why there is none, in words.

        A damaged entry is removed.
        """
        folder = self.folder / digest(parts)
        try:
            if not folder.exists():
                return None, changes(parts, *(_read(old).parts for old in self._by_use()))
            entry = _read(folder)
            if links := [file.name for file in folder.rglob("*") if file.is_symlink()]:
                raise ValueError(f"{links[0]} is a link")
            if (found := _sums(folder / "files")) != entry.files:
                raise ValueError(changes(found, entry.files))
        except (OSError, ValueError, TypeError) as error:
            shutil.rmtree(folder, ignore_errors=True)
            return None, f"what was kept of it is damaged: {one_line(error)}"
        os.utime(folder)
        return entry, ""

    def add(self, parts: dict[str, str], made: Path, cost: dict[str, float]) -> Entry:
        """Keep a copy of a folder's files as an entry: whole or not at all.

        Where another run has made the entry meanwhile, that one stays.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        target = self.folder / digest(parts)
        with tempfile.TemporaryDirectory(prefix="partial-", dir=self.folder) as partial:
            folder = Path(partial) / target.name
            shutil.copytree(made, folder / "files")
            manifest = {"parts": parts, "files": _sums(folder / "files"), "cost": cost}
            (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
            if not target.exists():
                folder.rename(target)
        for old in self._by_use()[MOST_KEPT:]:
            shutil.rmtree(old, ignore_errors=True)
        return _read(target)

    def _by_use(self) -> list[Path]:
        """The entries' folders, the one used last first."""
        folders = [file.parent for file in self.folder.glob("*/manifest.json")]
        return sorted(folders, key=lambda folder: folder.stat().st_mtime, reverse=True)


def _read(folder: Path) -> Entry:
    return Entry(folder, **json.loads((folder / "manifest.json").read_text()))


def _sums(top: Path, files: Iterable[Path] | None = None) -> dict[str, str]:
    """SHA-256 of all or some of a folder's files by their path in it."""
    some = sorted(file for file in files or top.rglob("*") if file.is_file())
    return {file.relative_to(top).as_posix(): sha256(file) for file in some}


def changes(parts: dict[str, str], *others: dict[str, str]) -> str:
    """What differs from the nearest of other parts, in words: the first few by name."""
    if not others:
        return "for the first time"
    differ = [[one for one in parts | old if parts.get(one) != old.get(one)] for old in others]
    names = min(differ, key=len)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more} changed"


def notebook_parts(source: Path, values: dict[str, Any], given: dict[str, str]) -> dict[str, str]:
    """What a notebook's run is made from: {part, as people call it: its digest}.

    values: its parameters; given: the digests of the results of other notebooks that it reads.
    Threads, and whether a model was trained before, are no parts: they change times alone. A
    notebook that uses `evidence` reads the tables of report/results.
    """
    notebook = read_notebook(source)
    about, cells = notebook["metadata"], notebook["cells"]
    said = [
        [cell["cell_type"], "".join(cell["source"]), *map(cell["metadata"].get, ("tags", "report"))]
        for cell in cells
    ]  # without outputs, counts and notes of an editor
    said += [about.get("report"), about.get("kernelspec", {}).get("name")]
    code = provenance.code_parts(imported(notebook))
    parts = {"its cells": digest(said), "its parameters": digest(values)}
    parts |= {"Keras": " ".join([version("keras"), *provenance.backend()]), **PYTHON}
    files = [paths.ROOT / "requirements.txt"]
    if any(name.startswith("helpers/evidence/") for name in code):
        tables = (paths.REFERENCE / "results").rglob("*.csv")
        files += (file for file in tables if file.parent.name != UNFINISHED)
    return parts | _sums(paths.ROOT, files) | code | given


def rendering_parts(
    notebooks: dict[str, str], links: str = "notebooks", formats: Sequence[str] = ()
) -> dict[str, str]:
    """What the documents are made from.

    notebooks: digests of the executed ones by file name; links: the folder that the page links;
    formats: of the documents.
    """
    files = (paths.ROOT / "helpers" / "report").rglob("*")
    found = [file for file in files if file.suffix not in (".pyc", ".py")]
    sums = _sums(paths.ROOT, [*found, paths.ROOT / "requirements.txt"])
    return notebooks | provenance.code_parts(["helpers.report.exporters"]) | sums | PYTHON | {
        "the folder that it links": links, "the formats": " ".join(formats)
    }


def imported(notebook: dict) -> list[str]:
    """The modules and names of helpers that a notebook's code imports: "helpers.plots", ..."""
    names = set()
    for cell in (cell for cell in notebook["cells"] if cell["cell_type"] == "code"):
        lines = "".join(cell["source"]).splitlines()
        code = [line for line in lines if not line.lstrip().startswith(("%", "!"))]
        with suppress(SyntaxError):  # running it says where
            for node in ast.walk(ast.parse("\n".join(code))):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    module = getattr(node, "module", None) or ""
                    names |= {f"{module}.{one.name}".strip(".") for one in node.names}
    return sorted(name for name in names if name.split(".")[0] == "helpers")
