"""The package's own code as data: definitions, what each refers to, and whether it runs unchanged.

A definition is a function, class or constant of a module, by its dotted name. What it refers to is
read off its names and its module's imports; annotations, docstrings, comments and layout do not
count. Methods of an argument are not followed: what a class does counts where it is named.
"""

import ast
import inspect
import sys
from collections.abc import Iterable, Iterator
from functools import cached_property, lru_cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

PACKAGE = Path(__file__).resolve().parent
ROOT = PACKAGE.parent  # the folder with the package whose files are read
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
HAS_DOCSTRING = 0x4000000  # flag of a code object, from Python 3.13 on
Closure = dict[str, dict[str, str]]  # by module: {definition: its code}


class _Bare(ast.NodeTransformer):
    """Removes docstrings and annotations."""

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, (ast.Module, ast.ClassDef, *FUNCTIONS)) and ast.get_docstring(node):
            node.body[0] = ast.Pass()
        if isinstance(node, FUNCTIONS):
            node.returns = None
        if isinstance(node, ast.arg):
            node.annotation = None
        if isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
        return self.generic_visit(node)


def _names(node: ast.AST) -> Iterator[str]:
    """The dotted names in a piece of code."""
    if isinstance(node, ast.Name | ast.Attribute):
        chain = ast.unparse(node)
        if chain.replace(".", "").isidentifier():
            yield chain
            return
    for child in ast.iter_child_nodes(node):
        yield from _names(child)


def _codes(code: CodeType) -> list[CodeType]:
    """A code object and all those inside it."""
    inner = [const for const in code.co_consts if isinstance(const, CodeType)]
    return [code, *(each for one in inner for each in _codes(one))]


class Module:
    """One parsed module: definitions (under "" what it does on import), imports, registrations."""

    def __init__(self, name: str, file: Path):
        self.name, self.file, self.text = name, file, file.read_text(encoding="utf-8")
        self.definitions: dict[str, list[ast.stmt]] = {"": []}
        self.registered: dict[str, str] = {}  # definition by the name it is registered under
        self.imports: dict[str, str] = {}  # dotted name by alias
        tree = ast.parse(self.text)
        for node in ast.walk(_Bare().visit(tree)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                parent = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
                for alias in node.names:
                    whole = parent or alias.asname
                    target = alias.name if whole else alias.name.partition(".")[0]
                    self.imports[alias.asname or target] = parent + target
        for node in tree.body:
            names = set()
            if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
                names = {node.name}
                for call in node.decorator_list:
                    if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.args:
                        self.registered[ast.unparse(call.args[0]).strip("'")] = node.name
            elif not isinstance(node, ast.Import | ast.ImportFrom):
                inside = (name for name in ast.walk(node) if isinstance(name, ast.Name))
                names = {name.id for name in inside if isinstance(name.ctx, ast.Store)}
                if not names or not isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
                    names.add("")
            for name in names:
                self.definitions.setdefault(name, []).append(node)

    def references(self, nodes: Iterable[ast.stmt]) -> set[str]:
        """The names that statements refer to, as dotted names from the outermost package on."""
        found = set()
        for name in (name for node in nodes for name in _names(node)):
            base, _, rest = name.partition(".")
            if base in self.definitions:
                found.add(f"{self.name}.{base}")
            elif base in self.imports:
                found.add(f"{self.imports[base]}.{rest}".rstrip("."))
        return found

    @cached_property
    def codes(self) -> dict[str, CodeType]:
        """What the file compiles to: code objects by qualified name."""
        compiled = compile(self.text, str(self.file), "exec", dont_inherit=True)
        return {code.co_qualname: code for code in _codes(compiled)}


@lru_cache(maxsize=256)
def _parsed(name: str, file: Path, _state: tuple[int, int]) -> Module:
    return Module(name, file)


def module(name: str) -> Module | None:
    """A module of the package, or None when there is no such file."""
    base = ROOT.joinpath(*name.split("."))
    for file in (base.with_suffix(".py"), base / "__init__.py"):
        if name.partition(".")[0] == PACKAGE.name and file.is_file():
            about = file.stat()
            return _parsed(name, file, (about.st_mtime_ns, about.st_size))
    return None


def resolve(dotted: str) -> list[tuple[str, str]]:
    """The definitions (module, name) that a dotted name stands for: all of a module's for a module.

    Empty for what is outside the package.
    """
    parts = dotted.split(".")
    for count in range(len(parts), 0, -1):
        name, rest = ".".join(parts[:count]), parts[count:]
        if (found := module(name)) is None:
            continue
        if not rest:
            return [(name, definition) for definition in found.definitions]
        if rest[0] in found.definitions:
            return [(name, rest[0])]
        target = found.imports.get(rest[0], dotted)
        return [] if target == dotted else resolve(".".join([target, *rest[1:]]))
    return []


def closure(roots: Iterable[str], registered: bool = True) -> Closure:
    """What dotted names reach: by module, {definition: its code with the outside names it uses}.

    registered: whether functions count that a decorator of the package registers, once their
    module is reached. What reached modules and their packages do on import counts, as "".
    """
    found: Closure = {}
    new = [definition for dotted in roots for definition in resolve(dotted)]
    while new:
        name, definition = new.pop()
        if (code := module(name)) is None or definition in found.get(name, {}):
            continue
        if name not in found:
            found[name] = {}
            new += [(name, function) for function in code.registered.values() if registered]
            new += [(name, ""), (name.rpartition(".")[0] or name, "")]
        nodes = code.definitions[definition]
        reached = {dotted: resolve(dotted) for dotted in sorted(code.references(nodes))}
        outside = [dotted for dotted, inside in reached.items() if not inside]
        found[name][definition] = "\n".join([*map(ast.unparse, nodes), *outside])
        new += [inside for definitions in reached.values() for inside in definitions]
    return found


def _signature(code: CodeType) -> list[Any]:
    """What a code object does, in comparable form: docstrings and line numbers do not count."""
    found = []
    for one in _codes(code):
        consts = [const for const in one.co_consts if not isinstance(const, CodeType)]
        documented = sys.version_info < (3, 13) or one.co_flags & HAS_DOCSTRING
        if documented and consts and isinstance(consts[0], str) and one.co_name[0] != "<":
            consts[0] = None
        told = [sorted(map(repr, c)) if isinstance(c, frozenset) else repr(c) for c in consts]
        names = [*one.co_names, "", *one.co_varnames, "", *one.co_freevars, "", *one.co_cellvars]
        found.append([one.co_code.hex(), told, names, one.co_argcount, one.co_kwonlyargcount])
    return found


def _function(value: Any) -> Any:
    """The function inside a method, property or decorated function; other values unchanged."""
    for attribute in ("__func__", "fget", "func"):
        value = getattr(value, attribute, None) or value
    return inspect.unwrap(value) if callable(value) else value


def _changed_functions(node: ast.stmt, value: Any, origin: Module) -> list[str]:
    """The functions of a live function or class that are others than in its file, by name."""
    name = getattr(node, "name", "")
    members, expected = {name: value}, {name}
    if isinstance(node, ast.ClassDef):
        codes = (code for code in origin.codes if code.startswith(f"{name}."))
        expected = {code for code in codes if "<" not in code}
        if isinstance(value, type):
            fields = {ast.unparse(n.target) for n in node.body if isinstance(n, ast.AnnAssign)}
            own = {member: vars(value)[member] for member in vars(value).keys() - fields}
            members = {f"{name}.{member}": inner for member, inner in own.items()}
    functions = {member: _function(inner) for member, inner in members.items()}
    generated = {member for member, function in functions.items()  # by @dataclass
                 if getattr(function, "__module__", "") == "dataclasses"
                 or isinstance(function, FunctionType)
                 and function.__code__.co_filename == "<string>"}  # fmt: skip
    live = {member: _signature(function.__code__) for member, function in functions.items()
            if isinstance(function, FunctionType) and member not in generated}  # fmt: skip
    file = {member: _signature(origin.codes[member]) for member in expected}
    return [name for name in sorted(live | file) if live.get(name) != file.get(name)]


def _is_constant(live: ModuleType, name: str, node: Any) -> bool:
    """Whether a live constant is what its statement says, as far as that is a literal."""
    target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
    try:
        expected = ast.literal_eval(node.value)
    except (AttributeError, ValueError):  # no literal: not to be told
        return True
    if isinstance(target, ast.Tuple):
        expected = dict(zip(map(ast.unparse, target.elts), expected, strict=True))[name]
    return expected == {} or repr(getattr(live, name, None)) == repr(expected)  # {}: a registry


def is_ours(value: Any) -> bool:
    """Whether a function or class is the package's or a person's, and no library's."""
    name = getattr(value, "__module__", None) or "builtins"
    file = getattr(sys.modules.get(name), "__file__", None) or sys.prefix
    ours = name.partition(".")[0] in (PACKAGE.name, "__main__")
    return ours or not file.startswith((sys.prefix, sys.base_prefix))


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
                changed |= dict.fromkeys(_changed_functions(node, value, origin), value)
            elif not _is_constant(live, definition, node):
                changed[definition] = value
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
        names = {name for code in _codes(function.__code__) for name in code.co_names}
        used = {name: function.__globals__[name] for name in names & function.__globals__.keys()}
        cells = [cell.cell_contents for cell in function.__closure__ or ()]
        parts = [function.__defaults__, function.__kwdefaults__, cells, dict(sorted(used.items()))]
        return [_signature(function.__code__), live_code(parts, seen_too)]
    if isinstance(value, type) and is_ours(value):
        special = ("__init__", "__call__")
        members = {n: item for n, item in vars(value).items() if n[:2] != "__" or n in special}
        return live_code(members, seen_too)
    if not isinstance(value, type | ModuleType | FunctionType) and is_ours(type(value)):
        return [live_code(type(value), seen_too), live_code(vars(value), seen_too)]
    return f"{getattr(value, '__module__', '')}.{getattr(value, '__name__', type(value))}"
