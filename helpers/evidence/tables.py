"""Tables of runs (CSV): read with their columns checked, merged, written whole or not at all.

columns.json declares the columns, each with its meaning: a new measure is a line there.
"""

import csv
import dataclasses
import io
import json
import os
from collections import Counter
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import pandas as pd

from helpers import paths
from helpers.config import TrainingConfig
from helpers.errors import Refusal

CONFIGURATION = {field.name: field.default for field in dataclasses.fields(TrainingConfig)}
# Fields that the first tables do not have: their runs had the defaults.
LATER = ("beta", "hidden_units", "activation", "kl_warmup", "free_bits")
DEFAULTS = {name: CONFIGURATION[name] for name in LATER}
# The columns of each section with their meanings.
COLUMNS: dict[str, dict[str, str]] = json.loads(
    Path(__file__).with_name("columns.json").read_text(encoding="utf-8")
)
PROVENANCE = tuple(COLUMNS["provenance"])  # the keys of provenance.about()
FLOATS = ("history", "measures", "times")  # sections that hold floats alone
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

PATCHED = "patched-|own-"  # how the digest of code begins that is in no file of the package
NAMED = 3  # lines that are named before the rest is counted
REMEDY = "delete the line, and its run is made again"
EXPLORATORY = "exploratory"  # name of the folder whose tables may mix rows of different code
UNFINISHED = "unfinished"  # of the folder of those that wait for their last runs; nothing reads it


class Kind(NamedTuple):
    """A kind of table: the columns that identify a row, and the others that it may have."""

    name: str
    identity: list[str]
    values: list[str]
    provenance: tuple[str, ...] = PROVENANCE


def declared() -> dict[str, str]:
    """The type of every column, in their order in a table."""
    found = dict.fromkeys(COLUMNS["names"], "string")
    found |= {name: TYPES[type(default)] for name, default in CONFIGURATION.items()}
    for section, columns in COLUMNS.items():
        found |= dict.fromkeys(columns, "float64" if section in FLOATS else "string")
    return found | OTHERS


def find(name: str, folder: Path | None = None) -> Path:
    """The file of a committed table: a fresh one in report/results, else the exploratory one."""
    folder = folder or paths.REFERENCE / "results"
    fresh, old = folder / name, folder / EXPLORATORY / name
    return old if old.exists() and not fresh.exists() else fresh


def read(file: Path, trial: bool = False) -> pd.DataFrame:
    """A table with the types of its columns; all declared ones and no rows when there is no file.

    Raises Refusal, naming file and column, when the file is damaged, has columns that are not
    declared or, outside a folder `exploratory`, lacks provenance or mixes rows of different code;
    in report/results, unless it is for a trial, also for rows of code that no commit holds.
    """
    if not file.exists():
        return pd.DataFrame({n: pd.Series(dtype=kind) for n, kind in declared().items()})
    with file.open(newline="", encoding="utf-8") as stream:
        table = _checked(stream, file, lenient=file.parent.name == EXPLORATORY)
    _refuse_mixed_code({file: table})
    if not trial and file.resolve().is_relative_to((paths.REFERENCE / "results").resolve()):
        _refuse_loose_code(file, table)
    return table


def merge(file: Path, rows: list[dict] | pd.DataFrame, trial: bool = False) -> pd.DataFrame:
    """Put rows into a table, in place of those of the same identity; what is written is returned.

    Raises Refusal, and leaves the file as it is, for columns that are not declared, for rows of
    another kind or of other code than the table's and, unless it is a trial, for rows from code
    that no commit holds (its name ends with "+", or is "unknown").
    """
    if not len(rows):
        return read(file, trial)
    new = _checked(io.StringIO(pd.DataFrame(rows, dtype=object).to_csv(index=False)), file)
    kind, old = _kind(new), read(file, trial)
    commits = new["commit"].fillna("unknown").to_list() if kind.provenance and not trial else []
    if loose := [commit for commit in commits if commit.endswith("+") or commit == "unknown"]:
        count = f"{len(loose)} of {len(new)} rows come from code that no commit holds ({loose[0]})"
        raise Refusal(f"{file}: {count}. Commit first, or make it a trial, which marks its rows.")
    if file.exists() and _kind(old) != kind:
        raise Refusal(f"{file} holds {_kind(old).name}, not {kind.name}: name another table")
    if len(old):
        rows = pd.concat([old, new]).drop_duplicates(kind.identity, keep="last", ignore_index=True)
        new = rows[[name for name in declared() if name in rows]]
    _refuse_mixed_code({file: new})
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
    _refuse_mixed_code(found)
    rows = pd.concat(found.values(), ignore_index=True)
    kind = _kind(rows)
    values = [name for name in kind.values if name in rows and name != "seconds"]
    varies = rows.groupby(kind.identity, dropna=False)[values].nunique().gt(1).any()
    if varies.any():
        which, column = " and ".join(map(str, found)), varies.idxmax()
        raise Refusal(f"{which} say different things of the same run in column {column!r}")
    return rows.drop_duplicates(kind.identity, ignore_index=True)


def _kind(table: pd.DataFrame) -> Kind:
    """The kind of a table, by its columns."""
    history, measures, times = (list(COLUMNS[name]) for name in FLOATS)
    if "round" in table:
        return Kind("timed steps", ["model", "form", "dataset", "round"], ["batch_size", *times])
    if "epoch" in table:
        return Kind("courses of trainings", ["model", *CONFIGURATION, "epoch"], history)
    if "peak" in table:
        identity = ["model", "epochs", "batch_size", "kernels", "peak", "other", "seed"]
        return Kind("a search of recipes", identity, ["eval_loss", "val_loss"], ())
    return Kind("measures of trained models", ["model", *CONFIGURATION], [*history, *measures])


def _checked(stream: TextIO, file: Path, lenient: bool = False) -> pd.DataFrame:
    """CSV with its cells checked and typed; lenient: provenance may lack."""
    try:
        lines = [cells for cells in csv.reader(stream, strict=True) if cells]
    except (csv.Error, ValueError) as error:
        raise Refusal(f"{file} cannot be read as a table ({error}): name another") from error
    if not lines:
        raise Refusal(f"{file} is empty: delete it, or name another table")
    names, *rows = lines
    if twice := [name for name in names if names.count(name) > 1]:
        raise Refusal(f"{file}: column {twice[0]!r} is there twice")
    for line, cells in enumerate(rows, 2):
        if len(cells) != len(names):
            count = f"{len(cells)} cells in a table of {len(names)} columns"
            raise Refusal(f"{file}, line {line}: {count}; {REMEDY}")
    texts = pd.DataFrame(rows, columns=names, dtype=object)
    kind = _kind(texts)
    if unknown := [n for n in names if n not in (*kind.identity, *kind.values, *kind.provenance)]:
        where = "declare it in helpers/evidence/columns.json, or name another --table"
        raise Refusal(f"{file}: a table of {kind.name} has no column {unknown[0]!r}: {where}")
    defaults = DEFAULTS | (dict.fromkeys(PROVENANCE, "") | {"dataset": "mnist"} if lenient else {})
    missing = [name for name in (*kind.identity, *kind.provenance) if name not in names]
    if lost := [name for name in missing if name not in defaults]:
        raise Refusal(f"{file}: a table of {kind.name} needs a column {lost[0]!r}")
    texts = texts.assign(**{name: str(defaults[name]) for name in missing})
    table = pd.DataFrame({n: _typed(texts[n], file) for n in declared() if n in texts})
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
            raise Refusal(f"{file}, line {line}: {problem}; {REMEDY}") from error
    return pd.Series(values, dtype=kind)


def _refuse_loose_code(file: Path, table: pd.DataFrame) -> None:
    """Raise Refusal, naming lines, for rows of a trial or of patched code, not in `exploratory`."""
    if file.parent.name == EXPLORATORY or "commit" not in table:
        return
    codes = [table[name].fillna("") for name in ("training_code", "measuring_code")]
    loose = table["commit"].fillna("unknown").str.fullmatch(r".*\+|unknown")
    loose |= pd.concat([code.str.match(PATCHED) for code in codes], axis=1).any(axis=1)
    if lines := [str(place + 2) for place, found in enumerate(loose) if found]:
        more = f" and {len(lines) - NAMED} more" if len(lines) > NAMED else ""
        where = f"{file}, line{'s' * (len(lines) > 1)} {', '.join(lines[:NAMED])}{more}"
        raise Refusal(f"{where}: made by code that no commit holds, as in a trial. Make these runs "
                      f"again from a commit, delete the rows, or move them to a folder called "
                      f"{EXPLORATORY}.")  # fmt: skip


def _refuse_mixed_code(tables: dict[Path, pd.DataFrame]) -> None:
    """Raise Refusal, naming digests, for rows of different code outside folders `exploratory`."""
    fresh = [table for file, table in tables.items() if file.parent.name != EXPLORATORY]
    for column in ("training_code", "measuring_code"):
        known = [table[column].fillna("unknown") for table in fresh if column in table]
        counts = Counter(chain.from_iterable(known)).most_common()
        if len(counts) > 1:
            which, words = " and ".join(map(str, tables)), column.replace("_", " ")
            found = " and ".join(f"{digest} ({n} rows)" for digest, n in counts)
            remedy = "Make all of them again with one version, name another table, or move the old"
            raise Refusal(f"{which}: rows of different {words}, {found}, cannot be compared. "
                          f"{remedy} rows to a folder called {EXPLORATORY}.")  # fmt: skip
