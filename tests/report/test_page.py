"""The page in a browser: contents, search, previews, copying, the theme, phones, paper."""

import csv
import re
from types import SimpleNamespace

import pytest
import sample_report as sample
from axe_playwright_python.sync_playwright import Axe

from helpers.report.exporters import render

WIDE, PHONE = {"width": 1200, "height": 800}, {"width": 390, "height": 844}
OVERFLOWING = """[...document.querySelectorAll("main *")].filter(each => each.checkVisibility()
  && each.scrollWidth > each.clientWidth + 1 && getComputedStyle(each).overflowX !== "visible")
  .map(each => each.tagName + "." + each.className)"""
LEGIBLE = "[...document.querySelectorAll('.formula math')].map(m => +getComputedStyle(m).fontSize"
LEGIBLE += ".slice(0, -2))"


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The sample report as a file, with an answer to fold and a table too wide for a phone."""
    folder, books = tmp_path_factory.mktemp("page"), sample.sample()
    fold = "Why?\n\n<details><summary>Answer</summary>\n\nBecause.\n\n</details>"
    books["00_baseline"].cells.insert(8, sample.text(fold))
    books["00_baseline"].cells.insert(8, sample.text("A link to [](08_claims.ipynb)."))
    render(sample.write(folder / "notebooks", books), folder)
    return (folder / "report.html").as_uri()


@pytest.fixture
def reader(chromium, report):
    """Opens the report; in the end the page has said nothing and asked for nothing."""
    opened = []

    def read(viewport=WIDE, **options):
        page, messages, requests = chromium.open(report, viewport=viewport, **options)
        opened.append(SimpleNamespace(page=page, messages=messages))
        assert requests == [report]
        return page

    yield read
    for each in opened:
        each.page.close()
        assert each.messages == []


def wait_for_current(page, place):
    """Wait until the contents mark this section; the page's policy forbids waiting for a function."""
    page.locator(f"#contents a[href='{place}'][aria-current]").wait_for(state="attached")


def test_contents_follow_the_reader_and_scroll(reader):
    page = reader({"width": 1200, "height": 300})
    for place in ("#00_baseline-training", "#08_claims"):
        page.evaluate("place => document.getElementById(place.slice(1)).scrollIntoView()", place)
        wait_for_current(page, place)
    line = page.locator("#contents [aria-current]").bounding_box()
    assert 0 <= line["y"] < 300
    assert page.evaluate("document.querySelector('#contents').scrollTop") > 0


def test_contents_are_a_drawer_on_a_phone(reader):
    page = reader(PHONE, has_touch=True, reduced_motion="reduce")
    contents, opener = page.locator("#contents"), page.locator("#open-contents")
    assert not contents.is_visible()
    opener.tap()
    assert contents.is_visible() and opener.get_attribute("aria-expanded") == "true"
    page.keyboard.press("Escape")
    assert not contents.is_visible() and opener.get_attribute("aria-expanded") == "false"
    opener.tap()
    page.locator("#contents a[href='#08_claims']").tap()
    assert not contents.is_visible() and page.url.endswith("#08_claims")
    wait_for_current(page, "#08_claims")


@pytest.mark.parametrize(
    ("sought", "first"),
    [("latent DIMENSION 1", "1.1.1 Latent dimension 1"), ("decoded grid", "Figure 2")]
    + [("smoothly", "Table 2"), ("no such word", None), ("a(b", None)],
)
def test_search_finds_headings_text_and_captions(reader, sought, first):
    page = reader()
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.type") == "search"
    page.keyboard.type(sought)
    places = page.locator("#search li b").all_inner_texts()
    assert places[:1] == ([first] if first else [])
    if first:
        page.keyboard.press("ArrowDown")
        address = page.evaluate("document.activeElement.hash")
        page.keyboard.press("Enter")
        assert page.url.endswith(address) and not page.locator("#search").is_visible()


def test_code_can_be_copied(reader):
    page = reader(permissions=["clipboard-read", "clipboard-write"])
    code = page.locator("#lst-elbo pre").text_content()
    button = page.locator("#lst-elbo button")
    button.focus()
    page.keyboard.press("Enter")
    page.wait_for_timeout(100)
    assert button.inner_text() == "Copied"
    assert page.evaluate("navigator.clipboard.readText()") == code


def test_the_theme_is_remembered(chromium, report):
    page, messages, _ = chromium.open(report, color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.locator("#theme").select_option("light")
    assert page.evaluate(ground) == "rgb(255, 255, 255)" != dark
    page.reload()
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    assert page.locator("#theme").input_value() == "light"
    page.locator("#theme").select_option("")
    page.reload()
    assert page.evaluate(ground) == dark
    assert not messages
    page.close()


TARGETS = {"#fig-loss": "img", "#tbl-losses": "table", "#eq-elbo": "math", "#lst-elbo": "code"}
TARGETS |= {"#cite-kingma2014": "em", "#00_baseline-the-bound": "b"}


@pytest.mark.parametrize("target", TARGETS)
def test_links_show_what_they_lead_to(reader, target):
    page = reader()
    link = page.locator(f"main a[href='{target}']:not(nav a, .anchor)").first
    preview = page.locator("#preview")
    link.scroll_into_view_if_needed()
    link.hover()
    preview.wait_for(state="visible")
    assert preview.locator(TARGETS[target]).first.is_visible()
    assert preview.locator("[id], a, [tabindex], script").count() == 0
    box = preview.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= WIDE["width"]
    page.keyboard.press("Escape")
    assert not preview.is_visible()


def test_previews_come_with_the_focus_and_go(reader):
    page = reader()
    page.keyboard.press("Tab")
    page.evaluate("document.querySelector('main p a[href=\"#fig-loss\"]').focus()")
    assert page.locator("#preview img").is_visible()
    assert page.locator("[aria-describedby=preview]").count() == 1
    page.evaluate("document.querySelector('#open-search').focus()")
    assert not page.locator("#preview").is_visible()
    assert page.locator("[aria-describedby=preview]").count() == 0


def test_the_first_tap_shows_and_the_second_goes(reader):
    page = reader(PHONE, has_touch=True)
    link = page.locator("main p a[href='#fig-loss']").first
    before = page.url
    link.tap()
    assert page.locator("#preview img").is_visible() and page.url == before
    page.locator("#preview .go").tap()
    assert page.url.endswith("#fig-loss") and not page.locator("#preview").is_visible()


def test_nothing_but_code_scrolls_sideways_on_a_phone(reader):
    page = reader(PHONE)
    page.evaluate("document.fonts.ready")
    page.wait_for_timeout(100)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    assert set(page.evaluate(OVERFLOWING)) <= {"PRE."}
    cell = page.locator("#tbl-claims td").nth(1)
    named = cell.evaluate("cell => getComputedStyle(cell, '::before').content")
    assert named == '"published"' and cell.evaluate("cell => cell.offsetWidth") > 200
    assert min(page.evaluate(LEGIBLE)) > 8


def test_paper_has_answers_and_no_plumbing_and_the_page_is_as_it_was(reader):
    page = reader()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.get_by_text("Because.").is_visible()
    for unseen in (".bar", "#contents", "details.code", ".box > button", ".data", ".links"):
        assert not any(each.is_visible() for each in page.locator(unseen).all()), unseen
    assert page.locator("#lst-elbo pre").is_visible()
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    page.emulate_media(media="screen")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert not page.get_by_text("Because.").is_visible()
    assert page.locator(".bar").is_visible()


@pytest.mark.parametrize("options", [{}, {"color_scheme": "dark"}, {"viewport": PHONE}])
def test_axe_finds_nothing(chromium, report, options):
    page, _, _ = chromium.open(report, bypass_csp=True, **options)
    found = Axe().run(page).response["violations"]
    page.locator("#open-search").click()
    found += Axe().run(page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []
    page.close()


def test_everything_can_be_reached_by_keyboard(reader):
    page = reader()
    reached, focused = [], "document.activeElement.id || document.activeElement.className"
    for _ in range(5):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(focused))
    assert reached[:3] == ["skip", "open-search", "theme"]
    assert page.evaluate("document.activeElement.matches(':focus-visible')")


def test_notebooks_are_linked_where_they_are_said_to_be(tmp_path):
    books = sample.write(tmp_path / "notebooks", sample.sample())
    render(books, tmp_path, "../course & lab")
    page = (tmp_path / "report.html").read_text()
    found = re.findall(r'<p class="links"><a href="([^"]*)"', page)
    assert found == [f"../course%20%26%20lab/{name}.ipynb" for name in sample.sample()]


def test_a_page_alone_leads_to_no_pdf(tmp_path):
    books = sample.write(tmp_path / "notebooks", sample.sample())
    render(books, tmp_path, formats=["html"])
    assert [file.name for file in tmp_path.glob("report.*")] == ["report.html"]
    assert 'href="report.pdf"' not in (tmp_path / "report.html").read_text()


def test_links_lead_to_the_pdf_and_notebooks_and_data(reader):
    page = reader()
    assert page.locator(".bar a").get_attribute("href") == "report.pdf"
    notebooks = [a.get_attribute("href") for a in page.locator(".links a").all()]
    assert notebooks == [f"notebooks/{name}.ipynb" for name in sample.sample()]
    with page.expect_download() as download:
        page.locator("#tbl-losses .data").click()
    assert download.value.suggested_filename == "tbl-losses.csv"
    rows = list(csv.reader(download.value.path().read_text("utf-8").splitlines()))
    assert rows[0] == ["model", "latent dimension", "loss", "verdict"]
    assert rows[2] == ["1-D", "1", "165.12", "refuted"] and len(rows) == 3


def test_nothing_stands_in_the_way_of_the_first_paint(chromium, report):
    """Before the text: styles and the script of the theme, a line or two; nothing to fetch."""
    page, _, requests = chromium.open(report)
    before = page.evaluate("""[...document.querySelectorAll("script, link, img, iframe")].filter(
      each => each.compareDocumentPosition(document.querySelector("main")) & 4 && !each.type)
      .map(each => each.localName + each.textContent.length)""")
    assert len(before) == 1 and before[0].startswith("script") and int(before[0][6:]) < 300
    assert len(requests) <= 1
    page.close()


def test_without_its_script_the_page_can_be_read(chromium, report):
    page, _, _ = chromium.open(report, java_script_enabled=False, viewport=PHONE)
    assert page.locator("#contents").is_visible() and not page.locator(".bar").is_visible()
    assert re.search("digits", page.locator("main").inner_text())
    page.close()
