"""Tables of runs (CSV): read with their columns checked, merged, written whole or not at all.

columns.json declares the columns, each with its meaning: a new measure is a line there.
"""

import csv
import dataclasses
import io
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TextIO

import pandas as pd

from helpers import paths
from helpers.config import TrainingConfig
from helpers.errors import Refusal

CONFIGURATION = {field.name: field.default for field in dataclasses.fields(TrainingConfig)}
KEYS = tuple(CONFIGURATION)  # what identifies a run
# Fields that the first tables do not have: their runs had the defaults.
DEFAULTS = {name: CONFIGURATION[name] for name in ("beta", "hidden_units", "activation")}
PROVENANCE = (  # the keys of provenance.about()
    "date", "commit", "training_code", "measuring_code", "keras", "backend", "backend_version",
    "python", "processor", "threads",
)  # fmt: skip

FLOATS = ("history", "measures", "times")  # sections of columns.json that hold floats alone
TYPES = {str: "string", int: "int64", float: "float64", type(None): "Int64"}
OTHERS = {"epochs": "object", "epoch": "int64", "round": "int64", "threads": "Int64",
          "peak": "float64", "kernels": "boolean"}  # fmt: skip
REQUIRED = {"model", "form", "epoch", "round"} | {  # columns without empty cells
    name for name, default in CONFIGURATION.items() if default is not None
}
PARSERS: dict[str, Callable[[str], Any]] = {
    "int64": int, "Int64": int, "float64": float, "string": str,
    "object": lambda text: int(text) if text.isdecimal() else float(text),  # 3 stays 3
    "boolean": {"True": True, "False": False}.__getitem__,
}  # fmt: skip

EXPLORATORY = "exploratory"  # name of the folder whose tables may mix rows of different code
DIGESTS = {"training_code": "training code", "measuring_code": "measuring code"}
TABLES = {  # of the report, in report/results or in its folder `exploratory`
    "plain.csv": "measures", "seeds.csv": "measures", "dimensions.csv": "measures",
    "losses.csv": "measures", "leakage.csv": "measures", "courses.csv": "courses",
    "original_protocol.csv": "courses", "convergence.csv": "courses",
    "benchmark_runs.csv": "courses", "benchmark_steps.csv": "steps", "recipe_search.csv": "search",
}  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """A kind of table: the columns that identify a row, and the others that it may have."""

    name: str
    identity: list[str]
    values: list[str]
    provenance: tuple[str, ...] = PROVENANCE


@cache
def sections() -> dict[str, dict[str, str]]:
    """What columns.json holds: the columns of each section with their meanings."""
    return json.loads((Path(__file__).parent / "columns.json").read_text(encoding="utf-8"))


def declared() -> dict[str, str]:
    """The type of every column, in their order in a table."""
    found = dict.fromkeys(sections()["names"], "string")
    found |= {name: TYPES[type(default)] for name, default in CONFIGURATION.items()}
    for section, columns in sections().items():
        other = "float64" if section in FLOATS else "string"
        found |= dict.fromkeys(columns, other)
    return {name: OTHERS.get(name, type) for name, type in found.items()}


def kinds() -> dict[str, Kind]:
    """All kinds of tables by name."""
    history, measures, times = (list(sections()[name]) for name in FLOATS)
    search = ["model", "epochs", "batch_size", "kernels", "peak", "other", "seed"]
    return {
        "measures": Kind("measures of trained models", ["model", *KEYS], [*history, *measures]),
        "courses": Kind("courses of trainings", ["model", *KEYS, "epoch"], history),
        "steps": Kind("timed steps", ["model", "form", "dataset", "round"], ["batch_size", *times]),
        "search": Kind("a search of recipes", search, ["eval_loss", "val_loss"], ()),
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
    default, whether the file lies in a folder of that name. Raises Refusal, naming file and column,
    when the file is damaged, has other columns or mixes code.
    """
    if not file.exists():
        kind = kinds()[TABLES.get(file.name, "measures")]
        known = {*kind.identity, *kind.values, *kind.provenance}
        return pd.DataFrame({n: pd.Series(dtype=t) for n, t in declared().items() if n in known})
    old = file.parent.name == EXPLORATORY if exploratory is None else exploratory
    with file.open(newline="", encoding="utf-8") as stream:
        table = _checked(stream, file, lenient=old)
    return table if old else _of_one_code(table, file)


def merge(file: Path, rows: Iterable[dict] | pd.DataFrame, trial: bool = False) -> pd.DataFrame:
    """Put rows into a table, in place of those of the same identity; what is written is returned.

    Raises Refusal, and leaves the file as it is, for columns that are not declared, for rows of
    another kind or of other code than the table's and, unless it is a trial, for rows from code
    that no commit holds (its name ends with "+", or is "unknown").
    """
    given = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows), dtype=object)
    if not len(given):
        return read(file)
    new = _checked(io.StringIO(given.astype(object).to_csv(index=False)), file)
    kind, old = _kind(new), read(file)
    commits = new["commit"].fillna("unknown").to_list() if kind.provenance and not trial else []
    if loose := [commit for commit in commits if commit.endswith("+") or commit == "unknown"]:
        count = f"{len(loose)} of {len(new)} rows come from code that no commit holds ({loose[0]})"
        raise Refusal(f"{file}: {count}. Commit first, or make it a trial, which marks its rows.")
    if file.exists() and _kind(old) != kind:
        raise Refusal(f"{file} holds {_kind(old).name}, not {kind.name}: name another table")
    if len(old):
        new = _ordered(pd.concat([old, new]).drop_duplicates(kind.identity, keep="last"))
    if file.parent.name != EXPLORATORY:
        _of_one_code(new, file)
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    new.to_csv(temporary, index=False, lineterminator="\n")
    temporary.replace(file)
    return new


def stored(*names: str, folder: Path | None = None) -> pd.DataFrame:
    """The rows of committed tables, each run once.

    Raises Refusal where two say different things of one run, or fresh ones are of different code.
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
    values = [name for name in kind.values if name in rows and name != "seconds"]
    varies = rows.groupby(kind.identity, dropna=False)[values].nunique().gt(1).any()
    if varies.any():
        raise Refusal(f"{which} say different things of the same run in column {varies.idxmax()!r}")
    return rows.drop_duplicates(kind.identity, ignore_index=True)


def _kind(table: pd.DataFrame) -> Kind:
    """The kind of a table, by its columns."""
    marks = {"round": "steps", "epoch": "courses", "peak": "search"}
    return kinds()[next((kind for mark, kind in marks.items() if mark in table), "measures")]


def _checked(stream: TextIO, file: Path, lenient: bool = False) -> pd.DataFrame:
    """CSV with its cells checked and typed; lenient: provenance may lack."""
    try:
        names, *rows = (cells for cells in csv.reader(stream, strict=True) if cells)
    except (csv.Error, ValueError) as error:
        raise Refusal(f"{file} cannot be read as a table: {error}") from error
    if twice := [name for name in names if names.count(name) > 1]:
        raise Refusal(f"{file}: column {twice[0]!r} is there twice")
    for line, cells in enumerate(rows, 2):
        if len(cells) != len(names):
            count = f"{len(cells)} cells in a table of {len(names)} columns"
            raise Refusal(f"{file}, line {line}: {count}")
    texts = pd.DataFrame(rows, columns=names, dtype=object)
    kind = _kind(texts)
    if unknown := [n for n in names if n not in (*kind.identity, *kind.values, *kind.provenance)]:
        where = "declare it in helpers/evidence/columns.json"
        raise Refusal(f"{file}: a table of {kind.name} has no column {unknown[0]!r}: {where}")
    defaults = DEFAULTS | (dict.fromkeys(PROVENANCE, "") | {"dataset": "mnist"} if lenient else {})
    missing = [name for name in (*kind.identity, *kind.provenance) if name not in names]
    if lost := [name for name in missing if name not in defaults]:
        raise Refusal(f"{file}: a table of {kind.name} needs a column {lost[0]!r}")
    texts = texts.assign(**{name: str(defaults[name]) for name in missing})
    table = _ordered(pd.DataFrame({name: _typed(texts[name], file) for name in texts}))
    if (again := table.duplicated(kind.identity)).any():
        line = again.to_list().index(True) + 2
        raise Refusal(f"{file}, line {line}: this run has a row already; one of the two must go")
    return table


def _typed(texts: pd.Series, file: Path) -> pd.Series:
    """A column of its declared type; empty cells become missing values."""
    kind, values = declared()[str(texts.name)], []
    for line, text in enumerate(texts, 2):
        if not text and texts.name in REQUIRED:
            raise Refusal(f"{file}, line {line}: column {texts.name!r} is empty")
        try:
            values.append(PARSERS[kind](text) if text else None)
        except (ValueError, KeyError) as error:
            problem = f"column {texts.name!r} holds {text!r}, no {kind.lower().rstrip('64')}"
            raise Refusal(f"{file}, line {line}: {problem}") from error
    return pd.Series(values, dtype=kind)


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    """The columns in the order in which they are declared, the rows numbered anew."""
    return table[[name for name in declared() if name in table]].reset_index(drop=True)


def _of_one_code(table: pd.DataFrame, file: Path | str) -> pd.DataFrame:
    """The table itself. Raises Refusal, naming digests, where its rows are of different code."""
    for column, words in DIGESTS.items():
        counts = table[column].fillna("unknown").value_counts() if column in table else pd.Series()
        if len(counts) > 1:
            found = " and ".join(f"{digest} ({n} rows)" for digest, n in counts.items())
            remedy = "Make all of them again with one version, name another table, or move the old"
            raise Refusal(f"{file}: rows of different {words}, {found}, cannot be compared. "
                          f"{remedy} rows to a folder called {EXPLORATORY}.")  # fmt: skip
    return table
