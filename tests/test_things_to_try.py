"""The notebook of things to try runs by plain papermill, and each thing does what it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import papermill
import pytest

from helpers import paths
from helpers.report.exporters import ReportHTMLExporter

fashion = pytest.mark.skipif(
    not (Path("/usr/share/datasets/fashion-mnist").exists() or os.environ.get("REQUIRE_BROWSER")),
    reason="Debian's package dataset-fashion-mnist is not installed",
)
NOTEBOOK = paths.NOTEBOOKS / "things_to_try.ipynb"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The executed notebook: outputs of code cells, as text, by the heading above them."""
    folder = tmp_path_factory.mktemp("try")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HELPERS_OUTPUT", str(folder))
        done = papermill.execute_notebook(NOTEBOOK, folder / "out.ipynb", progress_bar=False)
    found, heading = {}, ""
    for cell in done.cells:
        if cell.cell_type == "markdown":
            heading = cell.source.partition("\n")[0].lstrip("# ")
        else:
            texts = [output.get("text") or output.get("data", {}).get("text/html", "")
                     for output in cell.outputs]  # fmt: skip
            pictures = [o for o in cell.outputs if "image/svg+xml" in o.get("data", {})]
            found.setdefault(heading, []).append(("".join(texts), len(pictures)))
    return found, folder


def numbers(html):
    """The numbers in a table's cells."""
    return [float(text) for text in re.findall(r"<td>(-?[\d.,]+)</td>", html.replace(",", ""))]


@fashion
def test_it_becomes_a_page_that_can_be_handed_in(made):
    page, _ = ReportHTMLExporter().from_filename(str(made[1] / "out.ipynb"))
    assert page.startswith("<!DOCTYPE html>") and page.count("<figure id=") == 4


def test_a_larger_weight_of_the_kl_lowers_the_rate(made):
    rate, distortion, heavy_rate, heavy_distortion = numbers(
        made[0]["Change the weight of the KL"][0][0]
    )
    assert heavy_rate < rate and heavy_distortion > distortion


def test_an_architecture_of_a_cell_has_weights_of_its_own(made):
    table = made[0]["Add a layer, and an architecture"][0][0]
    plain, own = numbers(table)[::2]
    # a dense layer of 64 more, and a bottleneck that reads 64 values where it read 3,136
    assert own - plain == 3136 * 64 + 64 + 64 * 16 - 3136 * 16 and "one more layer" in table


@pytest.mark.parametrize(
    ("heading", "pictures"),
    [
        pytest.param("Train on Fashion-MNIST", 1, marks=fashion),
        ("Train on arrays of your own", 1),
        ("Plot something of your own", 1),
        ("Read a digit from a photo, and fill a hole in it", 1),
    ],
)
def test_it_shows_what_it_makes(made, heading, pictures):
    assert sum(count for _, count in made[0][heading]) == pictures


def test_a_saved_model_answers_alike_in_a_fresh_process(made):
    (text, _), folder = made[0]["Save a model, and load it in a fresh process"][0], made[1]
    there, here = re.findall(r"(\d+\.\d\d)", text)
    assert float(there) == pytest.approx(float(here), rel=1e-3) and float(here) > 0
    assert (folder / "mine.keras").exists()


def test_runs_and_seeds_are_a_table(made):
    (runs, _), (groups, _) = made[0]["Compare two runs, and their seeds"]
    assert runs.count("<tr") == 5 and groups.count("β = 4") == 1


README = (paths.ROOT / "README.md").read_text(encoding="utf-8")


def test_readme_names_it():
    assert NOTEBOOK.name in README and "make lab" in README


def test_what_readme_shows_of_models_runs_as_it_stands(tmp_path):
    """A model with other settings, kept, and loaded in a fresh process by the last line alone."""
    shown = re.search(r"```python\n(.*?)```", README, re.S)[1]
    *_, loaded = shown.strip().splitlines()
    again = f"from helpers.training import load_model\n{loaded}\nprint(model.beta)"
    for code in (shown, again):
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == "4.0"
