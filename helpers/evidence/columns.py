"""The columns of all tables of runs, as columns.json declares them: a measure is a line there."""

import dataclasses
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from helpers.config import TrainingConfig

CONFIGURATION = {field.name: field.default for field in dataclasses.fields(TrainingConfig)}
KEYS = tuple(CONFIGURATION)  # what identifies a run
# The fields that the first tables have; of those that came later, the runs had the defaults.
FIRST = (
    "architecture", "latent_dim", "loss", "split", "recipe", "epochs", "batch_size", "n_train",
    "dataset", "seed",
)  # fmt: skip
DEFAULTS = {name: default for name, default in CONFIGURATION.items() if name not in FIRST}
PROVENANCE = (  # the keys of provenance.about()
    "date", "commit", "training_code", "measuring_code", "keras", "backend", "backend_version",
    "python", "processor", "threads",
)  # fmt: skip

FLOATS = ("history", "measures", "times")  # sections of columns.json that hold floats alone
OTHERS = {"epoch": "int", "round": "int", "threads": "int", "peak": "float", "kernels": "bool"}
REQUIRED = ("names", "turns")  # sections whose cells may not be empty


@dataclass(frozen=True)
class Field:
    """A column as it is stored; an optional one may have empty cells."""

    name: str
    kind: str  # "text", "int", "float" or "bool"
    meaning: str  # with its unit
    optional: bool = True


@cache
def sections() -> dict[str, dict[str, Field]]:
    """The columns by section, in their order in a table."""
    file = json.loads((Path(__file__).parent / "columns.json").read_text(encoding="utf-8"))
    found = {}
    for section, columns in file.items():
        found[section] = {
            name: Field(name, "float" if section in FLOATS else OTHERS.get(name, "text"), meaning,
                        section not in REQUIRED)
            for name, meaning in columns.items()
        }  # fmt: skip
    of_type = {str: "text", int: "int", float: "float", type(None): "int"}
    found["configuration"] = {
        name: Field(name, of_type[type(default)], "see TrainingConfig", default is None)
        for name, default in CONFIGURATION.items()
    }
    first = ("names", "configuration")
    return {name: found[name] for name in (*first, *(name for name in file if name not in first))}


def declared() -> dict[str, Field]:
    """Every column by name."""
    return {name: field for part in sections().values() for name, field in part.items()}


@dataclass(frozen=True)
class Kind:
    """A kind of table: the columns that identify a row, and those that it may have beside them."""

    name: str
    identity: tuple[str, ...]
    values: tuple[str, ...]
    provenance: tuple[str, ...] = PROVENANCE


def kinds() -> dict[str, Kind]:
    """All kinds of tables by name."""
    history, measures, times = (tuple(sections()[name]) for name in FLOATS)
    search = ("model", "epochs", "batch_size", "kernels", "peak", "other", "seed")
    return {
        "measures": Kind("measures of trained models", ("model", *KEYS), (*history, *measures)),
        "courses": Kind("courses of trainings", ("model", *KEYS, "epoch"), history),
        "steps": Kind("timed steps", ("model", "form", "dataset", "round"), ("batch_size", *times)),
        "search": Kind("a search of recipes", search, ("eval_loss", "val_loss"), ()),
    }
