"""Where numbers come from: digests of the code that decides them, the commit, the machine."""

import hashlib
import importlib
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache as remember
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from helpers import paths, source
from helpers.config import REGISTRIES, TrainingConfig
from helpers.data import DATASETS
from helpers.errors import ParameterError, Refusal

# What decides a trained model's weights, and what is measured of it, with all that these reach.
TRAINING = ("helpers.training.train",)
MEASURING = ("helpers.metrics.suite.measure", "helpers.metrics.classifier.train")
# Where what a configuration chooses is registered; another choice does not count for it.
CHOICES = {field: REGISTRIES[field] for field in ("architecture", "loss")}


def digest(content: Any) -> str:
    """Twelve hexadecimal digits of the SHA-256 of bytes, or of anything else as JSON."""
    if not isinstance(content, bytes):
        content = json.dumps(content, sort_keys=True, default=repr).encode()
    return hashlib.sha256(content).hexdigest()[:12]


def sha256(file: Path) -> str:
    """SHA-256 of a file's bytes."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def threads() -> int:
    """$HELPERS_THREADS, default every core; ParameterError for no positive whole number."""
    value = os.environ.get("HELPERS_THREADS", str(os.cpu_count() or 1))
    if not value.isdecimal() or int(value) < 1:
        raise ParameterError(f"HELPERS_THREADS={value} must be a whole number above 0")
    return int(value)


def backend() -> tuple[str, str]:
    """The name and version of Keras's backend; Refusal when it is not installed."""
    name = os.environ.get("KERAS_BACKEND", "tensorflow")
    try:
        return name, version(name)
    except PackageNotFoundError as error:
        advice = "Unset it for TensorFlow, or install jax or torch and name that."
        raise Refusal(f"KERAS_BACKEND={name}: no such package is installed. {advice}") from error


def code_digest(
    roots: Iterable[str], choices: dict[str, str] | None = None, dataset: str = "mnist"
) -> tuple[str, list[str]]:
    """Digest of the code that dotted names reach, and what this process runs otherwise.

    choices: what is chosen from CHOICES; if None, all that is registered counts. Keras, its
    backend, their versions and the data set's check sums count too. Where the process runs other
    code than the files hold, the digest is of that code and begins with "patched-".
    """
    roots, own, changed = list(roots), [], {}
    for field, name in (choices or {}).items():
        home, registry = CHOICES[field]
        entry = getattr(importlib.import_module(home), registry)[name]
        module = source.module(home)
        if module is None or name not in module.registered:  # defined in a notebook
            own.append(source.live_code(entry))
            continue
        definition = module.registered[name]
        roots.append(f"{home}.{definition}")
        if getattr(entry, "loss", entry) is not getattr(sys.modules[home], definition):
            changed[f"{field} {name!r}"] = entry
    code = source.closure(roots, registered=choices is None)
    changed |= source.changed_live(code)
    found = digest([code, own, version("keras"), *backend(), DATASETS[dataset].sha256])
    if changed:
        live = {name: source.live_code(value) for name, value in changed.items()}
        found = f"patched-{digest([found, live])}"
    return found, sorted(changed)


def _trained_by(config: TrainingConfig | None) -> tuple[str, list[str]]:
    """`code_digest` of what trains a configuration's model, or any model."""
    if config is None:
        return code_digest(TRAINING)
    choices = {"architecture": config.architecture, "loss": config.loss}
    return code_digest(TRAINING, choices, config.dataset)


def training_code(config: TrainingConfig | None = None) -> str:
    """Digest of the code that decides the weights of a configuration's model, or of any model."""
    return _trained_by(config)[0]


def measuring_code() -> str:
    """Digest of the code that measures a trained model."""
    return code_digest(MEASURING, {})[0]


def patches(config: TrainingConfig) -> list[str]:
    """What this process runs otherwise than the files say, of the code that trains a model."""
    return _trained_by(config)[1]


def code_parts(names: Iterable[str]) -> dict[str, str]:
    """Digests of what imported names reach, by file: of its reached definitions.

    names: such as "helpers.plots" or "helpers.metrics.bounds.elbo". Data files beside a reached
    module count too.
    """
    parts, folders = {}, set()
    for name, definitions in source.closure(names).items():
        if (module := source.module(name)) is not None:
            folders.add(module.file.parent)
            parts[module.file.relative_to(source.ROOT).as_posix()] = digest(definitions)
    for file in (file for folder in folders for file in folder.iterdir()):
        if file.is_file() and file.suffix not in (".py", ".pyc"):
            parts[file.relative_to(source.ROOT).as_posix()] = digest(file.read_bytes())
    return dict(sorted(parts.items()))


@remember
def _commit() -> str:
    """The commit of the code, with + when files differ from it; "unknown" outside a checkout."""
    command = ["git", "describe", "--always", "--abbrev=10", "--dirty=+", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True, check=True)
        return done.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


@remember
def _processor() -> str:
    """The processor's name and number of cores."""
    info = Path("/proc/cpuinfo")
    named = re.search(r"^model name\s*:\s*(.+)", info.read_text() if info.exists() else "", re.M)
    name = named[1].strip() if named else platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores"


def about(measuring: bool = False) -> dict[str, Any]:
    """When, where and with what a number is computed; measuring_code is None unless measuring."""
    (name, number), now = backend(), datetime.now(UTC).isoformat(timespec="seconds")
    measured = measuring_code() if measuring else None
    code = {"training_code": training_code(), "measuring_code": measured}
    software = {"keras": version("keras"), "backend": name, "backend_version": number}
    machine = {"python": platform.python_version(), "processor": _processor()}
    return {"date": now, "commit": _commit()} | code | software | machine | {"threads": threads()}
