"""The columns of all tables of runs, as columns.json declares them: a new measure is one line there."""

import dataclasses
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from helpers.config import TrainingConfig

CONFIGURATION = {field.name: field.default for field in dataclasses.fields(TrainingConfig)}
KEYS = tuple(CONFIGURATION)  # what identifies a run
FIRST = ("architecture", "latent_dim", "loss", "split", "recipe", "epochs", "batch_size", "n_train", "dataset", "seed")
DEFAULTS = {name: default for name, default in CONFIGURATION.items() if name not in FIRST}  # of fields that came later
PROVENANCE = ("date", "commit", "training_code", "measuring_code", "keras", "backend", "backend_version", "python")
PROVENANCE += ("processor", "threads")  # the keys of provenance.about()

FLOATS = ("history", "measures", "times")  # sections of columns.json that hold floats alone
OTHERS = {"epoch": "int", "round": "int", "threads": "int", "peak": "float", "kernels": "bool"}  # the rest is text
REQUIRED = ("names", "turns", "configuration")  # sections whose cells may not be empty, but for n_train


@dataclass(frozen=True)
class Field:
    """A column as it is stored: "text", "int", "float" or "bool"; an optional one may have empty cells."""

    name: str
    kind: str
    meaning: str  # and unit
    optional: bool = True


@cache
def sections() -> dict[str, dict[str, Field]]:
    """The columns by section, in their order in a table."""
    file = json.loads((Path(__file__).parent / "columns.json").read_text(encoding="utf-8"))
    found = {
        section: {
            name: Field(name, "float" if section in FLOATS else OTHERS.get(name, "text"), text, section not in REQUIRED)
            for name, text in columns.items()
        }
        for section, columns in file.items()
    }
    kinds = {str: "text", int: "int", float: "float", type(None): "int"}
    found["configuration"] = {
        name: Field(name, kinds[type(default)], "see TrainingConfig", default is None)
        for name, default in CONFIGURATION.items()
    }
    return {name: found[name] for name in ("names", "configuration", *(name for name in file if name != "names"))}


def declared() -> dict[str, Field]:
    """Every column by name."""
    return {name: field for section in sections().values() for name, field in section.items()}


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
