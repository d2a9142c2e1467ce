"""README states what the tracked reference run has measured, and names what there is."""

import json
import re
import tomllib

import pytest

from helpers import paths
from helpers.__main__ import parser
from helpers.config import TrainingConfig
from helpers.evidence.published import published
from helpers.evidence.reproduction import ORIGINAL
from helpers.evidence.speed import RUNS, STEPS, comparison, recipe_table
from helpers.evidence.tables import stored

DOCUMENTS = {name: (paths.ROOT / name).read_text() for name in ("README.md", "CONTRIBUTING.md")}
README = DOCUMENTS["README.md"]
COMMAND = r"^python -m helpers ((?:report|render|sweep|evidence|benchmark|parameters)\b[^#\n]*)"
COMMANDS = re.findall(COMMAND, README, re.M)
LINKS = [
    (name, link)
    for name, text in DOCUMENTS.items()
    for link in re.findall(r"\]\((?!https:)([^)#]+)\)", text)
]


def test_the_figures_of_time_and_memory_are_those_of_the_reference_run():
    run = json.loads((paths.REFERENCE / "run.json").read_text())
    assert run["kept"] == [], "the tracked run is a whole one: nothing in it came from a cache"
    minutes, memory = re.search(r"\| `make report` \|.*\| (\d+) min, ([\d.]+) GB", README).groups()
    assert float(minutes) == pytest.approx(run["total_minutes"], abs=0.5)
    assert float(memory) == pytest.approx(run["peak_memory_gb"], abs=0.05)


def test_the_tracked_page_has_six_megabytes_at_most_and_the_pdf_four():
    assert (paths.REFERENCE / "report.html").stat().st_size <= 6e6
    assert (paths.REFERENCE / "report.pdf").stat().st_size <= 4e6


def test_the_results_are_those_of_the_reference_run():
    models = {}
    for file in sorted((paths.REFERENCE / "results").glob("0[0-4]*.json"), reverse=True):
        models |= json.loads(file.read_text())["values"].get("models", {})
    ends = stored(ORIGINAL).query("seed == 0 and epoch == 30")
    repeated = ends.set_index("model")["training_loss"]
    table = README.split("## Results")[1].split("###")[0]
    lines = re.findall(r"^\|(.*)\|$", table, re.M)[2:]
    rows = [[cell.strip() for cell in line.split("|")] for line in lines]
    assert sorted(name for name, *_ in rows) == sorted(models)
    for name, *cells in rows:
        known = [published(name)["loss"], repeated[name]] if name in repeated else [None, None]
        values = known + [models[name]["loss"], models[name]["val_elbo"]]
        texts = ["–" if value is None else f"{value:.2f}" for value in values]
        assert cells == [text.replace("-", "−") for text in texts], name


def test_the_seeds_that_differ_are_those_of_the_table():
    runs = stored(ORIGINAL).query("model == '10-D' and epoch == 30")
    ends = runs.set_index("seed")["training_loss"]
    assert f"10-D ends at {ends[0]:.2f} with seed 0 and at {ends[1]:.2f} with seed 1" in README


def test_the_speed_up_is_that_of_the_tables():
    rows = comparison(stored(RUNS), stored(STEPS))
    for cells in recipe_table(rows).astype(str).to_numpy():
        assert f"| {' | '.join(cells)} |" in README


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_one_that_the_command_line_takes(command):
    words = [word.strip('"') for word in re.findall(r'(?:"[^"]*"|\S)+', command)]
    assert parser().parse_args(words)
    for name in re.findall(r"(\w+)=", " ".join(words)) if words[0] == "sweep" else ():
        assert name == "model" or name in TrainingConfig.__dataclass_fields__


def test_the_commands_are_found():
    assert len(COMMANDS) > 10 and {command.split()[0] for command in COMMANDS} == {
        "report", "render", "sweep", "evidence", "benchmark", "parameters",
    }  # fmt: skip


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_make_target_exists(name):
    targets = re.findall(r"^(\w+):", (paths.ROOT / "Makefile").read_text(), re.M)
    named = re.findall(r"\bmake (report|test|check|lab|lock)\b", DOCUMENTS[name])
    assert named and set(named) <= set(targets)


@pytest.mark.parametrize("document, link", LINKS)
def test_every_link_leads_to_a_file(document, link):
    assert (paths.ROOT / link).exists()


def test_the_fields_that_a_student_changes_exist():
    table = README.split("What can be changed")[1].split("The same names")[0]
    first_cells = "".join(re.findall(r"^\| (`.*?) \|", table, re.M))
    named = re.findall(r"`(\w+)`", first_cells)
    assert len(named) >= 6 and set(named) <= set(TrainingConfig.__dataclass_fields__)


def test_a_way_to_change_something_takes_at_most_fifteen_lines():
    sections = DOCUMENTS["CONTRIBUTING.md"].split("\n## ")
    ways = {part.split("\n")[0]: part.strip().split("\n")[1:] for part in sections}
    changes = ("fourth architecture", "pixel loss", "metric", "notebook section")
    for name in [f"A {change}" for change in changes] + ["Another data set"]:
        assert len(ways[name]) <= 15


def test_the_versions_agree():
    version = tomllib.loads((paths.ROOT / "pyproject.toml").read_text())["project"]["version"]
    changelog = (paths.ROOT / "CHANGELOG.md").read_text()
    released = re.findall(r"^## \[(\d[^\]]*)\]", changelog, re.M)[0]
    assert f"version: {released}\n" in (paths.ROOT / "CITATION.cff").read_text()
    assert version == released or ("dev" in version and "[Unreleased]" in changelog)
