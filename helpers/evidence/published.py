"""The published numbers of the original report, and its claims."""

import json
from functools import cache
from pathlib import Path


@cache
def _file() -> dict:
    """What claims.json holds."""
    return json.loads((Path(__file__).parent / "claims.json").read_text(encoding="utf-8"))


def models() -> tuple[str, ...]:
    """The names of the models that have published numbers."""
    return tuple(_file()["models"])


def published(model: str) -> dict[str, float]:
    """The published final training loss (nats per image) and training time (seconds) of a model.

    Raises KeyError, naming the models that have published numbers, for any other.
    """
    if model not in models():
        raise KeyError(f"nothing is published for {model!r}, only for {', '.join(models())}")
    return _file()["models"][model]


def claim_texts() -> list[dict[str, str]]:
    """The claims in the original's order: "id", "text", what was "published" of it, and a "link" to our section."""
    return _file()["claims"]
