"""The parameters of notebooks: read from their parameters cells, checked before anything runs."""

import ast
import difflib
import io
import json
import tokenize
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Optional, Union, get_args, get_origin

from helpers.errors import ParameterError, literal
from helpers.config import TrainingConfig, model_config

TYPES = {kind.__name__: kind for kind in (bool, int, float, str, list, tuple, dict)}
TYPES |= {"Any": Any, "Literal": Literal, "Optional": Optional, "Union": Union}


@dataclass(frozen=True)
class Parameter:
    """One line of a parameters cell."""

    name: str
    default: Any
    kind: Any  # a type, or what typing makes of an annotation
    expects: str  # the kind as the notebook writes it
    help: str  # the comment on the same line

    def value(self, text: str) -> Any:
        """The value that text stands for: a Python literal, else the text itself.

        Raises ParameterError when it is not of the parameter's type.
        """
        for value in (literal(text), text):
            if fits(value, self.kind):
                return value
        given = literal(text)
        raise ParameterError(f"{self.name}={text}: expected {self.expects}, given {given!r} ({type(given).__name__})")


def fits(value: Any, kind: Any) -> bool:
    """Whether a value may stand where the annotation `kind` does; an int is a float, a bool is neither."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return True
    if kind in (None, NoneType):
        return value is None
    if origin in (Union, UnionType):
        return any(fits(value, one) for one in inner)
    if origin is Literal:
        return any(value == one and type(value) is type(one) for one in inner)
    if origin in (list, tuple) or kind in (list, tuple):
        return isinstance(value, list | tuple) and all(fits(one, inner[0]) for one in value if inner)
    if origin is dict or kind is dict:
        return isinstance(value, dict)
    return type(value) in ((int, float) if kind is float else (kind,))


def parameters_cells(notebook: dict) -> list[dict]:
    """The cells tagged `parameters` of a notebook given as its JSON."""
    return [cell for cell in notebook["cells"] if "parameters" in cell["metadata"].get("tags", [])]


def read_parameters(file: Path) -> dict[str, Parameter]:
    """The parameters of a notebook by name; none when it has no parameters cell.

    Raises ParameterError, naming the notebook, for two such cells or one that is not plain assignments.
    """
    cells = parameters_cells(json.loads(file.read_text(encoding="utf-8")))
    if len(cells) > 1:
        raise ParameterError(f"{file.name}: {len(cells)} cells are tagged parameters; one is allowed")
    try:
        return parse_parameters("".join(cells[0]["source"])) if cells else {}
    except (ValueError, SyntaxError, NameError, TypeError) as error:
        raise ParameterError(
            f"{file.name}: the parameters cell must be assignments of literals, such as seed = 0 ({error})"
        ) from error


def parse_parameters(source: str) -> dict[str, Parameter]:
    """The parameters that a cell's source assigns. Raises ValueError for anything but assignments of literals."""
    statements = ast.parse(source).body
    comments = _comments(source)
    found = [_parameter(node, comments.get(node.end_lineno, "")) for node in statements]
    return {parameter.name: parameter for parameter in found}


def _comments(source: str) -> dict[int, str]:
    """The comments of a source by line number, without their #."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}


def _parameter(node: ast.stmt, comment: str) -> Parameter:
    """The parameter that one statement assigns."""
    targets = getattr(node, "targets", None) or [getattr(node, "target", None)]
    if not isinstance(node, ast.Assign | ast.AnnAssign) or not isinstance(targets[0], ast.Name) or len(targets) > 1:
        raise ValueError(f"line {node.lineno} is {ast.unparse(node)!r}")
    default, annotation = ast.literal_eval(node.value), getattr(node, "annotation", None)
    kind, expects = (Any, "anything") if default is None else (type(default), type(default).__name__)
    if annotation is not None:
        quoted = isinstance(annotation, ast.Constant) and isinstance(annotation.value, str)
        expects = annotation.value if quoted else ast.unparse(annotation)
        kind = eval(expects, {"__builtins__": {}}, TYPES)
    if not fits(default, kind):
        raise ValueError(f"{targets[0].id} is declared {expects}, but its default is {default!r}")
    return Parameter(targets[0].id, default, kind, expects, comment)


def resolve(
    notebooks: dict[str, dict[str, Parameter]], assignments: Iterable[str], profile: str
) -> dict[str, dict[str, Any]]:
    """What each notebook is given: {notebook: {name: value}}.

    notebooks: the parameters of each; assignments: "NAME=VALUE", each for every notebook that has NAME.
    Raises ParameterError for a name that no notebook has, a value of another type or out of range.
    """
    given = dict(_split(assignment, notebooks) for assignment in assignments)
    values = {}
    for notebook, parameters in notebooks.items():
        texts = {name: text for name, text in given.items() if name in parameters}
        with _named(notebook):
            chosen = {name: parameters[name].value(text) for name, text in texts.items()}
            _check_ranges(chosen, profile)
        values[notebook] = ({"profile": profile} if "profile" in parameters else {}) | chosen
    return values


@contextmanager
def _named(notebook: str):
    """Put the notebook's name before the message of a refused value."""
    try:
        yield
    except ValueError as error:
        raise ParameterError(f"{notebook}: {error}") from error


def _split(assignment: str, notebooks: dict[str, dict[str, Parameter]]) -> tuple[str, str]:
    """NAME and VALUE of one assignment. Raises ParameterError unless a notebook has NAME."""
    name, equals, text = assignment.partition("=")
    name = name.strip()
    known = sorted({known for parameters in notebooks.values() for known in parameters} - {"profile"})
    if not equals:
        raise ParameterError(f"-p {assignment}: write it as NAME=VALUE")
    if name == "profile":
        raise ParameterError(f"-p {assignment}: the profile of all notebooks is chosen by --profile {text}")
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}"
        raise ParameterError(f"-p {assignment}: no notebook has a parameter {name}; {hint}")
    return name, text


def _check_ranges(values: dict[str, Any], profile: str) -> None:
    """Raise ValueError where the training's configuration would, for the parameters that it knows."""
    trained = {field.name for field in fields(TrainingConfig)} & values.keys()
    single = {name: values[name] for name in trained if not isinstance(values[name], list | tuple)}
    model_config("baseline", profile=profile, **single)
