"""The whole path on real digits as a draft: one command, one HTML, one PDF."""

import json
import os
import re
import subprocess
import sys
from itertools import groupby

import nbformat
import pikepdf
import pypdfium2
import pytest
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from test_prose import too_long

from helpers import paths
from helpers.runner.pipeline import discover

FIGURES_OF_THE_ORIGINAL = {
    "fig-baseline-grid",
    "fig-baseline-means",
    "fig-baseline-loss",
    "fig-baseline-reconstructions",
    "fig-inpainting",
    "fig-generated",
}
SECTIONS = [
    "1 Variational autoencoders",
    "1.1 Architecture",
    "1.2 The latent dimension",
    "1.3 Loss function",
    "2 Applications",
    "2.1 Inpainting",
    "2.2 Generation",
    "3 Discussion",
    "4 Claims",
    "5 Conclusion",
]
COUNT_PAINTS = """canvas => {  // counts how often a frame paints it: `paints`, frames with any
  const context = canvas.getContext("2d"), put = context.putImageData;
  let frame = -1;
  globalThis.paints = [];
  context.putImageData = (...image) => {
    if (frame === document.timeline.currentTime) paints[paints.length - 1]++;
    else paints.push(1);
    frame = document.timeline.currentTime;
    put.apply(context, image);
  };
}"""
CORE = 30  # pages before the appendices, contents included


def run(*command, cwd, **environment):
    env = os.environ | environment
    env.pop(
        "PYTEST_CURRENT_TEST", None
    )  # with it, a kernel keeps to itself what is written to its standard error
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=cwd, env=env, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A draft made from a folder that is not the project's."""
    output = tmp_path_factory.mktemp("report")
    done = run(
        "helpers", "report", "--profile", "draft", "--output", str(output), cwd=output.parent
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return output


@pytest.fixture(scope="module")
def page(report):
    return BeautifulSoup((report / "report.html").read_text(), "html.parser")


@pytest.fixture(scope="module")
def pdf_text(report):
    document = pypdfium2.PdfDocument(report / "report.pdf")
    return "\n".join(page.get_textpage().get_text_bounded() for page in document)


def plain(text):
    """Text with single spaces and without the marks of line breaks."""
    return " ".join(text.replace("\u00ad", "").replace("\ufffe", "").split())


def test_every_notebook_ran_to_its_end_and_stored_its_result(report):
    for name in discover(paths.NOTEBOOKS):
        assert json.loads((report / "results" / f"{name}.json").read_text())["values"]
        notebook = nbformat.read(report / "notebooks" / f"{name}.ipynb", 4)
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert all(cell.execution_count for cell in code if cell.source)
        assert not [
            output for cell in code for output in cell.outputs if output.output_type == "stream"
        ]


def test_sections_are_the_originals_in_both_documents(page, pdf_text):
    headings = [plain(heading.get_text(" ")) for heading in page.find_all(re.compile("^h[1-6]$"))]
    for section in SECTIONS:
        assert any(heading.startswith(section) for heading in headings), (section, headings)
        assert section in plain(pdf_text)
    for words in ("Deciding a latent dimension", "Training set used for testing", "References"):
        assert any(words in heading for heading in headings) and words in plain(pdf_text)


def test_no_sentence_of_the_page_is_long_computed_ones_included(report):
    soup = BeautifulSoup((report / "report.html").read_text(), "html.parser")
    for other in soup.select("script, style, svg, pre, math, table, .live, nav, details.code"):
        other.replace_with(" x ")
    blocks = [each for each in soup.select("p, li, figcaption, caption") if not each.find("li")]
    found = [plain(block.get_text(" ")) for block in blocks]
    split = [re.sub(r"\. (?=[\dx])", ". X ", text) for text in found]  # "… nats. 10-D: …"
    assert len(found) > 300 and not too_long(split)


def test_the_originals_figures_are_there_as_svg(report):
    labels = {file.stem for file in (report / "figures").glob("*.svg")}
    assert labels >= FIGURES_OF_THE_ORIGINAL
    assert sum(label.startswith("fig-") for label in labels) >= 16


def test_a_run_records_its_cost_with_the_rendering_and_leaves_no_staging(report):
    run = json.loads((report / "run.json").read_text())
    assert [*run["minutes"]] == [*discover(paths.NOTEBOOKS)] and run["rendering_minutes"] > 0
    assert 0.5 < run["peak_memory_gb"] < 20
    assert not (report / "staging").exists()


def test_a_run_of_ones_own_touches_no_tracked_file():
    places = [
        "latest/report.html",
        "smoke/run.json",
        "draft/run.json",
        "original/x",
        "notebooks/00.ipynb",
        "staging/x",
    ]
    for place in places:
        command = ["git", "check-ignore", "--quiet", f"report/{place}"]
        assert subprocess.run(command, cwd=paths.ROOT).returncode == 0, place
    assert (
        subprocess.run(
            ["git", "check-ignore", "--quiet", "report/run.json"], cwd=paths.ROOT
        ).returncode
        == 1
    )


def test_figures_are_numbered_in_order_and_alike_in_both_documents(page, pdf_text):
    captions = [plain(caption.get_text(" ")) for caption in page.select("figure figcaption")]
    numbers = [int(found[1]) for text in captions if (found := re.match(r"Figure (\d+)", text))]
    assert numbers == list(range(1, len(numbers) + 1)) and len(numbers) >= 16
    for number in numbers:
        assert re.search(rf"Figure {number}\b", plain(pdf_text))


def test_every_picture_has_alternative_text_of_its_own(page, report):
    pictures = page.find_all("img")
    alternatives = [picture.get("alt", "") for picture in pictures]
    assert all(len(text) > 30 for text in alternatives)
    assert len(set(alternatives)) == len(alternatives)
    with pikepdf.open(report / "report.pdf") as document:
        inside = {
            str(item.Alt)
            for item in document.objects
            if isinstance(item, pikepdf.Dictionary) and "/Alt" in item
        }
        assert document.Root.MarkInfo.Marked
    assert {plain(text) for text in alternatives} <= {plain(text) for text in inside}


def test_figures_and_tables_come_with_their_data(page):
    shown = page.select("figure[id^=fig-], figure[id^=tbl-]")
    without = [figure["id"] for figure in shown if not figure.select_one("a.data[download]")]
    assert without == ["fig-verdicts"]  # words alone, which the table of claims has
    assert len(page.select("a.data[href^='data:image/png']")) > 5


def test_every_link_within_the_page_resolves(page, report):
    anchors = {element["id"] for element in page.find_all(id=True)}
    links = [link["href"] for link in page.find_all("a", href=True)]
    inner = [link[1:] for link in links if link.startswith("#")]
    assert len(inner) > 50 and set(inner) <= anchors
    notebooks = {link for link in links if ".ipynb" in link}
    assert notebooks == {f"notebooks/{file.name}" for file in (report / "notebooks").iterdir()}


def test_the_page_asks_the_network_for_nothing(page, report):
    for element, attribute in (
        ("img", "src"),
        ("script", "src"),
        ("link", "href"),
        ("source", "src"),
        ("iframe", "src"),
    ):
        for found in page.find_all(element):
            assert found.get(attribute, "data:").startswith(("data:", "#")), found
    styles = " ".join(style.get_text() for style in page.find_all("style"))
    assert not re.search(r"url\(\s*(?!['\"]?(?:data:|#))", styles) and "@import" not in styles
    assert len(page.find_all("math")) > 50


def test_all_24_claims_have_their_verdicts_in_both_documents(page, pdf_text, report):
    verdicts = json.loads((report / "results" / "08_claims.json").read_text())["values"]["verdicts"]
    rows = [
        [plain(cell.get_text(" ")) for cell in row.find_all(["td", "th"])]
        for row in page.select("figure[id^=tbl-card] tr")
    ]
    for form, cell in (("plain", -3), ("fast", -2), ("fashion", -1)):
        assert list(verdicts[form]) == [f"C{number}" for number in range(1, 25)]
        for claim, verdict in verdicts[form].items():
            (found,) = (row[cell] for row in rows if row[0] == claim and len(row) == 6)
            assert found.removesuffix(", a part refuted") == verdict, claim
            assert re.search(rf"\b{claim}\b", pdf_text)


def test_the_core_has_at_most_thirty_pages_and_the_first_says_it_all(report):
    document = pypdfium2.PdfDocument(report / "report.pdf")
    starts = {item.get_title(): item.get_dest().get_index() for item in document.get_toc()}
    assert starts["Appendices"] <= CORE  # of pages counted from 0
    first = plain(document[0].get_textpage().get_text_bounded())
    for words in ("1. ", "2. ", "3. ", "Figure 1", "One minute"):
        assert words in first


def test_no_page_of_the_core_has_a_gap_above_a_quarter(report):
    document = pypdfium2.PdfDocument(report / "report.pdf")
    starts = {item.get_title(): item.get_dest().get_index() for item in document.get_toc()}
    gaps = {}
    for number in range(starts["Appendices"] - 1):  # these begin on a new page
        page = document[number].render(scale=0.5).to_numpy().mean(axis=2)
        inside = page[int(0.08 * len(page)) : int(0.92 * len(page))]  # below and above its margins
        runs = groupby((inside > 250).all(axis=1))
        gaps[number + 1] = max(sum(1 for _ in rows) for blank, rows in runs if blank) / len(page)
    assert max(gaps.values()) <= 0.25 and min(gaps.values()) > 0.01, gaps


def test_no_progress_and_no_error_is_left_in_the_page(page):
    text = page.get_text()
    for litter in (
        r"training for \d+ epoch",
        r"taken from the cache",
        r"epoch \d+/\d+",
        "Traceback",
        r"Warning:",
    ):
        assert not re.search(litter, text), litter


def test_the_inpainted_digits_are_the_originals_with_their_true_labels(page):
    from helpers import data
    from helpers.metrics import holes

    labels = data.test_set()[1][holes.original_choice()]
    stored = page.find("img", alt=re.compile("mask|hidden|hole|square", re.I))
    assert stored is not None
    text = plain(page.get_text(" "))
    assert all(str(label) in text for label in labels)


def test_rendering_again_runs_nothing_and_gives_the_same_bytes(report):
    before = {name: (report / name).read_bytes() for name in ("report.html", "report.pdf")}
    done = run("helpers", "render", "--output", str(report), cwd=report)
    assert done.returncode == 0, done.stderr
    assert before == {name: (report / name).read_bytes() for name in before}


def test_a_notebook_alone_with_a_changed_parameter_speaks_of_it(report, tmp_path):
    notebook, out = paths.NOTEBOOKS / "03_latent_10d.ipynb", tmp_path / "out.ipynb"
    options = [
        "-p",
        "profile",
        "smoke",
        "-p",
        "latent_dim",
        "5",
        "-p",
        "epochs",
        "1",
        "-p",
        "n_tsne",
        "500",
        "-k",
        "python3",
    ]
    done = run(
        "papermill",
        str(notebook),
        str(out),
        *options,
        cwd=tmp_path,
        HELPERS_OUTPUT=str(tmp_path / "output"),
    )
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads((tmp_path / "output" / "results" / "03_latent_10d.json").read_text())
    assert len(result["values"]["kl_per_dimension"]) == 5
    assert any(run["config"]["latent_dim"] == 5 for run in result["runs"])
    shown = [
        "".join(output.get("data", {}).get("text/markdown", ""))
        for cell in nbformat.read(out, 4).cells
        for output in cell.get("outputs", [])
        if not cell.id.startswith(("card", "dead-units", "collapse"))  # stored runs of ten
    ]
    prose = " ".join(shown)
    assert re.search(r"\b(five|5)(-D| dimensions| latent)", prose)
    assert not re.search(
        r"\b(ten|10)(-D| dimensions| latent dimensions)", prose.replace("original", "")
    ), prose


# In a browser


@pytest.fixture
def opened(chromium, report):
    """Open the report with options of `new_page`: the page, its messages, its requests."""
    pages = []

    def open_it(**options):
        pages.append(chromium.open((report / "report.html").as_uri(), **options))
        return pages[-1]

    yield open_it
    for page, _, _ in pages:
        page.close()


def enliven(page):
    """Bring every live figure into view, which makes it, and wait until all are there."""
    figures = page.locator(".live")
    for n in range(figures.count()):
        figures.nth(n).scroll_into_view_if_needed()
        page.locator(".live[data-ready]").nth(n).wait_for(state="attached")
    return figures


def test_the_page_says_nothing_and_loads_nothing_but_itself(opened, report):
    page, messages, requests = opened()
    enliven(page)
    page.wait_for_timeout(500)
    assert not messages and requests == [(report / "report.html").as_uri()]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation(opened, scheme):
    page, _, _ = opened(color_scheme=scheme, reduced_motion="reduce")
    enliven(page)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def test_nothing_scrolls_sideways_on_a_phone(opened):
    page, _, _ = opened(viewport={"width": 390, "height": 844}, has_touch=True)
    figures = enliven(page)
    assert page.evaluate("scrollY") > 0
    wide = "figure => figure.scrollWidth - figure.clientWidth"
    assert [figures.nth(n).evaluate(wide) for n in range(figures.count())] == [0] * figures.count()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_every_live_figure_runs_and_can_be_reached_by_keyboard(opened):
    page, _, _ = opened()
    figures = enliven(page)
    names = [figures.nth(n).get_attribute("data-figure") for n in range(figures.count())]
    assert {*names} == {
        "hero", "plane", "confusion", "slider", "sliders", "board", "courses", "verdicts"
    }  # fmt: skip
    for n, name in enumerate(names):
        assert not figures.nth(n).locator(".live-static").is_visible()
        controls = figures.nth(n).locator("[tabindex='0'], input, button")
        (controls.last if name == "verdicts" else controls.first).focus()
        before = figures.nth(n).inner_text()
        for key in ("ArrowRight", "ArrowUp", "Space", "Enter"):
            page.keyboard.press(key)
        page.wait_for_timeout(300)
        assert figures.nth(n).inner_text() != before or name == "board"


def test_what_is_decoded_stays_below_the_bar_on_a_phone(opened):
    page, _, _ = opened(viewport={"width": 390, "height": 844}, has_touch=True)
    enliven(page)
    page.locator(".live[data-figure=sliders] input").nth(5).evaluate("e => e.scrollIntoView()")
    page.wait_for_timeout(300)
    bottom, top = (
        page.locator(where).bounding_box()
        for where in (".bar", ".live[data-figure=sliders] .live-beside")
    )
    assert top["y"] >= bottom["y"] + bottom["height"] - 1


def test_a_drag_decodes_at_most_once_in_a_frame(opened):
    page, _, _ = opened()
    enliven(page)
    for name, at in (("plane", ".live-plane"), ("sliders", "input"), ("slider", "input")):
        figure = page.locator(f".live[data-figure={name}]")
        figure.locator(at).first.scroll_into_view_if_needed()
        box = figure.locator(at).first.bounding_box()
        shown = figure.locator(".live-digit[role=img]").first
        shown.evaluate(COUNT_PAINTS)
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x - 100, y, steps=60)
        page.mouse.up()
        page.wait_for_timeout(300)
        most, paints = page.evaluate("[Math.max(...paints), paints.length]")
        assert most == 1 and paints > 1, name


def test_nothing_moves_by_itself_where_motion_is_reduced(opened):
    page, _, _ = opened(reduced_motion="reduce")
    enliven(page)
    step, before = page.locator(".live[data-figure=board] .live-panels"), []
    for _ in range(2):
        before.append(step.inner_text())
        page.wait_for_timeout(500)
    assert before[0] == before[1]
    switch = page.locator(".live[data-figure=verdicts] .live-choices button")
    switch.nth(1).press("Enter")
    assert switch.nth(1).get_attribute("aria-pressed") == "true"
    assert page.evaluate("document.getAnimations().length") == 0


def test_one_switch_unfolds_all_code(opened):
    page, _, _ = opened()
    switch, shown = (
        page.locator("#all-code"),
        "document.querySelectorAll('details.code[open]').length",
    )
    folded = page.evaluate("document.querySelectorAll('details.code').length")
    assert folded > 10 and page.evaluate(shown) == 0
    switch.press("Enter")
    assert page.evaluate(shown) == folded and switch.get_attribute("aria-pressed") == "true"
    switch.press("Enter")
    assert page.evaluate(shown) == 0


def test_on_paper_are_answers_no_folded_code_and_pictures_for_live_figures(opened):
    page, _, _ = opened()
    enliven(page)
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("[...document.querySelectorAll('details.answer')].every(d => d.open)")
    assert not page.locator("details.code").first.is_visible()
    pictures, bodies = page.locator(".live .live-static"), page.locator(".live-body, .hero")
    assert all(pictures.nth(n).is_visible() for n in range(pictures.count()))
    assert not any(bodies.nth(n).is_visible() for n in range(bodies.count()))


def test_the_exporters_are_registered():
    from nbconvert.exporters import get_export_names

    assert {"report-html", "report-pdf"} <= set(get_export_names())
