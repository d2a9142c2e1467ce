"""What goes wrong, as exceptions, and the checks that refuse a value with what is allowed."""

import ast
import difflib
from collections.abc import Iterable
from typing import Any


class Failure(Exception):
    """A command that failed; the message is for the person who gave it."""

    status = 1


class Refusal(Failure):
    """A command that does not start as it was given; the message says why and what to do."""

    status = 2


class ParameterError(Refusal, ValueError):
    """A parameter or environment variable with a value that cannot be used."""


class DataError(RuntimeError):
    """A data set could not be obtained from any source, or a source gave other bytes."""


def one_line(error: Exception) -> str:
    """What an exception says, in one line, without pydantic's address."""
    return " ".join(str(error).split()).partition(" For further information")[0]


def literal(text: str) -> Any:
    """Text as a Python literal, else unchanged."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def nearest(name: object, known: Iterable[object]) -> str:
    """A hint: the known name most like this one, upper case or lower; empty where none is near."""
    names = {str(one).casefold(): one for one in known}
    near = difflib.get_close_matches(str(name).casefold(), names, n=1)
    return f"; did you mean {names[near[0]]!r}?" if near else ""


def check_choice(field: str, value: object, allowed: Iterable[object]) -> None:
    """Raise ValueError, naming what is allowed and what is nearest, unless value is allowed."""
    choices = list(allowed)
    if value not in choices:
        listed = ", ".join(map(repr, choices))
        raise ValueError(f"{field}={value!r} is not one of {listed}{nearest(value, choices)}")


def check_integer(field: str, value: object, low: int, high: int) -> None:
    """Raise ValueError unless value is an integer between low and high, both included."""
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{field}={value!r} must be an integer from {low:,} to {high:,}")


def check_number(field: str, value: object, low: float, high: float) -> None:
    """Raise ValueError unless value is a number above low, up to high."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not low < value <= high:
        raise ValueError(f"{field}={value!r} must be a number above {low:g}, up to {high:g}")
