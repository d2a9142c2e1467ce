"""Tables of runs (CSV): read with their columns checked, merged, written whole or not at all."""

import csv
import io
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TextIO

import pandas as pd

from helpers import paths
from helpers.errors import Refusal
from helpers.evidence.columns import DEFAULTS, KEYS, PROVENANCE, Field, Kind, declared, kinds

__all__ = ["KEYS", "PROVENANCE", "TABLES", "exploratory_tables", "find", "merge", "read", "stored"]

EXPLORATORY = "exploratory"  # name of the folder whose tables may mix rows of different code
DIGESTS = {"training_code": "training code", "measuring_code": "measuring code"}
TABLES = {  # of the report, in report/results or in its folder `exploratory`
    "plain.csv": "measures",  # the original's recipe
    "seeds.csv": "measures",  # this report's recipe
    "dimensions.csv": "measures",
    "losses.csv": "measures",
    "leakage.csv": "measures",  # trained on the test images too
    "courses.csv": "courses",  # of trainings with squared error
    "original_protocol.csv": "courses",  # 70,000 digits, 30 epochs, constant Adam
    "convergence.csv": "courses",  # long runs of this report's recipe
    "benchmark_runs.csv": "courses",
    "benchmark_steps.csv": "steps",
    "recipe_search.csv": "search",
}


def find(name: str, folder: Path | None = None) -> Path:
    """The file of a committed table: a fresh one in report/results, else the exploratory one."""
    folder = folder or paths.REFERENCE / "results"
    fresh, old = folder / name, folder / EXPLORATORY / name
    return old if old.exists() and not fresh.exists() else fresh


def exploratory_tables(folder: Path | None = None) -> list[str]:
    """The names of the committed tables of which there is only an exploratory one."""
    return [name for name in TABLES if find(name, folder).parent.name == EXPLORATORY]


def read(file: Path, exploratory: bool | None = None) -> pd.DataFrame:
    """A table with the types of its declared columns; without rows when there is no file.

    exploratory: whether rows of different code may stand side by side and provenance may lack; by
    default, whether the file lies in a folder of that name. Fields of TrainingConfig that came
    after the table have their defaults, as its runs had. Raises Refusal, naming file and column,
    when the file is damaged, has other columns or mixes code.
    """
    file = Path(file)
    if not file.exists():
        kind = kinds()[TABLES.get(file.name, "measures")]
        names = (*kind.identity, *kind.values, *kind.provenance)
        return _ordered(pd.DataFrame({name: _typed([], declared()[name], file) for name in names}))
    with file.open(newline="", encoding="utf-8") as stream:
        texts = _texts(stream, file)
    old = file.parent.name == EXPLORATORY if exploratory is None else exploratory
    table = _checked(texts, file, lenient=old)
    return table if old else _of_one_code(table, file)


def merge(file: Path, rows: Iterable[dict] | pd.DataFrame, trial: bool = False) -> pd.DataFrame:
    """Put rows into a table, in place of those of the same identity; what is written is returned.

    The identity is model and configuration, with the epoch or the round where the table has them.
    Raises Refusal, and leaves the file as it is, for columns that are not declared, for rows of
    another kind or of other code than the table's and, unless it is a trial, for rows from code
    that no commit holds (its name ends with "+", or is "unknown").
    """
    file = Path(file)
    given = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows), dtype=object)
    if not len(given):
        return read(file)
    new = _checked(_texts(io.StringIO(given.astype(object).to_csv(index=False)), file), file)
    old, kind = read(file), _kind(new)
    if not trial and kind.provenance:
        _refuse_uncommitted(new, file)
    if file.exists() and _kind(old) != kind:
        raise Refusal(f"{file} holds {_kind(old).name}, not {kind.name}: name another table")
    if len(old):
        others = old[~_identities(old, kind).isin(set(_identities(new, kind)))]
        new = _ordered(pd.concat([others, new], ignore_index=True)) if len(others) else new
    if file.parent.name != EXPLORATORY:
        _of_one_code(new, file)
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    new.to_csv(temporary, index=False, lineterminator="\n")
    temporary.replace(file)
    return new


def stored(*names: str, folder: Path | None = None) -> pd.DataFrame:
    """The rows of committed tables, each run once.

    Raises Refusal where two tables say different things of the same run, or fresh ones are of
    different code.
    """
    files = [find(name, folder) for name in names]
    found = {file: table for file in files if len(table := read(file))}
    if not found:
        return read(files[0])
    which = " and ".join(map(str, found))
    if fresh := [table for file, table in found.items() if file.parent.name != EXPLORATORY]:
        _of_one_code(pd.concat(fresh), which)
    rows = pd.concat(found.values(), ignore_index=True)
    kind = _kind(rows)
    identity = _identities(rows, kind)
    for name in (name for name in kind.values if name in rows and name != "seconds"):
        if (rows.groupby(identity)[name].nunique() > 1).any():
            raise Refusal(f"{which} say different things of the same run in column {name!r}")
    return rows[~identity.duplicated()].reset_index(drop=True)


def _texts(stream: TextIO, file: Path) -> pd.DataFrame:
    """The cells of CSV as text. Raises Refusal unless each row has a cell for each column."""
    try:
        names, *rows = (cells for cells in csv.reader(stream, strict=True) if cells)
    except (csv.Error, ValueError) as error:
        raise Refusal(f"{file} cannot be read as a table: {error}") from error
    for line, cells in enumerate(rows, 2):
        if len(cells) != len(names):
            count = f"{len(cells)} cells in a table of {len(names)} columns"
            raise Refusal(f"{file}, line {line}: {count}")
    if twice := [name for name in names if names.count(name) > 1]:
        raise Refusal(f"{file}: column {twice[0]!r} is there twice")
    return pd.DataFrame(rows, columns=names, dtype=object)


def _kind(table: pd.DataFrame) -> Kind:
    """The kind of a table, by its columns."""
    marks = {"round": "steps", "epoch": "courses", "peak": "search"}
    return kinds()[next((kind for mark, kind in marks.items() if mark in table), "measures")]


def _checked(texts: pd.DataFrame, file: Path, lenient: bool = False) -> pd.DataFrame:
    """Cells of text with the types of their columns; lenient: provenance may lack."""
    kind, known = _kind(texts), declared()
    names = [str(name) for name in texts]
    if unknown := [n for n in names if n not in (*kind.identity, *kind.values, *kind.provenance)]:
        where = "declare it in helpers/evidence/columns.json"
        raise Refusal(f"{file}: a table of {kind.name} has no column {unknown[0]!r}: {where}")
    defaults = DEFAULTS | (dict.fromkeys(PROVENANCE, "") | {"dataset": "mnist"} if lenient else {})
    missing = [name for name in (*kind.identity, *kind.provenance) if name not in names]
    if lost := [name for name in missing if name not in defaults]:
        raise Refusal(f"{file}: a table of {kind.name} needs a column {lost[0]!r}")
    full = texts.assign(**{name: str(defaults[name]) for name in missing})
    for name in (name for name in kind.identity if not known[name].optional):
        if "" in (cells := full[name].to_list()):
            raise Refusal(f"{file}, line {cells.index('') + 2}: column {name!r} is empty")
    table = _ordered(pd.DataFrame({n: _typed(full[n], known[n], file) for n in [*names, *missing]}))
    if (again := _identities(table, kind).duplicated()).any():
        line = again.to_list().index(True) + 2
        raise Refusal(f"{file}, line {line}: this run has a row already; one of the two must go")
    return table


def _typed(texts: Iterable[str], field: Field, file: Path) -> pd.Series:
    """A column of its declared kind; empty cells become missing values."""
    logical = {"True": True, "False": False}
    parsers: dict[str, Callable[[str], Any]] = {"text": str, "int": int, "float": float}
    read_as, values = parsers.get(field.kind, logical.__getitem__), []
    for line, text in enumerate(texts, 2):
        try:
            values.append(read_as(text) if text else None)
        except (ValueError, KeyError) as error:
            problem = f"column {field.name!r} holds {text!r}, no {field.kind}"
            raise Refusal(f"{file}, line {line}: {problem}") from error
    integer = "Int64" if None in values or field.optional else "int64"
    types = {"text": "string", "int": integer, "float": "float64", "bool": "boolean"}
    return pd.Series(values, dtype=types[field.kind])


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    """The columns in the order in which they are declared."""
    return table[[name for name in declared() if name in table]]


def _identities(table: pd.DataFrame, kind: Kind) -> pd.Series:
    """What identifies each row, as one text."""
    cells = table[list(kind.identity)].astype("string").fillna("")
    return pd.Series(["\x1f".join(row) for row in cells.to_numpy()], table.index, dtype=str)


def _refuse_uncommitted(rows: pd.DataFrame, file: Path) -> None:
    """Raise Refusal where the code of some row is in no commit."""
    commits = rows["commit"].fillna("unknown").to_list()
    if loose := [commit for commit in commits if commit.endswith("+") or commit == "unknown"]:
        raise Refusal(
            f"{file}: {len(loose)} of {len(rows)} rows come from code that no commit holds "
            f"({loose[0]}). Commit first, or make it a trial: its rows keep that mark."
        )


def _of_one_code(table: pd.DataFrame, file: Path | str) -> pd.DataFrame:
    """The table itself. Raises Refusal, naming digests, where its rows are of different code."""
    for column, words in DIGESTS.items():
        counts = table[column].fillna("unknown").value_counts() if column in table else pd.Series()
        if len(counts) > 1:
            found = " and ".join(f"{digest} ({n} rows)" for digest, n in counts.items())
            raise Refusal(
                f"{file}: rows of different {words}, {found}, cannot be compared. Make all of "
                "them again with one version, name another table, or move the old rows to a "
                f"folder called {EXPLORATORY}."
            )
    return table
