"""Products kept in the cache, each under the digest of what it was made from."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from helpers.provenance import changed, changes, digest, sha256

KEPT = 5  # entries of a shelf: those that were used last


@dataclass(frozen=True)
class Entry:
    """Files made from `parts` ({name: digest}), kept in `folder`.

    files: their SHA-256 by their path in the folder; cost: what it took to make them.
    """

    folder: Path
    parts: dict[str, str]
    files: dict[str, str]
    cost: dict[str, float]

    def under(self, top: str) -> dict[str, str]:
        """Those of the files that lie in one of its folders."""
        return {name: found for name, found in self.files.items() if name.startswith(f"{top}/")}

    def copy_to(self, folder: Path, names: Iterable[str] | None = None) -> None:
        """Copy the files, or those named: whoever changes a copy changes nothing that is kept."""
        for name in self.files if names is None else names:
            _copy(self.folder / name, folder / name)


class Shelf:
    """A folder with an entry for each digest: the runs of one notebook, or the renderings."""

    def __init__(self, folder: Path):
        self.folder = folder

    def find(self, parts: dict[str, str]) -> tuple[Entry | None, str]:
        """The entry made from these very parts, else None; and why there is none, in words.

        A damaged entry is removed.
        """
        folder = self.folder / digest(parts)
        if not folder.exists():
            return None, self._what_changed(parts)
        try:
            entry = _read(folder)
            for name, expected in entry.files.items():
                if sha256(folder / name) != expected:
                    raise ValueError(f"{name} is not what was kept")
        except (OSError, ValueError, KeyError, TypeError) as error:
            shutil.rmtree(folder)
            return None, f"what was kept of it is damaged: {error}"
        os.utime(folder)
        return entry, ""

    def add(self, parts: dict[str, str], files: dict[str, Path], cost: dict[str, float]) -> Entry:
        """Keep copies of files, by the names given, as an entry: whole or not at all.

        Where another run has made the entry meanwhile, that one stays.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        target = self.folder / digest(parts)
        with tempfile.TemporaryDirectory(prefix="partial-", dir=self.folder) as partial:
            folder = Path(partial) / target.name
            folder.mkdir()
            for name, file in files.items():
                _copy(file, folder / name)
            manifest = {"parts": parts, "files": {name: sha256(folder / name) for name in files}, "cost": cost}
            (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
            if not target.exists():
                folder.rename(target)
        for old in self._by_use()[KEPT:]:
            shutil.rmtree(old, ignore_errors=True)
        return _read(target)

    def _by_use(self) -> list[Path]:
        """The entries' folders, the one used last first."""
        folders = [file.parent for file in self.folder.glob("*/manifest.json")]
        return sorted(folders, key=lambda folder: folder.stat().st_mtime, reverse=True)

    def _what_changed(self, parts: dict[str, str]) -> str:
        """The parts that differ from those of the entry that differs least."""
        try:
            kept = [_read(folder).parts for folder in self._by_use()]
        except (OSError, ValueError, KeyError, TypeError):  # damaged, which matters when it is used
            kept = []
        closest = min(kept, key=lambda old: len(changed(parts, old)), default=None)
        return "for the first time" if closest is None else changes(parts, closest)


def _read(folder: Path) -> Entry:
    """An entry as its manifest describes it. Raises OSError, ValueError or TypeError for a damaged manifest."""
    return Entry(folder, **json.loads((folder / "manifest.json").read_text()))


def _copy(file: Path, target: Path) -> None:
    """Copy a file, making the folder that it goes to."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, target)
