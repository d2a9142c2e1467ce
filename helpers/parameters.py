"""The parameters of notebooks: read from their parameters cells, checked before anything runs."""

import ast
import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import EllipsisType
from typing import Any, Literal, Optional, Union

from pydantic import PydanticUserError, TypeAdapter, ValidationError

from helpers.config import TrainingConfig, model_config
from helpers.errors import ParameterError, Refusal, literal, nearest

VALUES = (bool, int, float, str, list, tuple, dict)
KNOWN: dict[str, Any] = {kind.__name__: kind for kind in VALUES}
BOUND = re.compile(r"\bat (least|most) (\d[\d.]*\d|\d)")  # in the comment of a parameter
CONFLICT = re.compile(rb"^(<{7}|>{7})( |$)", re.M)  # at the start of a line, where JSON has none
KNOWN |= {"Any": Any, "Optional": Optional, "Union": Union}


@dataclass(frozen=True)
class Parameter:
    """One line of a parameters cell: its kind as a type and as written, the comment beside it."""

    name: str
    default: Any
    kind: Any
    expects: str
    help: str

    def value(self, text: str) -> Any:
        """The value that text stands for: a Python literal, else the text itself."""
        return self.checked(literal(text), text)

    def checked(self, given: Any, *others: Any) -> Any:
        """The first of the values that is of the parameter's type; ParameterError where none is."""
        same = [list(given), tuple(given)] if isinstance(given, list | tuple) else []
        for value in (given, *same, *others):
            if fits(value, self.kind):
                self._check_range(value)
                return value
        found = f"{given!r} ({type(given).__name__})"
        raise ParameterError(f"{self.name}={given}: expected {self.expects}, given {found}")

    def _check_range(self, value: Any) -> None:
        """ParameterError outside of what the comment says: "at least 2", "at most 28".

        Where it says nothing, a number is above 0 if its default is.
        """
        if not {type(value), type(self.default)} <= {int, float}:
            return
        bounds = {word: float(number) for word, number in BOUND.findall(self.help)}
        said = " and ".join(f"at {word} {bound:g}" for word, bound in bounds.items())
        inside = bounds.get("least", -math.inf) <= value <= bounds.get("most", math.inf)
        if not bounds and self.name not in TrainingConfig.__dataclass_fields__:
            inside, said = value > 0 or self.default <= 0, "above 0"
        if not inside:
            raise ParameterError(f"{self.name}={value} must be {said}")


def fits(value: Any, kind: Any) -> bool:
    """Whether a value may stand where the annotation does; an int is a float, a bool neither."""
    try:
        TypeAdapter(kind).validate_python(value, strict=True)
    except ValidationError:
        return False
    return True


def annotated(node: ast.expr) -> Any:
    """The type that an annotation names; nothing in it is run. Raises ValueError for any other."""
    match node:
        case ast.Constant(value=None | EllipsisType()):
            return node.value
        case ast.Constant(value=str(text)):
            return annotated(ast.parse(text, mode="eval").body)
        case ast.Name(id=name) if name in KNOWN:
            return KNOWN[name]
        case ast.BinOp(op=ast.BitOr()):
            return annotated(node.left) | annotated(node.right)
        case ast.Subscript(value=ast.Name(id="Literal")):
            return Literal[ast.literal_eval(node.slice)]
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Tuple(elts=each)) if name in KNOWN:
            return KNOWN[name][tuple(map(annotated, each))]
        case ast.Subscript(value=ast.Name(id=name)) if name in KNOWN:
            return KNOWN[name][annotated(node.slice)]
    raise ValueError(f"{ast.unparse(node)!r} is no type that a parameter can have")


def read_notebook(file: Path) -> dict:
    """A notebook as its JSON. Raises Refusal, naming the file, when it is none."""
    try:
        notebook = {"metadata": {}} | json.loads(file.read_bytes())
        for cell in notebook["cells"]:
            _ = "".join(cell["source"]), cell["cell_type"], [*cell["metadata"].get("tags", ())]
        return notebook | {"metadata": {**notebook["metadata"]}}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        fix = "restore it from git, or save it again in Jupyter"
        raise Refusal(f"{file} is not a whole notebook ({_why(file, error)}): {fix}") from error


def _why(file: Path, error: Exception) -> str:
    """Why a file that can be read is no notebook, in words."""
    content = file.read_bytes()
    if not content.strip():
        return "it is empty"
    if CONFLICT.search(content):
        return "it has the marks of a merge conflict, <<<<<<< or >>>>>>>"
    match error:
        case json.JSONDecodeError(msg=what, lineno=line):
            return f"no JSON: {what} in line {line}"
        case UnicodeDecodeError():
            return "its text is not UTF-8"
        case RecursionError():
            return "it nests too deeply"
        case KeyError(args=(name,)):
            return f"it, or one of its cells, has no {name!r}"
    return "its JSON has not the parts of a notebook"


def read_parameters(file: Path) -> dict[str, Parameter]:
    """The parameters of a notebook by name; none when no cell is tagged `parameters`.

    Raises ParameterError, naming the notebook, for two such cells or one that is not plain
    assignments.
    """
    every = read_notebook(file)["cells"]
    cells = [cell for cell in every if "parameters" in cell["metadata"].get("tags", [])]
    if len(cells) > 1:
        raise ParameterError(f"{file.name}: {len(cells)} cells are tagged parameters, not one")
    try:
        return parse_parameters("".join(cells[0]["source"])) if cells else {}
    except (ValueError, SyntaxError, TypeError, PydanticUserError) as error:
        rule = "the parameters cell must be assignments of literals, such as seed = 0"
        raise ParameterError(f"{file.name}: {rule} ({error})") from error


def parse_parameters(source: str) -> dict[str, Parameter]:
    """The parameters that a cell's source assigns; ValueError for anything but literals.

    Read from its syntax tree: papermill's own inspector passes over `x: int | None = 1` and over
    text that holds a "=".
    """
    found, lines = {}, source.encode().split(b"\n")
    for node in ast.parse(source).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                default = ast.literal_eval(value)
                kind = Any if default is None else type(default)
                expects = "anything" if default is None else kind.__name__
            case ast.AnnAssign(target=ast.Name(id=name), annotation=note, value=value) if value:
                default, kind = ast.literal_eval(value), annotated(note)
                expects = ast.unparse(note).strip("'\"")
            case _:
                raise ValueError(f"line {node.lineno} is {ast.unparse(node)!r}")
        if not fits(default, kind):
            raise ValueError(f"{name} is declared {expects}, but its default is {default!r}")
        behind = lines[(node.end_lineno or 0) - 1][node.end_col_offset :].decode()
        found[name] = Parameter(name, default, kind, expects, behind.partition("#")[2].strip("# "))
    return found


def check_injected(cells: Sequence[str]) -> None:
    """Raise ParameterError where papermill has set what is no parameter, or one to another type.

    cells: the code that a notebook has run so far. Papermill itself only warns.
    """
    places = [place for place, source in enumerate(cells) if source.startswith("# Parameters\n")]
    if not places or not places[0]:
        return
    known = parse_parameters(cells[places[0] - 1])
    for name, given in parse_parameters(cells[places[0]]).items():
        if name not in known:
            hint = nearest(name, known) or f"; there are: {', '.join(known)}"
            raise ParameterError(f"this notebook has no parameter {name}{hint}")
        known[name].checked(given.default)


def resolve(
    notebooks: dict[str, dict[str, Parameter]], assignments: Iterable[str], profile: str
) -> dict[str, dict[str, Any]]:
    """What each notebook is given: {notebook: {name: value}}.

    notebooks: the parameters of each; assignments: "NAME=VALUE", each for every notebook that has
    NAME. Raises ParameterError for a name that no notebook has, a value of another type or, where
    a training's configuration knows it, out of range.
    """
    known = sorted({name for parameters in notebooks.values() for name in parameters} - {"profile"})
    given = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        name = name.strip()
        if not (equals and name):
            raise ParameterError(f"-p {assignment}: write it as -p NAME=VALUE or -p NAME VALUE")
        if name == "profile":
            raise ParameterError(f"-p {assignment}: all notebooks have the one of --profile {text}")
        if name in given:
            raise ParameterError(f"-p {assignment}: {name} is given twice")
        if name not in known:
            hint = nearest(name, known) or f"; there are: {', '.join(known)}"
            raise ParameterError(f"-p {assignment}: no notebook has a parameter {name}{hint}")
        given[name] = text
    values = {}
    for notebook, parameters in notebooks.items():
        try:
            chosen = {n: parameters[n].value(text) for n, text in given.items() if n in parameters}
            fields = chosen.keys() & TrainingConfig.__dataclass_fields__
            single = {n: chosen[n] for n in fields if not isinstance(chosen[n], list | tuple)}
            model_config("baseline", profile=profile, **single)
        except ValueError as error:
            raise ParameterError(f"{notebook}: {error}") from error
        values[notebook] = ({"profile": profile} if "profile" in parameters else {}) | chosen
    return values
