"""The package's own code as data: definitions, what each refers to, and whether it runs unchanged.

A definition is a function, class or constant of a module, by its dotted name. What a definition
refers to is read off its names and its module's imports; annotations, docstrings, comments and
layout do not count. Methods that are called on an argument are not followed: what a class does
counts where the class is named.
"""

import ast
import inspect
import sys
from collections.abc import Iterable
from functools import cached_property, lru_cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

PACKAGE = Path(__file__).resolve().parent
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
HAS_DOCSTRING = 0x4000000  # flag of a code object, from Python 3.13 on
Closure = dict[str, dict[str, str]]  # by module: {definition: its code}


class _Bare(ast.NodeTransformer):
    """Removes docstrings and the annotations of functions."""

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body[0] = ast.Pass()
        if isinstance(node, FUNCTIONS):
            node.returns = None
        if isinstance(node, ast.arg):
            node.annotation = None
        return self.generic_visit(node)


class _Names(ast.NodeVisitor):
    """Collects the dotted names in a definition, annotations aside."""

    def __init__(self) -> None:
        self.found: set[str] = set()

    def visit_Attribute(self, node: ast.Attribute) -> None:
        chain = ast.unparse(node)
        if chain.replace(".", "").isidentifier():
            self.found.add(chain)
        else:
            self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        self.found.add(node.id)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        for part in (node.target, node.value):
            if part is not None:
                self.visit(part)


class Module:
    """One parsed module: its definitions, imports, and what it does when imported."""

    def __init__(self, name: str, file: Path):
        self.name, self.file, self.text = name, file, file.read_text(encoding="utf-8")
        self.definitions: dict[str, list[ast.stmt]] = {}
        self.effects: list[ast.stmt] = []  # statements that do something on import
        self.registered: dict[str, str] = {}  # definition by the name it is registered under
        self.imports: dict[str, str] = {}  # dotted name by alias
        tree = ast.parse(self.text)
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    target = alias.name if alias.asname else alias.name.split(".")[0]
                    self.imports[alias.asname or target] = target
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    self.imports[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        _Bare().visit(tree)
        for statement in tree.body:
            self._add(statement)

    def _add(self, node: ast.stmt) -> None:
        """Sort a top-level statement into definitions and effects."""
        if isinstance(node, ast.Import | ast.ImportFrom):
            return
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            self.definitions.setdefault(node.name, []).append(node)
            for call in (c for c in node.decorator_list if isinstance(c, ast.Call) and c.args):
                maker, key = ast.unparse(call.func), call.args[0]
                ours = maker in self.definitions or "helpers" in self.imports.get(maker, "")
                if ours and isinstance(key, ast.Constant):
                    self.registered[str(key.value)] = node.name
            return
        assigned = isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign)
        if not assigned:
            self.effects.append(node)
        targets: list[ast.AST] = [getattr(node, "target", node)]
        targets = [*node.targets] if isinstance(node, ast.Assign) else targets
        for name in (n for target in targets for n in ast.walk(target)):
            if isinstance(name, ast.Name) and (assigned or isinstance(name.ctx, ast.Store)):
                self.definitions.setdefault(name.id, []).append(node)

    def references(self, nodes: Iterable[ast.stmt]) -> set[str]:
        """The names that statements refer to, as dotted names from the outermost package on."""
        names = _Names()
        for node in nodes:
            names.visit(node)
        found = set()
        for name in names.found:
            base, _, rest = name.partition(".")
            if base in self.definitions:
                found.add(f"{self.name}.{base}")
            elif base in self.imports:
                found.add(f"{self.imports[base]}.{rest}".rstrip("."))
        return found

    @cached_property
    def codes(self) -> dict[str, CodeType]:
        """What the file compiles to: code objects by qualified name."""
        found: dict[str, CodeType] = {}

        def collect(code: CodeType) -> None:
            for inner in (const for const in code.co_consts if isinstance(const, CodeType)):
                found[inner.co_qualname] = inner
                collect(inner)

        collect(compile(self.text, str(self.file), "exec", dont_inherit=True))
        return found


@lru_cache(maxsize=256)
def _parsed(name: str, file: Path, _state: tuple[int, int]) -> Module:
    return Module(name, file)


def module(name: str, root: Path = PACKAGE.parent) -> Module | None:
    """A module of the package under root, or None when there is no such file."""
    base = root.joinpath(*name.split("."))
    for file in (base.with_suffix(".py"), base / "__init__.py"):
        if name.partition(".")[0] == PACKAGE.name and file.is_file():
            about = file.stat()
            return _parsed(name, file, (about.st_mtime_ns, about.st_size))
    return None


def resolve(dotted: str, root: Path = PACKAGE.parent) -> list[tuple[str, str]]:
    """The definitions (module, name) that a dotted name stands for: all of a module's for a module.

    Empty for what is outside the package.
    """
    name, rest = dotted, ""
    while (found := module(name, root)) is None:
        if "." not in name:
            return []
        name, _, last = name.rpartition(".")
        rest = f"{last}.{rest}".rstrip(".")
    if not rest:
        return [(name, definition) for definition in found.definitions]
    first, _, more = rest.partition(".")
    if first in found.definitions:
        return [(name, first)]
    if first in found.imports and found.imports[first] != dotted:
        return resolve(f"{found.imports[first]}.{more}".rstrip("."), root)
    return []


def closure(
    roots: Iterable[str], root: Path = PACKAGE.parent, registered: bool = True
) -> Closure:
    """What dotted names reach: by module, {definition: its code with the outside names it uses}.

    registered: whether functions count that a decorator of the package registers, once their
    module is reached. What reached modules and their packages do on import counts, as "".
    """
    found: Closure = {}
    new = [definition for dotted in roots for definition in resolve(dotted, root)]
    while new:
        name, definition = new.pop()
        if (code := module(name, root)) is None or definition in found.get(name, {}):
            continue
        if name not in found:
            found[name] = {}
            new.append((name, ""))
            new += [(name, function) for function in code.registered.values() if registered]
            if "." in name:
                new.append((name.rpartition(".")[0], ""))
        nodes = code.effects if definition == "" else code.definitions[definition]
        reached = {dotted: resolve(dotted, root) for dotted in sorted(code.references(nodes))}
        outside = [dotted for dotted, inside in reached.items() if not inside]
        found[name][definition] = "\n".join([*map(ast.unparse, nodes), *outside])
        new += [inside for definitions in reached.values() for inside in definitions]
    return found


def _signature(code: CodeType) -> list[Any]:
    """What a code object does, in comparable form: docstrings and line numbers do not count."""
    consts = list(code.co_consts)
    documented = sys.version_info < (3, 13) or code.co_flags & HAS_DOCSTRING
    if documented and consts and isinstance(consts[0], str) and code.co_name[0] != "<":
        consts[0] = None
    inner = [
        _signature(const) if isinstance(const, CodeType)
        else sorted(map(repr, const)) if isinstance(const, frozenset) else repr(const)
        for const in consts
    ]  # fmt: skip
    names = [code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars]
    return [code.co_code.hex(), inner, repr(names), code.co_argcount, code.co_kwonlyargcount]


def _function(value: Any) -> Any:
    """The function inside a method, property or decorated function; other values unchanged."""
    for attribute in ("__func__", "fget", "func"):
        value = getattr(value, attribute, None) or value
    return inspect.unwrap(value) if callable(value) else value


def _is_function(value: Any, origin: Module, name: str) -> bool:
    """Whether a live function is the one that the module's file defines under a qualified name."""
    function, expected = _function(value), origin.codes.get(name)
    if not isinstance(function, FunctionType) or expected is None:
        return False
    here = Path(function.__code__.co_filename).resolve() == origin.file.resolve()
    return here and _signature(function.__code__) == _signature(expected)


def _is_constant(value: Any, node: ast.expr | None) -> bool:
    """Whether a live value is what its expression says, as far as that is a literal."""
    try:
        expected = ast.literal_eval(node) if node is not None else None
    except ValueError:  # not a literal: not to be told
        return True
    return not expected or repr(value) == repr(expected)  # empty: a registry, filled later


def _members(live: Any, node: ast.ClassDef, origin: Module) -> dict[str, bool]:
    """Whether each member of a live class is what the file says."""
    if not isinstance(live, type):
        return {"": False}
    own, same = vars(live), {}
    for member in node.body:
        if isinstance(member, FUNCTIONS):
            function = own.get(member.name)
            same[member.name] = _is_function(function, origin, f"{node.name}.{member.name}")
        elif isinstance(member, ast.Assign | ast.AnnAssign) and member.value is not None:
            target = member.targets[0] if isinstance(member, ast.Assign) else member.target
            name = ast.unparse(target)
            same[name] = _is_constant(own.get(name), member.value)
    for name, value in own.items():
        function = _function(value)
        if name not in same and isinstance(function, FunctionType) and is_ours(function):
            same[name] = function.__code__.co_filename == "<string>"  # made by a dataclass
    return same


def is_ours(value: Any) -> bool:
    """Whether a function or class is the package's or a person's, and no library's."""
    name = getattr(value, "__module__", None) or "builtins"
    file = getattr(sys.modules.get(name), "__file__", None)
    if name.partition(".")[0] == PACKAGE.name or name == "__main__":
        return True
    return file is not None and not file.startswith((sys.prefix, sys.base_prefix))


def changed_live(found: Closure, root: Path = PACKAGE.parent) -> dict[str, Any]:
    """What this process runs otherwise than a closure's files say: live objects by name."""
    changed: dict[str, Any] = {}
    for name, definitions in found.items():
        live, origin = sys.modules.get(name), module(name, root)
        if live is None or origin is None:
            continue
        for definition in filter(None, definitions):
            *_, node = origin.definitions[definition]
            value, same = getattr(live, definition, None), {"": True}
            if isinstance(node, FUNCTIONS):
                same = {"": _is_function(value, origin, definition)}
            elif isinstance(node, ast.ClassDef):
                same = _members(value, node, origin)
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                if isinstance(target, ast.Tuple):
                    value = tuple(getattr(live, ast.unparse(name), None) for name in target.elts)
                same = {"": _is_constant(value, node.value)}
            for member in (member for member, unchanged in same.items() if not unchanged):
                changed[f"{definition}.{member}".rstrip(".")] = value
        for alias, dotted in origin.imports.items():
            parent, _, last = dotted.rpartition(".")
            expected = getattr(sys.modules.get(parent), last, None) or sys.modules.get(dotted)
            if expected is not None and vars(live).get(alias, expected) is not expected:
                changed[f"{name}.{alias}"] = vars(live)[alias]
    return changed


def live_code(value: Any, seen: tuple[int, ...] = ()) -> Any:
    """What a live object does, as JSON can hold it, the same in another process."""
    function, seen_too = _function(value), (*seen, id(value))
    if isinstance(value, int | float | str | bytes | None):
        return repr(value)
    if id(value) in seen:
        return "itself"
    if isinstance(value, list | tuple | set | frozenset):
        return [live_code(item, seen_too) for item in value]
    if isinstance(value, dict):
        return {str(key): live_code(item, seen_too) for key, item in value.items()}
    if isinstance(function, FunctionType) and is_ours(function):
        names = [name for name in _global_names(function.__code__) if name in function.__globals__]
        parts = [function.__defaults__, function.__kwdefaults__]
        parts += [cell.cell_contents for cell in function.__closure__ or ()]
        parts += [function.__globals__[name] for name in names]
        code = [_signature(function.__code__), names]
        return [*code, *(live_code(part, seen_too) for part in parts)]
    if isinstance(value, type) and is_ours(value):
        members = {name: item for name, item in vars(value).items() if name[:2] != "__"}
        special = {name: vars(value).get(name) for name in ("__init__", "__call__")}
        return live_code(members | special, seen_too)
    if not isinstance(value, type | ModuleType | FunctionType) and is_ours(type(value)):
        return [live_code(type(value), seen_too), live_code(vars(value), seen_too)]
    return f"{getattr(value, '__module__', '')}.{getattr(value, '__name__', type(value))}"


def _global_names(code: CodeType) -> list[str]:
    """The names that a code object and those inside it look up, in order."""
    inner = [const for const in code.co_consts if isinstance(const, CodeType)]
    names = [*code.co_names, *(name for part in inner for name in _global_names(part))]
    return list(dict.fromkeys(names))
