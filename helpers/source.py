"""The package's own code as data: definitions, what each refers to, and whether it runs unchanged.

A definition is a function, class or constant of a module, by its dotted name. What a definition
refers to is read off its names and its module's imports; annotations, docstrings, comments and
layout do not count. Methods that are called on an argument are not followed: what a class does
counts where the class is named.
"""

import ast
import builtins
import inspect
import sys
import sysconfig
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

PACKAGE = Path(__file__).resolve().parent
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
SIMPLE = (int, float, complex, str, bytes, bool, type(None))
HAS_DOCSTRING = 0x4000000  # flag of a code object, from Python 3.13 on
MISSING = object()


class _Bare(ast.NodeTransformer):
    """Removes docstrings and the annotations of functions."""

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body[:1] = [] if len(node.body) > 1 or isinstance(node, ast.Module) else [ast.Pass()]
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
        try:
            chain = ast.unparse(node)
        except RecursionError:  # a very long expression: its parts will do
            chain = ""
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
        for statement in _Bare().visit(tree).body:
            self._add(statement)

    def _add(self, node: ast.stmt) -> None:
        """Sort a top-level statement into definitions and effects."""
        if isinstance(node, ast.Import | ast.ImportFrom):
            return
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            self.definitions.setdefault(node.name, []).append(node)
            for call in node.decorator_list:
                if isinstance(call, ast.Call) and call.args and isinstance(call.args[0], ast.Constant):
                    maker = ast.unparse(call.func)
                    if maker in self.definitions or "helpers" in self.imports.get(maker, ""):
                        self.registered[str(call.args[0].value)] = node.name
            return
        assigned = isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign)
        if not assigned:
            self.effects.append(node)
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", node)]
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

    @property
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
) -> dict[str, dict[str, str]]:
    """What dotted names reach: by module, {definition: its code with the outside names it uses}.

    registered: whether functions count that a decorator of the package registers, once their
    module is reached. What reached modules and their packages do on import counts, as "".
    """
    found: dict[str, dict[str, str]] = {}
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


def _same(one: CodeType, other: CodeType) -> bool:
    """Whether two code objects do the same; docstrings and line numbers do not count."""
    return _signature(one) == _signature(other)


def _signature(code: CodeType) -> tuple:
    """What a code object does, in comparable form."""
    consts = code.co_consts
    documented = code.co_flags & HAS_DOCSTRING if sys.version_info >= (3, 13) else True
    if documented and consts and isinstance(consts[0], str) and not code.co_name.startswith("<"):
        consts = (None, *consts[1:])
    inner = [
        _signature(const) if isinstance(const, CodeType)
        else sorted(map(repr, const)) if isinstance(const, frozenset)
        else (type(const).__name__, repr(const))
        for const in consts
    ]  # fmt: skip
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    return code.co_code.hex(), inner, names, code.co_argcount, code.co_kwonlyargcount


def _function(value: Any) -> Any:
    """The function inside a method, property or decorated function; other values unchanged."""
    for attribute in ("__func__", "fget", "func"):
        value = getattr(value, attribute, None) or value
    return inspect.unwrap(value) if callable(value) else value


def _unchanged_function(value: Any, origin: Module, name: str) -> bool:
    """Whether a live function is the one that the module's file defines under a qualified name."""
    function = _function(value)
    if not isinstance(function, FunctionType) or name not in (codes := origin.codes):
        return False
    here = Path(function.__code__.co_filename).resolve() == origin.file.resolve()
    return here and _same(function.__code__, codes[name])


def _unchanged_value(value: Any, node: ast.expr | None, names: dict[str, Any]) -> bool:
    """Whether a live constant is what its expression gives, where that can be told safely."""
    if node is None or isinstance(node, ast.Dict | ast.List | ast.Set) and not ast.unparse(node)[1:-1]:
        return True  # a registry, filled later
    calls = [ast.unparse(n.func) for n in ast.walk(node) if isinstance(n, ast.Call)]
    plain = not any(isinstance(n, ast.Await | ast.Lambda | ast.NamedExpr) for n in ast.walk(node))
    if not plain or not all(call.startswith(("math.", "np.")) or call == "tuple" for call in calls):
        return True
    try:
        expected = eval(compile(ast.Expression(node), "<constant>", "eval"), names)
    except Exception:  # not to be told
        return True
    if isinstance(expected, (*SIMPLE, tuple, list, dict, set)):
        return type(value) is type(expected) and repr(value) == repr(expected)
    return True


def _changed_members(live: type, node: ast.ClassDef, origin: Module) -> list[str]:
    """The members of a live class that are not what the file says."""
    own, changed = vars(live), []
    bound = set()
    for member in node.body:
        if isinstance(member, FUNCTIONS):
            bound.add(member.name)
            if not _unchanged_function(own.get(member.name), origin, f"{node.name}.{member.name}"):
                changed.append(f"{node.name}.{member.name}")
        elif isinstance(member, ast.AnnAssign | ast.Assign):
            targets = member.targets if isinstance(member, ast.Assign) else [member.target]
            for name in (target.id for target in targets if isinstance(target, ast.Name)):
                bound.add(name)
                value = own.get(name, MISSING)
                if isinstance(member.value, ast.Constant) and value != member.value.value:
                    changed.append(f"{node.name}.{name}")
    for name, value in own.items():
        added = isinstance(_function(value), FunctionType) and name not in bound
        if added and _function(value).__code__.co_filename != "<string>" and _ours(value):
            changed.append(f"{node.name}.{name}")
    return changed


def _ours(value: Any) -> bool:
    """Whether a function or class belongs to the package or to a person, and to no library."""
    name = getattr(_function(value), "__module__", None) or "builtins"
    file = getattr(sys.modules.get(name), "__file__", None)
    if name.partition(".")[0] == PACKAGE.name or name == "__main__":
        return True
    library = (sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), sys.prefix)
    return file is not None and not file.startswith(library)


def changed_live(found: dict[str, dict[str, str]], root: Path = PACKAGE.parent) -> dict[str, Any]:
    """Of a closure, what this process runs otherwise than the files say: live objects by name."""
    changed: dict[str, Any] = {}
    for name, definitions in found.items():
        live, origin = sys.modules.get(name), module(name, root)
        if live is None or origin is None:
            continue
        for definition in filter(None, definitions):
            node, value = origin.definitions[definition][-1], getattr(live, definition, MISSING)
            if isinstance(node, FUNCTIONS):
                members = [] if _unchanged_function(value, origin, definition) else [definition]
            elif isinstance(node, ast.ClassDef):
                is_class = isinstance(value, type)
                members = _changed_members(value, node, origin) if is_class else [definition]
            else:
                single = len(origin.definitions[definition]) == 1 and hasattr(node, "value")
                target = node.targets[0] if isinstance(node, ast.Assign) else None
                plain = single and (target is None or isinstance(target, ast.Name))
                same = not plain or _unchanged_value(value, node.value, vars(live))
                members = [] if same else [definition]
            changed |= {member: value for member in members}
        changed |= _changed_imports(live, origin)
    return changed


def _changed_imports(live: ModuleType, origin: Module) -> dict[str, Any]:
    """The imported names of a live module that stand for something else than their import says."""
    changed = {}
    for alias, dotted in origin.imports.items():
        parent, _, last = dotted.rpartition(".")
        value = vars(live).get(alias, MISSING)
        expected = getattr(sys.modules.get(parent), last, MISSING) if parent else value
        expected = sys.modules.get(dotted, MISSING) if expected is MISSING else expected
        if MISSING not in (value, expected) and value is not expected:
            changed[f"{origin.name.rpartition('.')[2]}.{alias}"] = value
    return changed


def live_code(value: Any, seen: tuple[int, ...] = ()) -> Any:
    """What a live object does, as JSON can hold it, the same in another process."""
    if isinstance(value, SIMPLE):
        return repr(value)
    if id(value) in seen or len(seen) > 50:
        return "again"
    seen = (*seen, id(value))
    function = _function(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [live_code(item, seen) for item in value]
    if isinstance(value, dict):
        return {str(key): live_code(item, seen) for key, item in value.items()}
    if isinstance(value, ModuleType) or not (isinstance(value, type) or _ours(value)):
        return f"{getattr(value, '__module__', '')}.{getattr(value, '__name__', type(value))}"
    if isinstance(function, FunctionType):
        cells = [cell.cell_contents for cell in function.__closure__ or ()]
        used = {name: function.__globals__[name] for name in _global_names(function.__code__)
                if name in function.__globals__}  # fmt: skip
        more = [function.__defaults__, function.__kwdefaults__, cells, used]
        return [repr(_signature(function.__code__)), *(live_code(part, seen) for part in more)]
    if isinstance(value, type):
        if not _ours(value):
            return f"{value.__module__}.{value.__qualname__}"
        return {name: live_code(item, seen) for name, item in vars(value).items()
                if isinstance(item, SIMPLE) or isinstance(_function(item), FunctionType)}  # fmt: skip
    return {type(value).__qualname__: live_code(getattr(value, "__dict__", {}), seen)}


def _global_names(code: CodeType) -> list[str]:
    """The names that a code object and those inside it look up, in order."""
    inner = [const for const in code.co_consts if isinstance(const, CodeType)]
    names = [*code.co_names, *(name for part in inner for name in _global_names(part))]
    return [name for name in dict.fromkeys(names) if not hasattr(builtins, name)]
