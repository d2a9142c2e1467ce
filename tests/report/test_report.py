"""The report maker: one small report in HTML and PDF, parsed; and what it refuses."""

import base64
import hashlib
import io
import json
import re
import tomllib
from collections import Counter
from importlib.metadata import EntryPoint
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pikepdf
import pypdfium2
import pytest
import sample_report as sample
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_output
from PIL import Image

from helpers import paths
from helpers.report import outputs, pandoc
from helpers.report.cells import read_notebooks
from helpers.report.document import Element, ReportError
from helpers.report.exporters import ReportHTMLExporter, ReportPDFExporter, build, render
from helpers.runner.cache import rendering_parts

CAPTIONS = r"(Figure|Table|Listing|Section|Appendix|Equation)\s(\(\d+\)|[A-Z\d](?:\.?\d+)*)"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The sample report, rendered, and its two outputs, parsed."""
    folder = tmp_path_factory.mktemp("report")
    notebooks = sample.write(folder / "notebooks")
    render(notebooks, folder)
    page = (folder / "report.html").read_text("utf-8")
    pdf = pikepdf.open(folder / "report.pdf")
    pages = pages_of(folder / "report.pdf")
    soup = BeautifulSoup(page, "lxml")
    return SimpleNamespace(folder=folder, notebooks=notebooks, soup=soup, pdf=pdf, pages=pages)


def pages_of(pdf):
    """The text of every page below its running head."""
    top = 842 - 74  # points, of A4
    return [page.get_textpage().get_text_bounded(top=top) for page in pypdfium2.PdfDocument(pdf)]


def structure(pdf):
    """Every element of the PDF's structure tree."""
    waiting = [pdf.Root.StructTreeRoot.K]
    while waiting:
        item = waiting.pop()
        if isinstance(item, pikepdf.Array):
            waiting.extend(item)
        elif isinstance(item, pikepdf.Dictionary):
            if "/S" in item:
                yield item
            if "/K" in item:
                waiting.append(item.K)


def words(text: str) -> str:
    return " ".join(text.split())


def test_html_is_one_file_that_asks_for_nothing(made):
    for tag in made.soup.find_all(True):
        for name in ("src", "srcset", "data", "poster", "action", "background"):
            assert str(tag.get(name, "data:")).startswith("data:"), tag.name
    assert not made.soup.find_all(["link", "iframe", "object", "embed", "base"])
    urls = re.findall(r'url\("?([^")]*)', made.soup.style.text)
    assert urls and all(url.startswith("data:") for url in urls)
    policy = made.soup.find("meta", attrs={"http-equiv": "Content-Security-Policy"})["content"]
    assert policy.startswith("default-src 'none'")
    scripts = made.soup.find_all("script", type=False)
    for text in (script.string.encode() for script in scripts):
        assert f"'sha256-{base64.b64encode(hashlib.sha256(text).digest()).decode()}'" in policy


def test_html_says_what_it_is(made):
    assert made.soup.html["lang"] == "en"
    assert made.soup.title.text == made.soup.h1.text == "Variational autoencoders, measured"
    assert "can be run" in made.soup.select_one(".subtitle").text
    assert "measures each of its claims" in made.soup.select_one("header .abstract").text
    assert "measures each of its claims" in words(made.pages[0])


def test_links_lead_somewhere_in_html(made):
    ids = [tag["id"] for tag in made.soup.find_all(id=True)]
    assert len(ids) == len(set(ids))
    targets = {a["href"][1:] for a in made.soup.select("a[href^='#']")}
    assert targets <= set(ids)
    assert {"fig-loss", "tbl-claims", "lst-elbo", "eq-elbo", "00_baseline-training"} <= targets


def test_links_lead_somewhere_in_pdf(made):
    destinations = 0
    for page in made.pdf.pages:
        for note in page.get("/Annots", []):
            action = note.get("/A", {})
            target = note.get("/Dest", action.get("/D"))
            assert target is not None or "/URI" in action
            destinations += target is not None
    found = made.soup.select("main a[href^='#']:not(.anchor)")
    links = [a for a in found if not a.find_parent("nav")]
    assert destinations >= len(links)


def test_sections_are_numbered_alike_in_contents_text_and_pdf(made):
    found = made.soup.select("main :is(h2, h3, h4, h5)")
    heads = [words(h.get_text()).removesuffix("#") for h in found]
    assert heads == [
        "1 Variational autoencoders", "1.0.1 The bound", "1.0.2 Training",
        "1.1 The latent dimension", "1.1.1 Latent dimension 1", "1.1.1.1 What is lost",
        "2 Formulas", "3 Claims",
        "Appendices", "Appendix A Code of the figures", "Appendix B Environment", "B.1 Versions",
        "References",
    ]  # fmt: skip
    with made.pdf.open_outline() as outline:
        entries = list(outline.root)
        titles = []
        while entries:
            entry = entries.pop(0)
            titles.append(words(entry.title))
            entries = [*entry.children, *entries]
    assert titles == ["Abstract", "Contents", "Figures", "Tables", *heads]
    contents = [words(a.text) for a in made.soup.select("#contents a")]
    assert contents == [head.replace("Appendix ", "") for head in heads if head.count(".") < 3]


def test_every_number_is_the_same_in_both(made):
    main = BeautifulSoup(str(made.soup.main), "lxml")
    for unseen in main.select("nav, details, math"):
        unseen.decompose()
    in_html = Counter(re.findall(CAPTIONS, main.get_text(" ")))
    in_pdf = Counter(re.findall(CAPTIONS, "\n".join(made.pages[2:]).replace("\xa0", " ")))
    assert in_html == in_pdf
    assert in_html["Equation", "(1)"] == 2 and in_html["Figure", "1"] == 4
    citations = [a.text for a in made.soup.select("a[href^='#cite-']")]
    expected = ["Kingma and Welling [1]", "Burda et al. [2]", "[1]"]
    assert [words(text) for text in citations] == expected


def test_alternative_texts_are_in_both(made):
    alts = [image["alt"] for image in made.soup.find_all("img")]
    assert len(alts) == 3 and alts[0].startswith("A curve that falls steeply")
    in_pdf = Counter(str(item.Alt) for item in structure(made.pdf) if "/Alt" in item)
    assert all(in_pdf[alt] for alt in alts)
    assert any(alt.startswith(r"\mathcal{L}(x)") for alt in in_pdf)


def test_pdf_is_tagged_and_says_what_it_is(made):
    assert made.pdf.Root.MarkInfo.Marked and str(made.pdf.Root.Lang).startswith("en")
    roles = {str(item.S) for item in structure(made.pdf)}
    wanted = "H1 H2 P L LI Table TH TD Figure Formula Caption Link"
    assert {f"/{role}" for role in wanted.split()} <= roles
    with made.pdf.open_metadata() as metadata:
        assert metadata["pdfuaid:part"] == "1"
        assert metadata["dc:title"] == "Variational autoencoders, measured"


def test_nothing_stands_outside_the_margins(made):
    for page in pypdfium2.PdfDocument(made.folder / "report.pdf"):
        text = page.get_textpage()
        seen = [n for n in range(text.count_chars()) if text.get_text_range(n, 1).strip()]
        boxes = [text.get_charbox(index) for index in seen]
        assert min(left for left, *_ in boxes) > 69
        assert max(right for _, _, right, _ in boxes) < page.get_width() - 69


def test_long_table_repeats_its_header(made):
    assert sum("verdict section" in words(text) for text in made.pages) >= 2
    table = made.soup.find(id="tbl-claims")
    assert [th["scope"] for th in table.thead.find_all("th")] == ["col"] * 8
    assert len(table.select("tbody th[scope=row]")) == 24
    assert table.select_one(".scroll")["tabindex"] == "0"


def test_figures_float_in_their_order_and_links_lead_to_where_they_went():
    cells = [figure(f"fig-{letter}") for letter in "abcd"]
    prose = [sample.text("\n\n".join([sample.PROSE] * 9))]
    content = outputs.pdf(*build(bad(*cells, *prose)))
    pages = pages_of(content)
    stands = {n: number(pages, rf"Figure {n}\u2002") for n in range(1, 5)}
    assert list(stands.values()) == sorted(stands.values()) and stands[1] < stands[4]
    listed = words(next(page for page in pages if "Figures" in page))
    shown = [int(page) for page in re.findall(r"\d A curve\.?[ .]*(\d+)", listed)]
    assert shown == [page + 1 for page in stands.values()]
    with pikepdf.open(io.BytesIO(content)) as pdf:
        numbers = {page.objgen: n for n, page in enumerate(pdf.pages)}
        links = [a for page in pdf.pages for a in page.get("/Annots", [])]
        targets = [destination(pdf, link) for link in links]
        led = {numbers[target[0].objgen] for target in targets if target is not None}
    assert set(stands.values()) <= led


def test_every_page_number_in_the_lists_is_where_the_pdf_has_it(made):
    listed, shown = "\n".join(made.pages[1:3]), 0
    with made.pdf.open_outline() as outline:
        waiting = list(outline.root)[4:]
    numbers = {page.objgen: n for n, page in enumerate(made.pdf.pages)}
    while waiting:  # headings, by their bookmarks and by the contents
        entry = waiting.pop()
        waiting += entry.children
        target = entry.destination or entry.action.D
        page, title = numbers[target[0].objgen], words(entry.title)
        assert title in words(made.pages[page]), title
        if title.split()[0].count(".") < 3:
            assert re.search(rf"{re.escape(title)}[ .]*{page + 1}\b", words(listed)), title
    for kind in ("Figure", "Table"):
        for caption in made.soup.select("figure:not(.listing) > figcaption:has(> .label)"):
            label = words(caption.select_one(".label").text)
            if label.startswith(kind):
                page = number(made.pages, rf"{label.replace(' ', '.')}\u2002")
                start = words(caption.text).removeprefix(label).split(".")[0].split("$")[0][:12]
                assert re.search(rf"{re.escape(start.strip())}.*?[ .]{page + 1}\b", words(listed))
                shown += 1
    assert shown == 5


def test_links_in_lists_end_with_the_page_they_lead_to_and_others_name_what_stands_there(made):
    numbers, seen = {page.objgen: n for n, page in enumerate(made.pdf.pages)}, Counter()
    drawn = [page.get_textpage() for page in pypdfium2.PdfDocument(made.folder / "report.pdf")]
    for n, page in enumerate(made.pdf.pages):
        for note in page.get("/Annots", []):
            target = destination(made.pdf, note)
            left, bottom, right, top = (float(side) for side in note.Rect)
            box = {"left": left - 1, "bottom": bottom - 1, "right": right + 1, "top": top + 1}
            text = words(drawn[n].get_text_bounded(**box))
            place = target is not None and numbers[target[0].objgen]
            if n in (1, 2) and target is not None and re.match(r"[\dA-Z.]+ .*\d$", text):
                assert text.endswith(f" {place + 1}"), text
                seen["listed"] += 1
            elif target is not None and re.fullmatch(r"(Figure|Table|Listing) \d+", text):
                assert f"{text}\u2002" in made.pages[place].replace("\xa0", " "), text
                seen["linked"] += 1
    assert seen["listed"] > 10 and seen["linked"] > 3


def test_running_heads_name_chapter_and_section(made):
    pages = pypdfium2.PdfDocument(made.folder / "report.pdf")
    heads = [page.get_textpage().get_text_bounded(bottom=842 - 74) for page in pages]
    assert words(heads[0]) == "" and words(heads[1]) == "Variational autoencoders, measured"
    place = number(made.pages, r"1\.0\.2\u2002Training")
    assert words(heads[place]).startswith("1 Variational autoencoders 1.")
    assert any(words(head).startswith("Appendices Appendix ") for head in heads)


def test_the_pdf_has_page_labels_and_authors(made):
    assert [str(page.label) for page in made.pdf.pages][:3] == ["1", "2", "3"]
    assert "/PageLabels" in made.pdf.Root
    notebook = sample.notebook([sample.text("# T")], title="T", authors=["A. One", "B. Two"])
    content, _ = ReportPDFExporter().from_notebook_node(notebook)
    with pikepdf.open(io.BytesIO(content)) as pdf, pdf.open_metadata() as metadata:
        assert metadata["dc:creator"] == ["A. One, B. Two"]
    assert "A. One, B. Two" in pages_of(content)[0]


@pytest.mark.parametrize("ended", ["", sample.ENDED])
def test_a_page_names_its_authors_with_a_date_and_without(ended):
    """A notebook that was run by hand says nothing of when."""
    notebook = sample.notebook([sample.text("# T")], title="T", authors=["A. One", "B. Two"])
    notebook.metadata["papermill"]["end_time"] = ended
    content, _ = ReportHTMLExporter().from_notebook_node(notebook)
    header = content.split("<main")[1].split("</header>")[0]
    assert ("A. One, B. Two" in header, "Computed on" in header) == (True, bool(ended))


def number(pages, pattern):
    """The page (from 0) after the front matter that has the pattern."""
    return next(n for n, page in enumerate(pages) if n > 1 and re.search(pattern, page))


def destination(pdf, link):
    """Where a link in the document leads."""
    target = link.get("/Dest", link.get("/A", {}).get("/D"))
    if isinstance(target, pikepdf.Array):
        return target
    names = pikepdf.NameTree(pdf.Root.Names.Dests)
    found = names.get(str(target))
    return found.D if isinstance(found, pikepdf.Dictionary) else found


def test_code_is_folded_or_shown_where_it_teaches(made):
    text = words(" ".join(made.pages))
    assert any("assert loss.shape" in fold.text for fold in made.soup.select("details.code"))
    plain = made.soup.select("main > pre, figure.listing")
    assert not any("assert loss.shape" in block.text for block in plain)
    assert "assert loss.shape" not in text
    for label, start in (("lst-elbo", "def elbo(x):"), ("lst-curve", "def curve():")):
        assert made.soup.find(id=label).pre.text.startswith(start) and start in text


@pytest.mark.parametrize("litter", ["epoch 3/30", "secret", "hidden = 2", "\x1b", "#|"])
def test_litter_is_left_out(made, litter):
    assert litter not in made.soup.text and litter not in " ".join(made.pages)


def test_printed_output_is_kept_without_colours(made):
    assert "epochs 30 → done ✓" in made.soup.select_one("pre.output").text
    assert "epochs 30 → done ✓" in words(" ".join(made.pages))


def test_same_notebooks_give_the_same_bytes(made, tmp_path):
    render(made.notebooks, tmp_path)
    for name in ("report.html", "report.pdf"):
        assert (tmp_path / name).read_bytes() == (made.folder / name).read_bytes()
    assert {file.name for file in tmp_path.iterdir()} == {"report.html", "report.pdf"}
    assert "22 November 2025" in made.pages[0]


def test_colours_can_be_read():
    css = (outputs.FOLDER / "templates" / "report.css").read_text()
    light, paper = re.findall(r":root \{(.*?)\}", css, re.S)
    dark = re.search(r"set dark %\}(.*?)\{%", css, re.S)[1]
    for block in (light, dark, paper):
        colours = dict(re.findall(r"--(\w+): (#\w+);", block))
        texts = ["text", "soft", "link", "keyword", "string", "comment", "number", "name"]
        texts.append("builtin")
        for name, ground in ((name, ground) for name in texts for ground in ("ground", "panel")):
            assert contrast(colours[name], colours[ground]) >= 4.5, (name, ground)


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours (WCAG 2.2)."""

    def luminance(colour: str) -> float:
        digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
        parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return sum(weight * p for weight, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_formulas_are_in_both(made):
    sheet = made.soup.find(id="04_loss").find_next_siblings("div", class_="equation")
    assert len(sheet) == len(sample.FORMULAS)
    assert not made.soup.find("annotation") and "$" not in made.soup.main.get_text()
    alts = {str(item.Alt) for item in structure(made.pdf) if "/Alt" in item}
    assert set(sample.FORMULAS) <= alts


def page_of(*cells):
    """The HTML of one notebook with these cells, parsed."""
    notebook = sample.notebook([sample.text("# T"), *cells], level=1, title="T")
    page, _ = ReportHTMLExporter().from_notebook_node(notebook)
    return BeautifulSoup(page, "lxml")


def pdf_of(*cells):
    """The words of the PDF of one notebook with these cells."""
    notebook = sample.notebook([sample.text("# T"), *cells], level=1, title="T")
    pdf, _ = ReportPDFExporter().from_notebook_node(notebook)
    return words(" ".join(pages_of(pdf)))


def elements_of(*cells):
    """What these cells bring into the report after their notebook's title."""
    document, _ = build({"a": sample.notebook([sample.text("# A"), *cells], title="T")})
    return document.body[1:]


def live_figure(label):
    networks = {"abc": {"layers": ["</script>"]}}
    data = {"decoder": "abc", "names": ["</script><!--"]}
    content = {"figure": "slider", "data": data, "parts": networks}
    return sample.figure(sample.curve(), label, "A curve.", "It falls.", live=content)


def test_live_figures_stand_with_their_pictures_and_share_networks_and_script():
    soup = page_of(live_figure("fig-x"), live_figure("fig-y"), figure("fig-z"))
    assert len(soup.select("figure .live .live-static img")) == 2
    assert len(soup.select("figure img")) == 3
    assert [json.loads(data.string)["names"] for data in soup.select(".live > script")] == [
        ["</script><!--"], ["</script><!--"],
    ]  # fmt: skip
    (network,) = soup.select("script[data-part]")
    assert json.loads(network.string) == {"layers": ["</script>"]}
    (module,) = soup.select("script[type=module]")
    policy = soup.find("meta", {"http-equiv": "Content-Security-Policy"})["content"]
    digest = base64.b64encode(hashlib.sha256(module.string.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in policy


def test_a_page_without_live_figures_carries_nothing_of_them():
    soup = page_of(figure())
    assert not soup.select("script[type=module]") and ".live" not in str(soup.style)


def answer(title, *more):
    start = f"Why?\n\n<details><summary>{title}</summary>"
    return sample.text(f"{start}\n\nBecause *it is* $x$.\n\n</details>\n\nAfter."), *more


def test_an_answer_is_folded_in_the_page_and_stands_at_the_end_of_the_pdf():
    fold = page_of(*answer("Answer")).select_one("details.answer")
    assert fold.summary.text == "Answer" and fold.p.em.text == "it is"
    assert "After" not in fold.text and not fold.has_attr("open")
    pdf = pdf_of(sample.text("## Questions"), *answer("Solution"))
    assert re.search(r"Why\? Answer 1, page [23] After\.", pdf)
    assert "1 Solution. Section 1.1 Because it is" in pdf[pdf.rindex("Answers") :]


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("Why C#?", "Why C#?"),
        ("costs 5$", "costs 5$."),
        ("2 * 3", "2 * 3."),
        ("a_b, [c] and @d", "a_b, [c] and @d."),
        ("#read('report.typ')", "#read(‘report.typ’)."),
        ("] #panic() [", "] #panic() [."),
        ("1 < 2 &amp; **3**", "1 < 2 & 3."),
    ],
)
def test_the_title_of_an_answer_is_markdown_and_never_code_of_typst(title, shown):
    fold = page_of(*answer(title)).select_one("details.answer")
    assert fold.summary.text == shown.removesuffix(".")
    assert shown in pdf_of(*answer(title))


def plain(source, data, **options):
    """A cell with one output as IPython makes it without helpers.display."""
    return sample.cell(source, sample.shown(data), **options)


FIG = {"label": "fig-x", "fig_cap": "A curve.", "fig_alt": "It falls."}


def test_pictures_of_plain_notebooks_are_figures():
    picture = io.BytesIO()
    sample.curve(4, 3).savefig(picture, format="png", dpi=200)
    encoded = base64.b64encode(picture.getvalue()).decode()
    axes = new_output("execute_result", data={"text/plain": "<Axes: xlabel='epoch'>"})
    cell = plain("plt.plot(…)", {"image/png": encoded}, **FIG)
    cell.outputs.insert(0, axes)
    assert [element.kind for element in elements_of(cell)] == ["code", "figure"]
    image = page_of(cell).select_one("figure#fig-x img")
    assert image["src"] == f"data:image/png;base64,{encoded}" and image["alt"] == "It falls."
    assert (image["width"], image["height"]) == ("384", "288")
    assert "Figure 1 A curve." in pdf_of(cell).replace("\u2002", " ")


def test_pictures_in_a_figure_take_less_and_look_the_same():
    cell = sample.figure(sample.panels(), "fig-x", "A.", "B.")
    before = cell.outputs[0].data["image/svg+xml"].encode()
    after = next(element for element in elements_of(cell) if element.kind == "figure").picture
    (old, cloud), (new, points) = (rasters(picture) for picture in (before, after))
    assert new.mode == "L" and points.mode == "P"
    grey = np.asarray(old.convert("L"), int)
    assert np.abs(grey - np.asarray(new, int)).max() <= 2
    paper = [np.asarray(on_paper(picture), int) for picture in (cloud, points)]
    assert np.abs(paper[0] - paper[1]).mean() < 2
    assert len(after) < 0.6 * len(before)


def rasters(picture):
    """The PNGs within an SVG."""
    found = re.findall(rb'data:image/png;base64,\s*([^"]+)', picture)
    return [Image.open(io.BytesIO(base64.b64decode(text))) for text in found]


def on_paper(picture):
    paper = Image.new("RGBA", picture.size, "white")
    paper.alpha_composite(picture.convert("RGBA"))
    return paper.convert("RGB")


@pytest.mark.parametrize(
    ("attributes", "size"),
    [('width="72pt" height="36pt"', (72, 36)), ('width="96" height="48px"', (72, 36))]
    + [('viewBox="0 0 96 48"', (72, 36)), ("", (360, 270))],
)
def test_pictures_have_a_size(attributes, size):
    picture = f'<?xml version="1.0"?>\n<svg {attributes}><rect width="1" height="1"/></svg>'
    assert outputs.size(Element("figure", None, picture=picture.encode(), suffix="svg")) == size


def test_dataframes_of_plain_notebooks_are_tables():
    frame = pd.DataFrame({"model": ["a", "b"], "loss": [1.5, -2.0]}, index=["$x_1$", "y"])
    data = {"text/html": frame._repr_html_(), "text/plain": "…"}
    soup = page_of(plain("frame", data, label="tbl-x", tbl_cap="Losses."), plain("frame", data))
    first, second = soup.select("figure.table")
    assert first["id"] == "tbl-x" and words(first.figcaption.text) == "Table 1 Losses. Data (CSV)"
    assert not second.figcaption and first.find("math").text == "x1"
    assert [words(th.text) for th in first.thead.find_all("th")] == ["model", "loss"]
    assert [td["class"] for td in first.tbody.tr.find_all("td")] == [["l"], ["r"]]
    assert [words(row.text) for row in second.select("tbody tr")] == ["x1a1.5", "yb-2.0"]


def test_a_pipe_table_takes_the_label_and_markdown_beside_it_stays_prose():
    pipes = {"text/markdown": "| a | b |\n|:--|--:|\n| x | 1 |"}
    prose = {"text/markdown": "*So* it is."}
    cell = sample.cell("t", sample.shown(prose), sample.shown(pipes), label="tbl-x", tbl_cap="T.")
    code, text, table = elements_of(cell)
    assert (text.kind, table.kind, table.label, table.align) == ("prose", "table", "tbl-x", "lr")
    assert pandoc.plain([cell.blocks for cell in table.rows[0]]) == "x1"


def test_values_of_an_output_override_the_options():
    cell = figure()
    cell.outputs[0].metadata.report.update(caption="New.", alt="New alt.")
    changed = elements_of(cell)[1]
    assert (pandoc.plain(changed.caption.blocks), changed.alt) == ("New.", "New alt.")


@pytest.mark.parametrize(
    ("options", "tag", "kinds"),
    [
        ("", "", "code output"),
        ("#| echo: false\n", "", "output"),
        ("#| output: false\n", "", "code"),
        ("#| include: false\n", "", ""),
        ("#| echo: true\n#| code-fold: true\n", "", "code output"),  # Quarto's own does no harm
        ("", "remove-input", "output"),
        ("", "remove-cell", ""),
        ("#| tags: [listing]\n", "", "listing output"),
        ("#| tags: remove-output\n", "", "code"),
    ],
)
def test_options_and_tags_say_what_is_shown(options, tag, kinds):
    cell = sample.cell(f"{options}x = 1", sample.shown({"text/plain": "1"}), tags=tag.split())
    found = elements_of(cell)
    assert [element.kind for element in found] == kinds.split()
    assert not any("#|" in getattr(element, "code", "") for element in found)


def test_widgets_and_captions_are_left_out():
    view = {"application/vnd.jupyter.widget-view+json": {}, "text/plain": "Live()"}
    found = elements_of(plain("w", view), figure())
    assert [element.kind for element in found] == ["code", "figure"]


def test_a_link_to_a_section_may_keep_its_words():
    soup = page_of(sample.text('## Part\n\n[C1](#part "as it is") and [C1](#part)'))
    links = soup.select("main > p > a")
    assert [words(link.text) for link in links] == ["C1", "Section 1.1"]
    assert len({link["href"] for link in links}) == 1


def test_pdf_lists_figures_and_tables_with_short_titles(made):
    front = words(" ".join(made.pages[:3]))
    assert "Figures" in front and "Tables" in front
    found = made.soup.select("figure:not(.listing) > figcaption")
    captions = [words(caption.get_text()).removesuffix(" Data (CSV)") for caption in found]
    titles = [re.sub(r"^(Figure|Table) \S+ ", "", caption)[:18] for caption in captions]
    assert titles and all(title in front for title in titles)


def test_a_short_title_is_listed_as_it_is_written():
    cell, table = figure(), frame(**TBL, tbl_scap="Losses, in short")
    cell.source = f"#| fig-scap: A fall, steep and brief\n{cell.source}"
    listed = words(pages_of(outputs.pdf(*build(bad(cell, table))))[1])
    assert "1 A fall, steep and brief" in listed and "A curve" not in listed
    assert "1 Losses, in short" in listed


def bad(*cells, **report):
    """Two notebooks of which the second, bad.ipynb, has these cells after its title."""
    first = [sample.text("# First\n\n## Within"), sample.cell("x = 1")]
    second = [sample.text("# Bad"), *cells]
    return {
        "00_first": sample.notebook(first, level=1, title="T"),
        "bad": sample.notebook(second, level=1, **report),
    }


def figure(label="fig-x"):
    return sample.figure(sample.curve(), label, "A curve.", "It falls.")


def labelled_twice():
    cell = figure()
    cell.outputs.append(cell.outputs[0])
    return cell


def frame(cell="1", **options):
    return plain("t", {"text/markdown": f"| a |\n|---|\n| {cell} |"}, **options)


def error(name, value):
    return sample.cell("f", new_output("error", ename=name, evalue=value, traceback=[]))


SVG = {"image/svg+xml": "<svg/>"}
MERGED = '<table><tr><th>a</th><th>b</th></tr><tr><td colspan="2">1</td></tr></table>'
TBL = {"label": "tbl-x", "tbl_cap": "T."}
MISTAKES = {
    "unknown label": ([sample.text("[](#fig-lost)")], "unknown label 'fig-lost'"),
    "nearest label": ([sample.text("[](#fig-y)"), figure()], "did you mean 'fig-x'?"),
    "unknown citation": ([sample.text("[K](#cite-kingma2041)")], "did you mean 'kingma2015'?"),
    "unknown notebook": ([sample.text("[a](00_frist.ipynb)")], "did you mean '00_first'?"),
    "unknown section": ([sample.text("[a](00_first.ipynb#without)")], "did you mean 'within'?"),
    "duplicate label": ([figure(), figure()], "'fig-x' stands already in bad.ipynb, cell 2"),
    "label of another kind": ([sample.text(r"$$a \label{elbo}$$")], "expected eq-name"),
    "two outputs": ([labelled_twice()], "2 outputs for label 'fig-x': one in a cell"),
    "no output": ([sample.cell("x", **FIG)], "'fig-x': the cell shows nothing that it names"),
    "another output": ([plain("x", {"text/plain": "1"}, **FIG)], "shows nothing that it names"),
    "bare picture": (
        [plain("f", SVG)],
        "needs `#| label: fig-name` and `#| fig-cap: …` and `#| fig-alt: …` in its cell's first",
    ),
    "no alt": ([plain("f", SVG, label="fig-x", fig_cap="A.")], "needs `#| fig-alt: …`"),
    "alternative text": ([plain("f", SVG, **FIG | {"fig_alt": "A curve."})], "repeats fig-cap"),
    "no table caption": ([frame(label="tbl-x")], "a labelled table needs a caption: `#| tbl-cap"),
    "merged cells": ([plain("t", {"text/html": MERGED}, **TBL)], "merged cells"),
    "options": ([new_code_cell("#| label: [\nx", execution_count=1)], "not YAML"),
    "unreadable maths": ([sample.text(r"$\sigm(x)$")], r"unexpected control sequence \sigm"),
    "maths in a cell": ([frame(r"$\fo$", **TBL)], r"\fo"),
    "bare environment": ([sample.text("\\begin{align}\na\n\\end{align}")], "put $$ around"),
    "label in a list": ([sample.text("- $$a \\label{eq-a}$$")], "give it a paragraph"),
    "raw HTML": ([sample.text("a <b>c</b>")], "raw HTML '<b>'"),
    "raw HTML in an answer": (list(answer("a <b>c</b>")), "raw HTML '<b>'"),
    "picture in Markdown": ([sample.text("![a](b.png)")], "let a code cell show the picture"),
    "open fold": ([sample.text("<details><summary>A</summary>\n\nb")], "without its </details>"),
    "fold without a title": (list(answer("<!-- -->")), "a <summary> without words"),
    "file": ([sample.text("[a](../helpers/plots.py)")], "link to the file"),
    "level": ([sample.text("### Too deep")], "level 3 of the report after one at level 1"),
    "no glyph": ([sample.text("An emoji \N{PARTY POPPER}.")], "could not be displayed"),
    "no glyph in a title": (list(answer("An \N{PARTY POPPER}")), "could not be displayed"),
    "failed cell": ([error("ValueError", "no")], "ValueError: no"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_named_with_their_cell(mistake):
    cells, message = MISTAKES[mistake]
    with pytest.raises(ReportError) as caught:
        outputs.pdf(*build(bad(*cells)))
    assert message in str(caught.value)
    assert re.search(r"bad\.ipynb, cell [23]", str(caught.value))


def test_all_mistakes_are_named_at_once():
    with pytest.raises(ReportError) as caught:
        build(bad(sample.text("[](#fig-lost)"), sample.text("[](#cite-nobody) $\\nothing$")))
    assert len(str(caught.value).splitlines()) == 3


def test_no_mistake_no_complaint():
    links = "[](#fig-x), [up](00_first.ipynb#Within), [w](https://keras.io)"
    comment = sample.text(f"<!-- a comment -->\n\n{links}")
    document, _ = build(bad(comment, figure()))
    assert [element.number for element in document.elements("figure")] == ["1"]


def test_notebooks_that_never_ran_are_refused():
    with pytest.raises(ReportError, match=r"bad\.ipynb: not executed"):
        build(bad(new_code_cell("x = 1")))


def test_a_half_run_notebook_is_refused_and_its_cell_named():
    ran, left = sample.cell("x = 1"), [new_code_cell("y = 1"), new_code_cell("z = 1")]
    cells = [ran, left[0], new_code_cell(" "), sample.cell("x = 2"), left[1]]
    with pytest.raises(ReportError) as caught:
        build(bad(*cells))
    assert str(caught.value).splitlines() == [
        f"bad.ipynb, cell {number} (“{source}”): has not run: "
        "run the whole notebook, from its first cell to its last"
        for number, source in ((3, "y = 1"), (6, "z = 1"))
    ]
    notebook = sample.notebook([sample.text("# T"), *cells], level=1)
    for exporter in (ReportHTMLExporter, ReportPDFExporter):
        with pytest.raises(ReportError, match="cell 3.*has not run"):
            exporter().from_notebook_node(notebook)


MARKERS = '<<<<<<< HEAD\n{"cells": []}'


@pytest.mark.parametrize("content", ["not JSON", "{}", "[]", '{"nbformat": 4}', MARKERS])
def test_folder_without_notebooks_or_with_another_file_is_refused(content, tmp_path):
    with pytest.raises(ReportError, match="no notebook"):
        render(tmp_path, tmp_path)
    (tmp_path / "a.ipynb").write_text(content)
    with pytest.raises(ReportError, match=r"a\.ipynb: not a notebook"):
        render(tmp_path, tmp_path)


def test_notebooks_stand_in_the_order_that_they_state(tmp_path):
    orders = {"10_b": {}, "2_a": {}, "zusatz": {}, "x": {"order": 2.5}, "00_last": {"order": 99}}
    books = {name: sample.notebook([sample.text("# T")], **own) for name, own in orders.items()}
    folder = sample.write(tmp_path, books)
    assert list(read_notebooks(folder)) == ["2_a", "x", "10_b", "00_last", "zusatz"]


def test_last_good_report_stays(tmp_path):
    for name in ("report.html", "report.pdf"):
        (tmp_path / name).write_text("good")
    notebooks = sample.write(tmp_path / "notebooks", bad(sample.text("An emoji \N{PARTY POPPER}.")))
    with pytest.raises(ReportError):
        render(notebooks, tmp_path)
    assert {file.read_text() for file in tmp_path.glob("report.*")} == {"good"}


def test_all_code_of_the_report_maker_decides_whether_to_render_again():
    files = (paths.ROOT / "helpers" / "report").rglob("*.py")
    assert {file.relative_to(paths.ROOT).as_posix() for file in files} <= set(rendering_parts({}))


def test_nbconvert_finds_both_exporters():
    project = tomllib.loads((paths.ROOT / "pyproject.toml").read_text())["project"]
    group = "nbconvert.exporters"
    places = project["entry-points"][group]
    found = {name: EntryPoint(name, place, group).load() for name, place in places.items()}
    assert found == {"report-html": ReportHTMLExporter, "report-pdf": ReportPDFExporter}


def test_one_notebook_becomes_a_report(made):
    file = made.notebooks / "02_latent_1d.ipynb"
    html, resources = ReportHTMLExporter().from_filename(str(file))
    soup = BeautifulSoup(html, "lxml")
    assert resources["output_extension"] == ".html"
    assert soup.h1.text == "Latent dimension 1" and soup.h2.text == "1 What is lost#"
    assert soup.find(id="fig-line") and not soup.find("a", href="#fig-loss")
    pdf, _ = ReportPDFExporter().from_filename(str(made.notebooks / "08_claims.ipynb"))
    assert pdf.startswith(b"%PDF-")


def test_rows_that_begin_with_a_name_can_be_linked_to(tmp_path):
    rows = [["C1", "first", "yes"], ["C2", "second", "no"], ["C2", "again", "no"], ["mean", "", ""]]
    frame = pd.DataFrame(rows, columns=["claim", "text", "holds"])
    cells = [
        sample.text("# Claims\n\nSee [the second](#tbl-rows-c2)."),
        sample.table(frame, "tbl-rows", "Rows.", "lll"),
    ]
    render(sample.write(tmp_path, {"a": sample.notebook(cells, title="Rows")}), tmp_path)
    soup = BeautifulSoup((tmp_path / "report.html").read_text("utf-8"), "lxml")
    named = {row["id"]: row.get_text(" ", strip=True) for row in soup.select("tr[id]")}
    assert named == {"tbl-rows-c1": "C1 first yes", "tbl-rows-c2": "C2 second no"}
    assert soup.find("a", href="#tbl-rows-c2").text == "the second"
    with pikepdf.open(tmp_path / "report.pdf") as pdf:
        links = [item for page in pdf.pages for item in page.get("/Annots", [])]
        assert any(link.Subtype == "/Link" for link in links)
    cells[0] = sample.text("# Claims\n\nSee [none](#tbl-rows-c9).")
    books = {"a": sample.notebook(cells, title="Rows"), "b": sample.notebook([sample.text("# B")])}
    with pytest.raises(ReportError, match="unknown label 'tbl-rows-c9'"):
        build(books)
