"""The five changes of CONTRIBUTING.md, made in a copy of the project just as it describes them.

The code comes from the document itself. One report of the copy, on Fashion-MNIST at the smoke
profile, holds the new section, which trains the new architecture by the new pixel loss.
"""

import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys

import nbformat
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from helpers import data, paths
from helpers.errors import DataError

SETUP = """from helpers import display, plots
display.start()
from helpers.config import model_config
from helpers.results import load_result, save_result
from helpers.training import fit_or_load
chosen = {"profile": profile, "dataset": dataset, "seed": seed, "loss": "laplace"}
run = fit_or_load(model_config("wide", **chosen))
before = load_result("00_baseline")["values"]"""
PARAMETERS = 'profile: str = "report"\ndataset: str = "mnist"  # or "fashion_mnist"\nseed: int = 0'
FIGURE = """#| label: fig-wide-network
#| fig-cap: "Loss per epoch of the wider network."
#| fig-alt: "Two curves over the epochs of training."
plots.loss_curves(run.history)"""
ABOUT_MNIST = "claims are about MNIST."  # without its apostrophe, which the page curls
SAVE = '#| include: false\nsave_result("09_wider", {"loss": run.history["loss"]}, [run]);'
SECTION = [
    new_markdown_cell("# A wider network\n\nA section after [the baseline](00_baseline.ipynb)."),
    new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}),
    *map(new_code_cell, (SETUP, FIGURE, SAVE)),
]


def block(section, language="python"):
    """The first code block under a heading of CONTRIBUTING.md."""
    text = (paths.ROOT / "CONTRIBUTING.md").read_text()
    body = text.split(f"\n## {section}\n")[1].split("\n## ")[0]
    assert len(body.strip().splitlines()) <= 15, f"{section}: more than fifteen lines"
    return re.search(rf"```{language}\n(.*?)```", body, re.S)[1]


def insert(file, before, text):
    """Put text before a place that the file has once."""
    source = file.read_text()
    assert source.count(before) == 1, (file, before)
    file.write_text(source.replace(before, text + before))


def write_idx(folder):
    """Four IDX files of a data set of our own, negatives of MNIST; their SHA-256 sums in order."""
    folder.mkdir(parents=True)
    mnist, sums = data.load(), []
    for part in ("train-images", "train-labels", "test-images", "test-labels"):
        array = 255 - mnist[part] if "images" in part else mnist[part]
        sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
        content = bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()
        (folder / f"{part}.idx.gz").write_bytes(gzip.compress(content, 1))
        sums.append(hashlib.sha256(content).hexdigest())
    return sums


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project with all five changes, and what runs a command in it."""
    try:
        data.load("fashion_mnist")
    except DataError as error:
        (pytest.fail if os.environ.get("REQUIRE_BROWSER") else pytest.skip)(str(error))
    copy = tmp_path_factory.mktemp("changed") / "project"
    for name in ("helpers", "notebooks", "report/results"):
        shutil.copytree(paths.ROOT / name, copy / name)
    for name in ("requirements.txt", "pyproject.toml"):
        shutil.copy(paths.ROOT / name, copy)
    package = copy / "helpers"
    wide = json.dumps({"architecture": "wide", "latent_dim": 2, "loss": "bce"})
    insert(package / "config.py", '    "1-D": {', f'    "wide": {wide},\n')
    added = {"models.py": "A fourth architecture", "losses.py": "A pixel loss"}
    for name, section in (added | {"metrics/suite.py": "A metric"}).items():
        with (package / name).open("a") as module:
            module.write("\n\n" + block(section))
    columns = package / "evidence" / "columns.json"
    declared = json.loads(columns.read_text())
    declared["measures"]["mean_norm"] = "mean distance of the test images' codes from the origin"
    columns.write_text(json.dumps(declared))
    report = {"report": {"order": 5, "level": 2, "needs": ["00_baseline"]}}
    assert block("A notebook section", "json").startswith('"report": {"order":')
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    section = new_notebook(cells=SECTION, metadata=report | kernel)
    nbformat.write(section, copy / "notebooks" / "09_wider.ipynb")
    sums = write_idx(copy / "digits" / "kmnist")
    entry = block("Another data set").strip().replace("\n", "\n    ")
    entry = re.sub(r'\("SHA-256.*?\)', repr(tuple(sums)), entry, flags=re.S)
    insert(package / "data.py", '    "fashion_mnist": DataSet(', f"    {entry}\n")
    shared = os.environ | {"PYTHONPATH": str(copy), "HELPERS_DATA": str(copy / "digits")}
    shared |= {"HELPERS_CACHE": str(copy / "report" / "cache")}
    shutil.copytree(paths.cache() / "mnist", copy / "report" / "cache" / "mnist")
    if (given := paths.cache() / "fashion_mnist").exists():
        shutil.copytree(given, copy / "report" / "cache" / "fashion_mnist")
    shared.pop("PYTEST_CURRENT_TEST", None)

    def run(*arguments):
        command = [sys.executable, *arguments]
        done = subprocess.run(command, cwd=copy, env=shared, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    return copy, run


@pytest.fixture(scope="module")
def page(project):
    """The report of Fashion-MNIST, with the new section in it."""
    copy, run = project
    command = ("-m", "helpers", "report", "--profile", "smoke", "-p", "dataset=fashion_mnist")
    run(*command, "--output", str(copy / "out"))
    assert (copy / "out" / "report.pdf").read_bytes().startswith(b"%PDF")
    return BeautifulSoup((copy / "out" / "report.html").read_text(), "html.parser")


def begins(page):
    """The title of a report's page and, of every section, its heading and first paragraph."""
    found = []
    for heading in page.find_all(re.compile("^h[1-6]$")):
        following = heading.find_next(["p", "h1", "h2", "h3", "h4", "h5", "h6"])
        first = following if following is not None and following.name == "p" else None
        found += [" ".join(x.get_text(" ").split()) for x in (heading, first) if x is not None]
    return found


def strangers(page):
    """What is wrong with the page of a report whose images are no digits, one line for each."""
    wrong = [text for text in begins(page) if re.search(r"\bdigits?\b", text, re.I)]
    wrong += [alt for picture in page.find_all("img") if "digit" in (alt := picture.get("alt", ""))]
    cards = page.select("figure[id^=tbl-card]")
    silent = [card["id"] for card in cards if ABOUT_MNIST not in " ".join(card.get_text().split())]
    return wrong + (silent if cards else ["no card"])


def test_a_page_of_another_data_set_that_speaks_of_digits_is_found():
    note = f"<figure id='tbl-card-a'><figcaption>Table 1. {ABOUT_MNIST}</figcaption></figure>"
    right = "<h1>On images</h1><h2>One</h2><p>The garments of it.</p><p>All 70,000 digits.</p>"

    def found(html):
        return strangers(BeautifulSoup(html, "html.parser"))

    assert not found(right + note + "<h3>Without words</h3><h3>Two</h3><p>Its <b>rate</b>.</p>")
    assert found(right) == ["no card"]
    assert found(right + note + note.replace(ABOUT_MNIST, "").replace("-a", "-b")) == ["tbl-card-b"]
    assert found(note + "<h1>On handwritten digits</h1>") == ["On handwritten digits"]
    assert found(note + "<h4>A</h4><div><p>Of a <i>digit</i>.</p></div>") == ["Of a digit ."]
    assert found(note + "<img alt='Ten digits.'><p>Fine.</p>") == ["Ten digits."]


def test_a_new_architecture_loss_and_metric_make_a_row(project):
    copy, run = project
    grid = ("model=wide", "loss=laplace", "n_train=300", "epochs=1", "--measure", "--trial")
    run("-m", "helpers", "sweep", *grid, "--jobs", "1", "--table", str(copy / "t.csv"))
    (row,) = pd.read_csv(copy / "t.csv").to_dict("records")
    assert (row["model"], row["loss"], row["dataset"]) == ("wide 2-D, Laplace", "laplace", "mnist")
    assert row["mean_norm"] > 0 and row["parameters"] > 150_000


def test_another_data_set_is_read_trained_and_named(project):
    code = (
        "from helpers import data\nfrom helpers.config import TrainingConfig\n"
        "from helpers.training import fit_or_load\n"
        "run = fit_or_load(TrainingConfig(dataset='kmnist', n_train=300, epochs=1))\n"
        "print(data.DATASETS['kmnist'].title, data.training_set(9, 'kmnist')[0].mean() > 0.5)"
    )
    assert project[1]("-c", code).strip().endswith("Kuzushiji-MNIST True")


def test_the_new_section_stands_where_its_metadata_says(page):
    headings = [heading.get_text(" ") for heading in page.find_all(re.compile("^h[1-4]$"))]
    places = [n for n, text in enumerate(headings) if "A wider network" in text]
    assert places and "Architecture" in " ".join(headings[places[0] : places[0] + 12])
    assert page.find(id="fig-wide-network") is not None


def test_the_report_speaks_of_fashion_and_keeps_the_originals_claims_apart(page):
    text = " ".join(page.get_text(" ").split())
    assert "Fashion-MNIST" in text
    for name in ("trouser", "sneaker", "ankle boot"):
        assert name in text.lower(), name
    assert len(page.select("figure[id^=tbl-card]")) == 8
    assert len(begins(page)) > 60 and not strangers(page)


def test_a_trial_states_no_verdict_and_no_stored_number(page):
    text = " ".join(page.get_text(" ").split())
    assert "it states no verdict" in text
    found = page.select("figure[id^=tbl-card] tbody tr")
    rows = [row.find_all(["th", "td"]) for row in found]
    assert len(rows) == 24
    for row in rows:
        said = {cell.get_text(" ", strip=True) for cell in row[-3:]}
        assert said <= {"not measured yet", "does not apply"}
        assert row[2].get_text(" ", strip=True).endswith(": not measured yet")
    over_seeds = r"by the (plain|fast) recipe (not shown|about|[\d−])"
    assert "not measured yet" in text and not re.search(over_seeds, text)
