"""The house of helpers/: imports lead downwards, rooms stay small, nothing happens on import."""

import ast
import json
import os
import re
import subprocess
import sys

from helpers import paths
from helpers.config import REGISTRIES

ROW = re.search(r"^\| `helpers/` \|.*", (paths.ROOT / "README.md").read_text(), re.M)[0]
COURSE = re.findall(r"`(\w+)`", ROW.split("from the ground up: ")[1].split(". ")[0])
ORDER = ["helpers", *COURSE, "metrics", "evidence", "report", "runner", "__main__"]
FILES = {".".join(file.relative_to(paths.ROOT).with_suffix("").parts).removesuffix(".__init__"):
         file.read_text() for file in (paths.ROOT / "helpers").rglob("*.py")}  # fmt: skip
PARTS = ("bounds", "classifier", "inpainting", "likelihoods", "samples", "suite")
KERAS = {f"helpers.{name}" for name in ("losses", "models", "optimizers", "training")}
KERAS |= {f"helpers.metrics.{name}" for name in PARTS}  # these import Keras, and so TensorFlow
SETS = ["KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL"]  # in helpers/__init__.py, and nothing else
PROBE = """import importlib, json, os, sys, threading
folder, names, found = os.path.dirname(sys.argv[1]), sys.argv[2:], []
sys.path.insert(0, folder)
EVENTS = "thread socket.__new__ os.putenv os.unsetenv os.mkdir os.remove os.rename os.rmdir"
EVENTS += " os.truncate subprocess.Popen os.fork open"
def watch(event, given):  # notes what a module itself does, not what a library that it imports does
    if event in EVENTS.split() and (event != "open" or (given[2] or 0) & (os.O_WRONLY | os.O_RDWR)):
        frame = sys._getframe(1)
        while frame and not frame.f_code.co_filename.startswith(("<frozen importlib", sys.argv[1])):
            frame = frame.f_back
        if frame and frame.f_code.co_filename.startswith(sys.argv[1]):
            found.append([event, str(given[0])])
sys.addaudithook(watch)
start = threading.Thread.start
threading.Thread.start = lambda self: (watch("thread", [self]), start(self))
for name in names:
    importlib.import_module(name)
    if "tensorflow" in sys.modules:
        found.append(["tensorflow", name])
print(json.dumps(found))"""


def imports(name, known=FILES):
    """The modules that one imports, anywhere in its text."""
    nodes = [node for node in ast.walk(ast.parse(known[name])) if hasattr(node, "names")]
    assert not any(getattr(node, "level", 0) for node in nodes), "relative imports are not read"
    dotted = [f"{getattr(node, 'module', '')}.{one.name}".strip(".") for node in nodes
              if isinstance(node, ast.Import | ast.ImportFrom) for one in node.names]  # fmt: skip
    return {one if one in known else one.rpartition(".")[0] for one in dotted} & known.keys()


def upwards(known=FILES):
    """The imports of what stands later in README's list."""
    floor = {name: ORDER.index(f"{name}.".split(".")[1] or name) for name in known}
    return [(a, b) for a in known for b in imports(a, known) if floor[a] < floor[b]]


def circles(known=FILES):
    """Modules that import each other, and those above them."""
    left = {name: imports(name, known) for name in known}
    while free := [name for name in left if not left[name] & left.keys()]:
        left = {name: left[name] for name in left if name not in free}
    return left


def calls(known=FILES):
    """The modules that call something when they are imported."""
    body = [(name, node) for name in known for node in ast.parse(known[name]).body]
    return {name for name, node in body if isinstance(node, ast.Expr)
            and not isinstance(node.value, ast.Constant)}  # fmt: skip


def probed(place, *names):
    """What modules do when a fresh process imports them, in this order; their files begin so."""
    own = {name: value for name, value in os.environ.items() if name not in SETS}
    command = [sys.executable, "-B", "-c", PROBE, str(place), *names]
    done = subprocess.run(command, env=own, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_imports_lead_downwards_in_the_order_of_readme():
    assert {*ORDER[1:]} == {name.split(".")[1] for name in FILES if name != "helpers"}
    assert upwards() == [] and sum(len(imports(name)) for name in FILES) > 100
    a, b = "helpers.metrics.a", "helpers.runner.b"
    assert upwards({a: "def f():\n    from helpers.runner import b", b: ""}) == [(a, b)]


def test_no_modules_import_each_other_not_even_in_a_function():
    assert circles() == {}
    made = {"a.b": "import a.c", "a.c": "def f():\n    from a.d import x", "a.d": "from a import b"}
    assert circles(made | {"a.e": "import os"}).keys() == made.keys()


def test_what_is_imported_by_name_at_run_time_is_the_registries_alone():
    """The exception: config.py stands below what registers the names that its fields take."""
    users = {name for name, text in FILES.items() if re.search(r"importlib\.import_module", text)}
    assert users == {"helpers.config", "helpers.provenance"}
    late = {home for home, _ in REGISTRIES.values()}
    assert late == {"helpers.models", "helpers.losses", "helpers.data"}


def test_rooms_are_small():
    assert {name for name, text in FILES.items() if len(text.splitlines()) >= 400} == set()


def test_nothing_happens_on_import():
    assert calls() == {"helpers"} and calls({"a": '"""A."""\nx = f()', "b": "f(1)"}) == {"b"}
    found = probed(paths.ROOT / "helpers", *sorted(FILES, key=lambda name: (name in KERAS, name)))
    assert {name for event, name in found if event == "tensorflow"} == KERAS
    assert [one for one in found if one[0] != "tensorflow"] == [
        ["os.putenv", str(name.encode())] for name in SETS
    ]


def test_what_happens_on_import_would_be_found(tmp_path):
    deeds = ["socket.socket()", "threading.Thread(target=str).start()", "os.mkdir('made')"]
    deeds += ["os.environ['A'] = 'b'", "open('file', 'w')", "import tensorflow"]
    (tmp_path / "tensorflow.py").write_text("")
    for number, deed in enumerate(deeds):
        text = f"import os, socket, threading\nos.chdir({str(tmp_path)!r})\n{deed}"
        (tmp_path / f"bad{number}.py").write_text(text)
    found = probed(tmp_path / "bad", *(f"bad{number}" for number in range(len(deeds))))
    does = ["socket.__new__", "thread", "os.mkdir", "os.putenv", "open", "tensorflow"]
    assert [event for event, _ in found] == does
