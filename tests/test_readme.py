"""The README states what the committed reference run has measured."""

import json
import re

import pytest

from helpers import paths
from helpers.evidence.speed import RUNS, STEPS, UNLUCKY, comparison, luckiest, recipe_table, together, unlucky
from helpers.evidence.published import published
from helpers.evidence.reproduction import ORIGINAL, final_rows, first_runs
from helpers.evidence.tables import read_table
from helpers.wording import spread

README = (paths.ROOT / "README.md").read_text()


def stored_models():
    files = sorted((paths.REFERENCE / "results").glob("0[0-4]*.json"))
    models = {}
    for file in reversed(files):
        models |= json.loads(file.read_text())["values"].get("models", {})
    return models


def table_rows():
    table = README.split("## Results")[1].split("###")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line.startswith("|")]
    return {row[0]: row[1:] for row in rows[2:]}


def shown(value):
    return "–" if value is None else f"{value:.2f}".replace("-", "−")


def test_the_results_table_is_the_reference_runs():
    models, repeated, rows = stored_models(), first_runs(final_rows(ORIGINAL)), table_rows()
    assert set(rows) == set(models)
    for name, cells in rows.items():
        paper = published(name)["loss"] if name != "dense" else None
        again = repeated[name]["training_loss"] if name != "dense" else None
        expected = [paper, again, models[name]["loss"], models[name]["val_elbo"]]
        assert cells == [shown(value) for value in expected], name


def test_the_minutes_are_those_of_the_reference_run():
    run = json.loads((paths.REFERENCE / "run.json").read_text())
    if run.get("kept"):
        pytest.skip("this run took notebooks from the cache, so that its minutes are not a whole run's")
    stated = re.search(r"\| `make report` \|.*\| (\d+) min, ([\d.]+) GB", README)
    assert int(stated[1]) == pytest.approx(run["total_minutes"], abs=1)
    assert float(stated[2]) == pytest.approx(run["peak_memory_gb"], abs=0.1)


@pytest.mark.parametrize("link", re.findall(r"\]\((?!https:)([^)#]+)\)", README))
def test_every_link_leads_to_a_file(link):
    assert (paths.ROOT / link).exists()


def test_the_seeds_that_the_text_names_are_those_of_the_table():
    losses = [row["training_loss"] for row in final_rows(ORIGINAL) if row["model"] == "10-D"]
    assert f"10-D ends at {losses[0]:.2f} with seed 0 and at {losses[1]:.2f} with seed 1" in README


def test_the_benchmark_is_the_committed_one():
    tables = [read_table(paths.REFERENCE / "results" / name) for name in (RUNS, STEPS)]
    rows = comparison(*tables)
    for model, seeds, loss, minutes, epochs, fast_minutes, ratio, held_out in recipe_table(rows):
        cells = [model, str(seeds), loss, minutes, epochs, fast_minutes, ratio, held_out]
        assert f"| {' | '.join(cells)} |" in README
    assert f"{len(unlucky(rows))} of its {len(rows)} runs end more than {UNLUCKY} nats above" in README
    assert f"All five models, one after the other: {spread(together(rows))} times sooner." in README
    factors = [f"{row['ratio']:.1f} ({row['model']})" for row in luckiest(rows)]
    assert f"by a factor of {', '.join(factors)}." in README
