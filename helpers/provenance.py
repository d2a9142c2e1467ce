"""Where numbers come from: digests of the code that decides them, the commit, the machine."""

import importlib
import os
import platform
import re
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache as remember
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from helpers import paths
from helpers.config import REGISTRIES, TrainingConfig
from helpers.data import DATASETS
from helpers.definitions import changed_live, closure, digest, live_code, module
from helpers.errors import ParameterError, Refusal


def threads() -> int:
    """$HELPERS_THREADS, default every core; ParameterError for no whole number from 1 to 4,096."""
    value = os.environ.get("HELPERS_THREADS", str(os.cpu_count() or 1))
    if not value.isdecimal() or not 1 <= int(value[:9]) <= 4_096:
        raise ParameterError(f"HELPERS_THREADS={value} must be a whole number from 1 to 4,096")
    return int(value)


def backend() -> tuple[str, str]:
    """The name and version of Keras's backend; Refusal when it is not installed."""
    name = os.environ.get("KERAS_BACKEND", "tensorflow")
    if name in ("tensorflow", "jax", "torch"):
        with suppress(PackageNotFoundError):
            return name, version(name)
    advice = "Unset it for TensorFlow, or install jax or torch and name that."
    raise Refusal(f"KERAS_BACKEND={name}: no such backend is installed. {advice}")


def code_digest(
    roots: Iterable[str], choices: dict[str, str] | None = None, dataset: str = "mnist"
) -> tuple[str, list[str]]:
    """Digest of the code that dotted names reach, and what this process runs otherwise.

    choices: an architecture and a loss, by their field; if None, all that is registered counts.
    Keras, its backend, their versions and the data set's check sums count too. The digest begins
    with "own-" where a choice is registered in no file of the package, but in a notebook, and with
    "patched-" where the process runs other code than the files hold: it is of that code.
    """
    own, changed = [], {}
    for field, name in (choices or {}).items():
        home, registry = REGISTRIES[field]
        live, source = vars(importlib.import_module(home)), module(home)
        entry, definition = live[registry][name], source.registered.get(name) if source else None
        if not definition:
            own.append(live_code(entry))
        elif getattr(entry, "loss", entry) is not live[definition]:
            changed[f"{field} {name!r}"] = entry
    code = closure(roots, choices and choices.values())
    changed |= changed_live(code)
    found = digest([code, own, version("keras"), *backend(), DATASETS[dataset].sha256])
    found = f"own-{found}" if own else found
    if changed:
        found = f"patched-{digest([found, {name: live_code(v) for name, v in changed.items()}])}"
    return found, sorted(changed)


def _trained_by(config: TrainingConfig | None) -> tuple[str, list[str]]:
    """`code_digest` of what trains a configuration's model, or any model."""
    roots = ["helpers.training.train"]
    if config is None:
        return code_digest(roots)
    choices = {"architecture": config.architecture, "loss": config.loss}
    return code_digest(roots, choices, config.dataset)


def training_code(config: TrainingConfig | None = None) -> str:
    """Digest of the code that decides the weights of a configuration's model, or of any model."""
    return _trained_by(config)[0]


def measuring_code() -> str:
    """Digest of the code that measures a trained model."""
    suite = module("helpers.metrics.suite")
    names = ["measure", *(suite.registered.values() if suite else ())]
    roots = [f"helpers.metrics.suite.{name}" for name in names]
    return code_digest([*roots, "helpers.metrics.classifier.train"], {})[0]


def patches(config: TrainingConfig) -> list[str]:
    """What this process runs otherwise than the files say, of the code that trains a model."""
    return _trained_by(config)[1]


def code_parts(names: Iterable[str]) -> dict[str, str]:
    """Digests of what imported names reach, by file: of its reached definitions.

    names: such as "helpers.plots" or "helpers.metrics.bounds.elbo". Data files beside a reached
    module count too.
    """
    found = {parsed: code for name, code in closure(names).items() if (parsed := module(name))}
    parts = {parsed.file: digest(code) for parsed, code in found.items()}
    for file in (file for folder in {file.parent for file in parts} for file in folder.iterdir()):
        if file.is_file() and file.suffix not in (".py", ".pyc"):
            parts[file] = digest(file.read_bytes())
    return dict(sorted((f.relative_to(paths.ROOT).as_posix(), part) for f, part in parts.items()))


def git(root: Path, *command: str) -> str | None:
    """What git prints; None where it fails or is missing."""
    try:
        done = subprocess.run(["git", *command], cwd=root, capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


@remember
def _commit() -> str:
    """The commit of the code, with + when files differ from it; "unknown" outside a checkout.

    What runs make, in report/ and figures/, is no code: a table of runs may grow under git.
    """
    name = git(paths.ROOT, "describe", "--always", "--abbrev=10", "--exclude=*")
    status = "status", "--porcelain", "--untracked-files=no", "--", ".", ":!report", ":!figures"
    changes = git(paths.ROOT, *status)
    return "unknown" if name is None or changes is None else name + "+" * bool(changes)


@remember
def _processor() -> str:
    """The processor's name, its widest vector instructions and number of cores.

    The vectors decide how sums are rounded; a virtual machine's name may hide which there are.
    """
    info = path.read_text() if (path := Path("/proc/cpuinfo")).exists() else ""
    named = re.search(r"^model name\s*:\s*(.+)", info, re.M)
    name = named[1].strip() if named else platform.processor() or platform.machine()
    vectors = {"AVX-512": "avx512f", "AVX2": "avx2", "NEON": "asimd"}
    found = [f" ({title})" for title, flag in vectors.items() if re.search(rf"\b{flag}\b", info)]
    return f"{name}{''.join(found[:1])}, {os.cpu_count()} cores"


def about(measuring: bool = False, config: TrainingConfig | None = None) -> dict[str, Any]:
    """When, where and with what a number is computed; measuring_code is None unless measuring.

    config: of the model, which other code than the package's files may have trained.
    """
    (name, number), now = backend(), datetime.now(UTC).isoformat(timespec="seconds")
    measured = measuring_code() if measuring else None
    code = {"training_code": training_code(), "measuring_code": measured}
    if config and "-" in (own := training_code(config)):  # patched, or a person's own
        code["training_code"] = own
    software = {"keras": version("keras"), "backend": name, "backend_version": number}
    machine = {"python": platform.python_version(), "processor": _processor()}
    return {"date": now, "commit": _commit()} | code | software | machine | {"threads": threads()}
