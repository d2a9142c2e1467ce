"""Where numbers come from: digests of the code that decides them, the commit, the machine."""

import hashlib
import importlib
import json
import os
import platform
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
CHOICES["optimizer"] = ("helpers.optimizers", "OPTIMIZERS")


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
        raise Refusal(
            f"KERAS_BACKEND={name}: no such package is installed. Unset it for TensorFlow, or "
            "install jax or torch and name that."
        ) from error


def code_digest(
    roots: Iterable[str], choices: dict[str, str] | None = None, *,
    dataset: str = "mnist", root: Path = source.PACKAGE.parent,
) -> tuple[str, list[str]]:  # fmt: skip
    """Digest of the code that dotted names reach, and what this process runs otherwise.

    choices: what is chosen from CHOICES; if None, all that is registered counts. Also counted:
    Keras, its backend and their versions, the data set's check sums. Where the process runs other
    code than the files hold, the digest is of that code and begins with "patched-".
    """
    roots, own, changed = list(roots), [], {}
    for field, name in (choices or {}).items():
        home, registry = CHOICES[field]
        module = source.module(home, root)
        definition = module.registered.get(name) if module else None
        if definition is None or home in sys.modules and root == source.PACKAGE.parent:
            entry = getattr(importlib.import_module(home), registry)[name]
            function = getattr(entry, "loss", entry)
            if definition is None:
                own.append(source.live_code(entry))  # defined in a notebook
            elif function is not getattr(sys.modules[home], definition):
                changed[f"{field} {name!r}"] = entry
        if definition is not None:
            roots.append(f"{home}.{definition}")
    code = source.closure(roots, root, registered=choices is None)
    if root == source.PACKAGE.parent:
        changed |= source.changed_live(code, root)
    content = [code, own, version("keras"), *backend(), DATASETS[dataset].sha256]
    if not changed:
        return digest(content), []
    live = {name: source.live_code(value) for name, value in changed.items()}
    return f"patched-{digest([content, live])}", sorted(changed)


def _choices(config: TrainingConfig | None) -> dict[str, str] | None:
    """What a configuration chooses from CHOICES."""
    if config is None:
        return None
    optimizer = config.optimisation.optimizer
    return {"architecture": config.architecture, "loss": config.loss, "optimizer": optimizer}


def training_code(config: TrainingConfig | None = None, root: Path = source.PACKAGE.parent) -> str:
    """Digest of the code that decides the weights of a configuration's model, or of any model."""
    dataset = "mnist" if config is None else config.dataset
    return code_digest(TRAINING, _choices(config), dataset=dataset, root=root)[0]


def measuring_code(root: Path = source.PACKAGE.parent) -> str:
    """Digest of the code that measures a trained model."""
    return code_digest(MEASURING, {}, root=root)[0]


def patches(config: TrainingConfig) -> list[str]:
    """What this process runs otherwise than the files say, of the code that trains a model."""
    return code_digest(TRAINING, _choices(config), dataset=config.dataset)[1]


def code_parts(names: Iterable[str], root: Path = source.PACKAGE.parent) -> dict[str, str]:
    """Digests of what imported names reach: per module, of its reached definitions.

    names: such as "helpers.plots" or "helpers.metrics.bounds.elbo". Data files beside a reached
    module count too.
    """
    parts, folders = {}, set()
    for name, definitions in source.closure(names, root).items():
        module = source.module(name, root)
        if module is not None:
            folders.add(module.file.parent)
            parts[module.file.relative_to(root).as_posix()] = digest(definitions)
    for file in (file for folder in folders for file in folder.iterdir()):
        if file.is_file() and file.suffix not in (".py", ".pyc"):
            parts[file.relative_to(root).as_posix()] = digest(file.read_bytes())
    return dict(sorted(parts.items()))


@remember
def _commit() -> str:
    """The commit of the code, with + when files differ from it; "unknown" outside a checkout."""
    command = ["git", "-C", str(paths.ROOT), "describe", "--always", "--abbrev=10", "--dirty=+"]
    try:
        done = subprocess.run([*command, "--exclude=*"], capture_output=True, text=True, check=True)
        return done.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


@remember
def _processor() -> str:
    """The processor's name and number of cores."""
    name, info = platform.processor() or platform.machine(), Path("/proc/cpuinfo")
    if info.exists():
        lines = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        name = lines[0].split(":", 1)[1].strip() if lines else name
    return f"{name}, {os.cpu_count()} cores"


def about(measuring: bool = False) -> dict[str, Any]:
    """When, where and with what a number is computed; measuring_code is None unless measuring."""
    name, number = backend()
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "training_code": training_code(),
        "measuring_code": measuring_code() if measuring else None,
        "keras": version("keras"),
        "backend": name,
        "backend_version": number,
        "python": platform.python_version(),
        "processor": _processor(),
        "threads": threads(),
    }
