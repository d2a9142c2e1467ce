"""The published numbers of the original report, and its claims."""

import json
from pathlib import Path

# "models": see `published`; "claims": id, link to a section, published value, text and rule
CLAIMS = json.loads(Path(__file__).with_name("claims.json").read_text(encoding="utf-8"))


def published(model: str) -> dict[str, float]:
    """The published final training loss (nats per image) and training time (seconds) of a model.

    Raises KeyError, naming the models that have published numbers, for any other.
    """
    models = CLAIMS["models"]
    if model not in models:
        raise KeyError(f"nothing is published for {model!r}, only for {', '.join(models)}")
    return models[model]
