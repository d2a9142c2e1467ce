"""The package works installed, its dependencies are stated, and the locks hold them all."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import distributions, packages_distributions

import nbformat
import pytest
import yaml
from no_outputs import faults
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from helpers import paths

PROJECT = tomllib.loads((paths.ROOT / "pyproject.toml").read_text())
STATED = [Requirement(text) for text in PROJECT["project"]["dependencies"]]
DEPENDENCIES = {canonicalize_name(one.name): one for one in STATED}
OPTIONAL = {"torch"}  # another backend, for those who install it
MAKEFILE, README, CONTRIBUTING = ((paths.ROOT / name).read_text() for name in
                                  ("Makefile", "README.md", "CONTRIBUTING.md"))  # fmt: skip
LOCKS = ("requirements.lock", "tests/requirements.lock")
PINS = ("requirements.txt", "tests/requirements.txt")


def pins(name):
    """The versions in a file of requirements."""
    lines = re.findall(r"^([\w.-]+)(?:\[.*\])?==([^\s;]+)", (paths.ROOT / name).read_text(), re.M)
    return {canonicalize_name(package): version for package, version in lines}


def imported():
    """The top-level modules that helpers/ imports, the standard library and helpers aside."""
    names = set()
    for file in (paths.ROOT / "helpers").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                names.add(node.module.split(".")[0])
    return names - sys.stdlib_module_names - {"helpers"}


def test_the_lock_names_the_extras_that_installed_packages_ask_of_each_other():
    """Without them pip takes the newest release of `coverage[toml]`, which has no hash there."""
    lock = (paths.ROOT / LOCKS[1]).read_text()
    asked = [Requirement(text) for one in distributions() for text in one.requires or ()]
    asked = [one for one in asked if one.extras and one.name in pins(LOCKS[1])]
    asked = [one for one in asked if one.marker is None or one.marker.evaluate({"extra": ""})]
    assert "coverage" in {one.name for one in asked}
    for one in asked:
        (found,) = re.findall(rf"^{one.name}\[(.*)\]==", lock, re.M)
        assert one.extras <= set(found.split(",")), one


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder in which the package is installed, without dependencies, from a copy."""
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(paths.ROOT / name, source)
    compiled = shutil.ignore_patterns("__pycache__")
    shutil.copytree(paths.ROOT / "helpers", source / "helpers", ignore=compiled)
    alone = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    pip = [sys.executable, "-m", "pip", "install", *alone, "--target", folder, source]
    subprocess.run(pip, check=True)
    return folder


def test_every_file_of_the_package_is_installed(site):
    def files(folder):
        found = (file for file in (folder / "helpers").rglob("*") if file.is_file())
        return {file.relative_to(folder) for file in found if "__pycache__" not in file.parts}

    missing = files(paths.ROOT) - files(site)
    assert {file.name for file in missing} <= {"README.md"}  # of the fonts


def test_the_installed_command_explains_itself_in_any_folder(site, tmp_path):
    def run(*arguments):
        options = {"cwd": tmp_path, "env": os.environ | {"PYTHONPATH": str(site)}}
        command = [sys.executable, *arguments]
        return subprocess.run(command, **options, capture_output=True, text=True)

    assert run("-c", "import helpers; print(helpers.__file__)").stdout.startswith(str(site))
    done = run("-m", "helpers", "--help")
    assert done.returncode == 0, done.stderr
    assert "report" in done.stdout and not list(tmp_path.iterdir())


def test_what_is_imported_is_a_dependency():
    found = packages_distributions()
    for name in imported() - OPTIONAL:
        packages = {canonicalize_name(one) for one in found.get(name, [])}
        assert packages & set(DEPENDENCIES), name


def test_a_dependency_has_a_version_in_its_range():
    versions = pins("requirements.txt")
    assert set(versions) - {"setuptools"} == set(DEPENDENCIES)
    assert all(DEPENDENCIES[name].specifier.contains(versions[name]) for name in DEPENDENCIES)


@pytest.mark.parametrize("lock, requirements", list(zip(LOCKS, PINS, strict=True)))
def test_a_lock_has_every_version_with_a_hash_and_names_no_host(lock, requirements):
    text = (paths.ROOT / lock).read_text()
    assert pins(requirements).items() <= pins(lock).items(), "make lock"
    assert "://" not in text and "index" not in text
    entries = re.split(r"\n(?=[\w.-]+(?:\[.*\])?==)", text)[1:]
    assert len(entries) == len(pins(lock)) and all("--hash=sha256:" in entry for entry in entries)


@pytest.mark.parametrize("text", [MAKEFILE, README, CONTRIBUTING])
def test_whoever_installs_a_file_of_requirements_checks_hashes(text):
    installs = re.findall(r"(?:PIP\)|pip) install ([^`\n]*?-r [^`\n]*)", text)
    assert installs or text == CONTRIBUTING
    assert all(re.match(r"--require-hashes -r (tests/)?requirements\.lock$", one)
               for one in installs), installs  # fmt: skip


def test_the_tests_run_on_what_the_report_is_made_with():
    assert pins(LOCKS[0]).items() <= pins(LOCKS[1]).items()


def test_the_workflow_runs_every_python_that_is_allowed():
    workflow = (paths.ROOT / ".github/workflows/ci.yml").read_text()
    named = re.findall(r'"(3\.\d+)"', workflow)
    allowed = Requirement(f"python{PROJECT['project']['requires-python']}").specifier
    assert named == [f"3.{minor}" for minor in range(30) if allowed.contains(f"3.{minor}")]
    assert ".ci/run" in workflow


def test_contributing_says_which_python_checks_run_on():
    sentence = re.search(r"^`\.ci/run` takes .*", CONTRIBUTING, re.M)[0]
    assert "PYTHON ?= python3\n" in MAKEFILE
    assert "PYTHON" not in (paths.ROOT / ".ci/run").read_text()
    matrix = re.findall(r'"(3\.\d+)"', (paths.ROOT / ".github/workflows/ci.yml").read_text())
    assert re.findall(r"3\.\d+", sentence.split("workflow")[1]) == matrix


def test_before_a_commit_the_same_notebooks_are_checked_as_by_make():
    (local,) = yaml.safe_load((paths.ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    (files,) = [one["files"] for one in local["hooks"] if "no_outputs" in one["entry"]]
    (line,) = re.findall(r"tests/no_outputs\.py (.*)", MAKEFILE)
    checked = {file for pattern in line.split() for file in paths.ROOT.glob(pattern)}
    every = {*paths.ROOT.glob("notebooks/*.ipynb"), *paths.ROOT.glob("tests/**/*.ipynb")}
    names = {file.relative_to(paths.ROOT).as_posix() for file in every}
    assert checked == every and {name for name in names if re.search(files, name)} == names
    assert not re.search(files, "notebooks/00_baseline.ipynb.orig")


def test_types_are_checked_without_blanket_exceptions():
    mypy = PROJECT["tool"]["mypy"]
    blanket = {"ignore_errors", "ignore_missing_imports", "exclude", "disable_error_code"}
    assert not blanket & set(mypy)
    assert all(set(one) == {"module", "ignore_missing_imports"} for one in mypy["overrides"])


def test_notebooks_are_kept_without_outputs(tmp_path):
    assert [fault for file in paths.NOTEBOOKS.glob("*.ipynb") for fault in faults(file)] == []
    cell = nbformat.v4.new_code_cell("1", outputs=[nbformat.v4.new_output("stream", text="1")])
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "run.ipynb")
    assert len(faults(tmp_path / "run.ipynb")) == 1
