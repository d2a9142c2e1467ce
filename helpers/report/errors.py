"""What goes wrong in a report, and where."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches

from helpers.errors import Failure


class ReportError(Failure):
    """The notebooks cannot become a report; the message names each notebook and cell at fault."""


@dataclass(frozen=True)
class Place:
    """A cell: its notebook's name, its number from 1, its first line; and where it goes.

    part: "abstract", "body" or "appendix"; shift: how far its headings move down.
    """
    notebook: str
    cell: int
    line: str
    part: str = "body"
    shift: int = 0

    def __str__(self) -> str:
        line = self.line if len(self.line) <= 50 else self.line[:49] + "…"
        return f"{self.notebook}.ipynb, cell {self.cell} (“{line}”)"


class Problems(list[str]):
    """Collects what is wrong, so that one run names all of it."""

    def add(self, place: Place | str, message: str) -> None:
        """Note a problem of a cell, or of a notebook given by its file's name."""
        self.append(f"{place}: {message}")


@contextmanager
def collect() -> Iterator[Problems]:
    """Problems noted in the block; ReportError with all of them at its end."""
    problems = Problems()
    yield problems
    if problems:
        raise ReportError("\n".join(dict.fromkeys(problems)))


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint: the known name most like this one."""
    match = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; the nearest is {match[0]!r}" if match else ""
