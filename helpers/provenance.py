"""Where numbers come from: digests of the code that decides them, the commit, the machine.

Code counts by definitions: functions, classes and constants of the package's modules, by their
dotted names. What a definition refers to is read off its names and its module's imports;
annotations, docstrings, comments and layout do not count. Methods of an argument are not followed:
what a class does counts where it is named.
"""

import ast
import dis
import hashlib
import importlib
import inspect
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache as remember
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from helpers import paths
from helpers.config import REGISTRIES, TrainingConfig
from helpers.data import DATASETS
from helpers.errors import ParameterError, Refusal

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
IMPORTS = (ast.Import, ast.ImportFrom)
Closure = dict[str, dict[str, str]]  # by module: {definition: its code}


def digest(content: Any) -> str:
    """Twelve hexadecimal digits of the SHA-256 of bytes, or of anything else as JSON."""
    if not isinstance(content, bytes):
        content = json.dumps(content, sort_keys=True, default=repr).encode()
    return hashlib.sha256(content).hexdigest()[:12]


def sha256(file: Path) -> str:
    """SHA-256 of a file's bytes."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


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


def _codes(code: CodeType) -> Iterator[CodeType]:
    """A code object and all those inside it."""
    yield code
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _codes(const)


@remember
def _signature(code: CodeType) -> str:
    """What a code object does, in comparable form: docstrings and line numbers do not count."""
    found: list[Any] = [code.co_argcount, code.co_kwonlyargcount, code.co_varnames]
    for step in dis.get_instructions(code):
        value = step.argval
        if isinstance(value, CodeType):
            value = _signature(value)
        elif isinstance(value, frozenset):
            value = sorted(map(repr, value))
        found.append((step.opname, value))
    return repr(found)


class Module:
    """One parsed module: definitions (under "" what it does on import), imports, registrations."""

    def __init__(self, name: str, file: Path):
        self.name, self.file, self.text = name, file, file.read_text(encoding="utf-8")
        self.definitions: dict[str, list[ast.stmt]] = {"": []}
        self.registered: dict[str, str] = {}  # definition by the name it is registered under
        self.imports: dict[str, str] = {}  # dotted name by alias
        tree = ast.parse(self.text)
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.ClassDef, *FUNCTIONS)) and ast.get_docstring(node):
                node.body[0] = ast.Pass()
            if isinstance(node, FUNCTIONS):
                node.returns = None
            elif isinstance(node, ast.arg):
                node.annotation = None
            elif isinstance(node, ast.AnnAssign):
                node.annotation = ast.Constant(None)
            elif isinstance(node, IMPORTS):
                parent = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
                for alias in node.names:
                    whole = parent or alias.asname
                    target = alias.name if whole else alias.name.partition(".")[0]
                    self.imports[alias.asname or target] = parent + target
        for node in (node for node in tree.body if not isinstance(node, IMPORTS)):
            inside = (name for name in ast.walk(node) if isinstance(name, ast.Name))
            names = {name.id for name in inside if isinstance(name.ctx, ast.Store)}
            if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
                names = {node.name}
                for call in node.decorator_list:
                    if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.args:
                        self.registered[ast.unparse(call.args[0]).strip("'")] = node.name
            elif not names or not isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
                names.add("")
            for name in names:
                self.definitions.setdefault(name, []).append(node)

    def references(self, node: ast.AST) -> Iterator[str]:
        """The names that code refers to, as dotted names from the outermost package on."""
        chain = ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else ""
        if chain.replace(".", "").isidentifier():
            base, dot, rest = chain.partition(".")
            if base in self.definitions:
                yield f"{self.name}.{base}"
            elif base in self.imports:
                yield f"{self.imports[base]}{dot}{rest}"
        else:
            for child in ast.iter_child_nodes(node):
                yield from self.references(child)

    @cached_property
    def functions(self) -> set[tuple[str, str]]:
        """Names and signatures of the file's functions and methods."""
        codes = _codes(compile(self.text, str(self.file), "exec", dont_inherit=True))
        named = {code.co_qualname: code for code in codes if code.co_flags & inspect.CO_OPTIMIZED}
        return {(name, _signature(code)) for name, code in named.items() if "<" not in name}


@remember
def _parsed(name: str, file: Path, _changed: int) -> Module:
    return Module(name, file)


def module(name: str) -> Module | None:
    """A module of the package, or None when there is no such file."""
    base = paths.ROOT.joinpath(*name.split("."))
    for file in (base.with_suffix(".py"), base / "__init__.py"):
        if name.partition(".")[0] == __package__ and file.is_file():
            return _parsed(name, file, file.stat().st_mtime_ns)
    return None


def resolve(dotted: str) -> list[tuple[str, str]]:
    """The definitions (module, name) that a dotted name stands for: all of a module's for a module.

    Empty for what is outside the package.
    """
    parts = dotted.split(".")
    for count in range(len(parts), 0, -1):
        name, rest = ".".join(parts[:count]), parts[count:]
        if found := module(name):
            if not rest:
                return [(name, definition) for definition in found.definitions]
            if rest[0] in found.definitions:
                return [(name, rest[0])]
            target = found.imports.get(rest[0])
            return resolve(".".join([target, *rest[1:]])) if target else []
    return []


def closure(roots: Iterable[str], chosen: Iterable[str] | None = None) -> Closure:
    """What dotted names reach: by module, {definition: its code with the outside names it uses}.

    chosen: the names under which registered functions count, once their module is reached; if
    None, all. What reached modules and their packages do on import counts, as "".
    """
    found: Closure = {}
    new = [definition for dotted in roots for definition in resolve(dotted)]
    while new:
        name, definition = new.pop()
        if (code := module(name)) is None or definition in found.get(name, {}):
            continue
        if name not in found:
            found[name] = {}
            keys = code.registered if chosen is None else code.registered.keys() & chosen
            new += [(name, code.registered[key]) for key in keys]
            new += [(name, ""), (name.rpartition(".")[0] or name, "")]
        nodes = code.definitions[definition]
        parts = [ast.unparse(node) for node in nodes]
        for dotted in sorted({dotted for node in nodes for dotted in code.references(node)}):
            inside = resolve(dotted)
            new += inside
            parts += [] if inside else [dotted]
        found[name][definition] = "\n".join(parts)
    return found


def _function(value: Any) -> Any:
    """The function inside a method, property or decorated function; other values unchanged."""
    return inspect.unwrap(getattr(value, "fget", None) or getattr(value, "func", value))


def _functions(name: str, value: Any) -> set[tuple[str, str]]:
    """Names and signatures of a live function, or of a live class's own functions."""
    members = {name: value}
    if isinstance(value, type):
        fields = vars(value).get("__annotations__", {})
        members = {f"{name}.{n}": inner for n, inner in vars(value).items() if n not in fields}
    codes = {own: getattr(_function(inner), "__code__", None) for own, inner in members.items()}
    return {(own, _signature(code)) for own, code in codes.items()  # but what @dataclass makes
            if code and not code.co_filename.endswith(("<string>", "dataclasses.py"))}  # fmt: skip


def _is_constant(live: ModuleType, name: str, node: ast.stmt) -> bool:
    """Whether a live constant is what its statement says, as far as that names nothing else."""
    expected: dict[str, Any] = {}
    try:
        exec(ast.unparse(node), expected)
    except NameError:
        return True
    return repr(getattr(live, name, None)) == repr(expected[name])


def changed_live(found: Closure) -> dict[str, Any]:
    """What this process runs otherwise than a closure's files say: live objects by name."""
    changed: dict[str, Any] = {}
    for name, definitions in found.items():
        live, origin = sys.modules.get(name), module(name)
        if live is None or origin is None or Path(live.__file__ or "").resolve() != origin.file:
            continue
        for definition in filter(None, definitions):
            node, value = origin.definitions[definition][-1], getattr(live, definition, None)
            if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
                file = {own for own in origin.functions if own[0].split(".")[0] == definition}
                changed |= {own: value for own, _ in file ^ _functions(definition, value)}
            elif isinstance(node, ast.Assign) and not _is_constant(live, definition, node):
                changed[definition] = value
        for alias, dotted in origin.imports.items():
            parent, _, last = dotted.rpartition(".")
            expected = getattr(sys.modules.get(parent), last, None) or sys.modules.get(dotted)
            if expected is not None and vars(live).get(alias, expected) is not expected:
                changed[f"{name}.{alias}"] = vars(live)[alias]
    return changed


def _is_ours(value: Any) -> bool:
    """Whether a function or class is the package's or a person's, and no library's."""
    name = getattr(value, "__module__", None) or "builtins"
    file = getattr(sys.modules.get(name), "__file__", None) or sys.prefix
    ours = name.partition(".")[0] in (__package__, "__main__")
    return ours or not file.startswith((sys.prefix, sys.base_prefix))


def live_code(value: Any, seen: tuple[int, ...] = ()) -> Any:
    """What a live object does, as JSON can hold it, the same in another process."""

    def inside(*parts: Any) -> list[Any]:
        return [live_code(part, (*seen, id(value))) for part in parts]

    if isinstance(value, int | float | str | bytes | None):
        return repr(value)
    if id(value) in seen:
        return "itself"
    if isinstance(value, dict | list | tuple | set | frozenset):
        return inside(*(value.items() if isinstance(value, dict) else value))
    if isinstance(function := _function(value), FunctionType) and _is_ours(function):
        names = {name for code in _codes(function.__code__) for name in code.co_names}
        used = {name: function.__globals__[name] for name in names & function.__globals__.keys()}
        cells = [cell.cell_contents for cell in function.__closure__ or ()]
        defaults = [function.__defaults__, function.__kwdefaults__]
        return [_signature(function.__code__), *inside(defaults, cells, sorted(used.items()))]
    if isinstance(value, type) and _is_ours(value):
        special = ("__init__", "__call__")
        return inside({n: v for n, v in vars(value).items() if n[:2] != "__" or n in special})
    if not isinstance(value, type | ModuleType | FunctionType) and _is_ours(type(value)):
        return inside(type(value), vars(value))
    return f"{getattr(value, '__module__', '')}.{getattr(value, '__name__', type(value))}"


def code_digest(
    roots: Iterable[str], choices: dict[str, str] | None = None, dataset: str = "mnist"
) -> tuple[str, list[str]]:
    """Digest of the code that dotted names reach, and what this process runs otherwise.

    choices: an architecture and a loss, by their field; if None, all that is registered counts.
    Keras, its backend, their versions and the data set's check sums count too. Where the process
    runs other code than the files hold, the digest is of that code and begins with "patched-".
    """
    own, changed = [], {}
    for field, name in (choices or {}).items():
        home, registry = REGISTRIES[field]
        live, source = vars(importlib.import_module(home)), module(home)
        entry, definition = live[registry][name], source.registered.get(name) if source else None
        if not definition:  # in no file of the package, but in a notebook
            own.append(live_code(entry))
        elif getattr(entry, "loss", entry) is not live[definition]:
            changed[f"{field} {name!r}"] = entry
    code = closure(roots, choices and choices.values())
    changed |= changed_live(code)
    found = digest([code, own, version("keras"), *backend(), DATASETS[dataset].sha256])
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


@remember
def _commit() -> str:
    """The commit of the code, with + when files differ from it; "unknown" outside a checkout.

    What runs make, in report/ and figures/, is no code: a table of runs may grow under git.
    """
    name = ["git", "describe", "--always", "--abbrev=10", "--exclude=*"]
    changes = ["git", "status", "--porcelain", "--untracked-files=no", "--", ".", ":!report"]
    try:
        said = [
            subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True, check=True)
            for command in (name, [*changes, ":!figures"])
        ]
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return said[0].stdout.strip() + "+" * bool(said[1].stdout)


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
