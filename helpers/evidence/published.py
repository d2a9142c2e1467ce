"""The published numbers of the original report, and its claims."""

import json
from functools import cache
from pathlib import Path


@cache
def claims_file() -> dict:
    """What claims.json holds; "claims": id, link to a section, published value, text and rule."""
    return json.loads((Path(__file__).parent / "claims.json").read_text(encoding="utf-8"))


def published(model: str) -> dict[str, float]:
    """The published final training loss (nats per image) and training time (seconds) of a model.

    Raises KeyError, naming the models that have published numbers, for any other.
    """
    models = claims_file()["models"]
    if model not in models:
        raise KeyError(f"nothing is published for {model!r}, only for {', '.join(models)}")
    return models[model]
