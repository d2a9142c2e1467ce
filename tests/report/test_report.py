"""The report maker: one small report in HTML and PDF, parsed; and what it refuses."""

import base64
import hashlib
import json
import re
from collections import Counter
from types import SimpleNamespace

import nbformat
import pikepdf
import pypdfium2
import pytest
import sample_report as sample
import typst
from bs4 import BeautifulSoup
from nbconvert.exporters import get_exporter
from nbformat.v4 import new_code_cell, new_output

from helpers.display import show_figure, show_source, show_table
from helpers.report import ReportError, maths, merge, pandoc, render, typeset, writing
from helpers.report.exporters import build

CAPTIONS = r"(Figure|Table|Listing|Section|Appendix|Equation)\s(\(\d+\)|[A-Z\d](?:\.?\d+)*)"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The sample report, rendered, and its two outputs, parsed."""
    folder = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HELPERS_OUTPUT", str(folder))
        notebooks = sample.write(folder / "notebooks")
    render(notebooks, folder)
    page = (folder / "report.html").read_text("utf-8")
    pdf = pikepdf.open(folder / "report.pdf")
    pages = [page.get_textpage().get_text_bounded() for page in pypdfium2.PdfDocument(folder / "report.pdf")]
    soup = BeautifulSoup(page, "lxml")
    return SimpleNamespace(folder=folder, notebooks=notebooks, page=page, soup=soup, pdf=pdf, pages=pages)


@pytest.fixture
def quiet(monkeypatch, tmp_path):
    """Figures of notebooks built in a test go to its own folder."""
    monkeypatch.setenv("HELPERS_OUTPUT", str(tmp_path))


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
    assert all(url.startswith("data:") for url in re.findall(r'url\("?([^")]*)', made.soup.style.text))
    policy = made.soup.find("meta", attrs={"http-equiv": "Content-Security-Policy"})["content"]
    digest = base64.b64encode(hashlib.sha256(made.soup.script.string.encode()).digest()).decode()
    assert policy.startswith("default-src 'none'") and f"'sha256-{digest}'" in policy


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
    assert {
        "fig-loss",
        "tbl-claims",
        "lst-elbo",
        "eq-elbo",
        "cite-kingma2014",
        "00_baseline-training",
    } <= targets


def test_links_lead_somewhere_in_pdf(made):
    destinations = 0
    for page in made.pdf.pages:
        for note in page.get("/Annots", []):
            action = note.get("/A", {})
            target = note.get("/Dest", action.get("/D"))
            assert target is not None or "/URI" in action
            destinations += target is not None
    links = [a for a in made.soup.select("main a[href^='#']:not(.anchor)") if not a.find_parent("nav")]
    assert destinations >= len(links)


def test_sections_are_numbered_alike_in_contents_text_and_pdf(made):
    heads = [words(h.get_text()).removesuffix("#") for h in made.soup.select("main :is(h2, h3, h4, h5)")]
    assert heads == [
        "1 Variational autoencoders", "The bound", "Training", "1.1 The latent dimension",
        "1.1.1 Latent dimension 1", "1.1.1.1 What is lost", "2 Formulas", "3 Claims",
        "Appendices", "Appendix A Code of the figures", "Appendix B Environment", "B.1 Versions", "References",
    ]  # fmt: skip
    with made.pdf.open_outline() as outline:
        entries = list(outline.root)
        titles = []
        while entries:
            entry = entries.pop(0)
            titles.append(words(entry.title))
            entries = [*entry.children, *entries]
    assert titles == heads
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
    assert [words(text) for text in citations] == ["Kingma and Welling [1]", "Burda et al. [2]", "[1]"]


def test_alternative_texts_are_in_both(made):
    alts = [image["alt"] for image in made.soup.find_all("img")]
    assert len(alts) == 3 and alts[0].startswith("A curve that falls steeply")
    in_pdf = Counter(str(item.Alt) for item in structure(made.pdf) if "/Alt" in item)
    assert all(in_pdf[alt] for alt in alts)
    assert any(alt.startswith(r"\mathcal{L}(x)") for alt in in_pdf)


def test_pdf_is_tagged_and_says_what_it_is(made):
    assert made.pdf.Root.MarkInfo.Marked and str(made.pdf.Root.Lang).startswith("en")
    roles = {str(item.S) for item in structure(made.pdf)}
    assert {
        "/H1",
        "/H2",
        "/P",
        "/L",
        "/LI",
        "/Table",
        "/TH",
        "/TD",
        "/Figure",
        "/Formula",
        "/Caption",
        "/Link",
    } <= roles
    with made.pdf.open_metadata() as metadata:
        assert metadata["pdfuaid:part"] == "1"
        assert metadata["dc:title"] == "Variational autoencoders, measured"


def test_nothing_stands_outside_the_margins(made):
    for page in pypdfium2.PdfDocument(made.folder / "report.pdf"):
        text = page.get_textpage()
        seen = [index for index in range(text.count_chars()) if text.get_text_range(index, 1).strip()]
        boxes = [text.get_charbox(index) for index in seen]
        assert min(left for left, *_ in boxes) > 69
        assert max(right for _, _, right, _ in boxes) < page.get_width() - 69


def test_long_table_repeats_its_header(made):
    assert sum("verdict section" in words(text) for text in made.pages) >= 2
    table = made.soup.find(id="tbl-claims")
    assert [th["scope"] for th in table.thead.find_all("th")] == ["col"] * 8
    assert len(table.select("tbody th[scope=row]")) == 24
    assert table.select_one(".scroll")["tabindex"] == "0"


def test_figures_float_rather_than_leave_a_gap(quiet, monkeypatch):
    warnings, inputs = [], []

    def compiled(*args, **options):
        inputs.append(options["sys_inputs"]["floats"])
        pdf, found = typst.compile_with_warnings(*args, **options)
        warnings.extend(found)
        return pdf

    monkeypatch.setattr(typeset.typst, "compile", compiled)
    cells = [figure(f"fig-{letter}") for letter in "abcd"] + [sample.text("\n\n".join([sample.PROSE] * 9))]
    typeset.pdf(*build(merge(bad(*cells))))
    assert inputs == ["fig-c fig-d"] and not warnings


@pytest.mark.parametrize(
    ("pages", "floats", "expected"),
    [
        ([("a", 1, 1), ("b", 1, 2)], [], "b"),
        ([("a", 1, 2), ("b", 1, 1)], ["a"], "b"),
        ([("a", 1, 2)], ["a"], ""),
        ([("a", 1, 2), ("b", 1, 1)], ["a", "b"], "b!"),  # it floats and still comes first: it waits
        ([("a", 1, 2), ("b", 1, 2)], ["a", "b!"], ""),
    ],
)
def test_figures_keep_their_order(pages, floats, expected):
    assert typeset._misplaced(pages, floats) == expected


def test_code_is_folded_or_shown_where_it_teaches(made):
    text = words(" ".join(made.pages))
    assert (
        "assert loss.shape"
        in made.soup.select_one("details.code:not([open]) + figure, details.code").parent.text
    )
    assert all(
        "assert loss.shape" not in block.text for block in made.soup.select("main > pre, figure.listing")
    )
    assert "assert loss.shape" not in text
    assert made.soup.find(id="lst-elbo").pre.text.startswith("def elbo(x):") and "def elbo(x):" in text
    assert "def curve" in made.soup.find(id="lst-curve").text and "def curve" in text


@pytest.mark.parametrize("litter", ["epoch 3/30", "secret = 1", "hidden = 2", "\x1b", "MathML 3"])
def test_litter_is_left_out(made, litter):
    assert litter not in made.soup.text and litter not in " ".join(made.pages)


def test_printed_output_is_kept_without_colours(made):
    assert "epochs 30 → done ✓" in made.soup.select_one("pre.output").text
    assert "epochs 30 → done ✓" in words(" ".join(made.pages))


def test_same_notebooks_give_the_same_bytes(made, tmp_path, monkeypatch):
    render(made.notebooks, tmp_path)
    for name in ("report.html", "report.pdf"):
        assert (tmp_path / name).read_bytes() == (made.folder / name).read_bytes()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["report.html", "report.pdf"]
    assert "22 November 2025" in made.pages[0]
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    assert writing.moment(sample.ENDED).year == 1970


def test_colours_can_be_read():
    css = (writing.FOLDER / "templates" / "report.css").read_text()
    light, dark, paper = re.findall(r":root \{(.*?)\}", css, re.S)
    for block in (light, dark, paper):
        colours = dict(re.findall(r"--(\w+): (#\w+);", block))
        texts = {"text", "soft", "link", "keyword", "string", "comment", "number", "name", "builtin"}
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


FORMULAS = {
    r"\sigma_j^2": "attach(σ, b: j, t: 2)",
    r"\mathcal{N}(0, I)": r'𝒩 class("opening", \() 0 \, I class("closing", \))',
    r"\log x": 'op("log") x',
    r"\operatorname{KL}\left( q \,\|\, p \right)": r'op("KL") lr(\( q #h(0.167em) class("normal", ∥) #h(0.167em) p \))',
    r"\hat{x} \odot \bar{y}": "hat(x) ⊙ macron(y)",
    r"\frac{1}{2}": "frac(1, 2)",
    r"\mathbf{z} \mid x": "𝐳 ∣ x",
    r"|a| \le 1": r'class("normal", \|) a class("normal", \|) ≤ 1',
    r"\underbrace{a}_{\text{rate}}": 'underbrace(a, class("normal", "rate"))',
    r"\mathbb{E}_{q}": "attach(𝔼, b: q)",
    r"10^{-3}": "attach(10, t: − 3)",
    r"x'": "attach(x, tr: ′)",
    r"\lceil n / 2 \rceil": r'class("opening", \⌈) n \/ 2 class("closing", \⌉)',
    r"1{,}000": r'1 class("normal", \,) 000',
    r"\bigl( x \bigr)": r"lr(size: #1.2em, \() x lr(size: #1.2em, \))",
}


def test_formulas_in_typst():
    answers = pandoc.mathml([(maths.prepare(tex), False) for tex in FORMULAS])
    assert [maths.formula(*answer).typst for answer in answers] == list(FORMULAS.values())


def test_formulas_in_mathml(made):
    sheet = made.soup.find(id="04_loss").find_next_siblings("div", class_="equation")
    assert len(sheet) >= len(sample.FORMULAS)
    assert not made.soup.find("annotation") and "$" not in made.soup.main.get_text().replace("co$de", "")
    ((text, reason),) = pandoc.mathml([(r"2 \log x", False)])
    assert maths.formula(text, reason).mathml.count('<mspace width="0.167em" />') == 2


def page_of(*cells):
    """The HTML of one notebook with these cells, parsed, and as it stands."""
    notebook = sample.notebook([sample.text("# T"), *cells], level=1, title="T")
    page, _ = get_exporter("report-html")().from_notebook_node(notebook)
    return BeautifulSoup(page, "lxml"), page


def live_figure(label):
    content = {"figure": "slider", "data": {"decoder": "abc"}, "networks": {"abc": {"layers": ["</script>"]}}}
    return sample.cell("f", lambda: show_figure(sample.curve(), label, "A curve.", "It falls.", live=content))


def test_live_figures_stand_with_their_pictures_and_share_networks_and_script(quiet):
    soup, _ = page_of(live_figure("fig-x"), live_figure("fig-y"), figure("fig-z"))
    assert len(soup.select("figure .live .live-static img")) == 2 and len(soup.select("figure img")) == 3
    (network,) = soup.select("script[data-network]")
    assert json.loads(network.string) == {"layers": ["</script>"]}
    (module,) = soup.select("script[type=module]")
    policy = soup.find("meta", {"http-equiv": "Content-Security-Policy"})["content"]
    assert f"'sha256-{base64.b64encode(hashlib.sha256(module.string.encode()).digest()).decode()}'" in policy


def test_a_page_without_live_figures_carries_nothing_of_them(quiet):
    soup, page = page_of(figure())
    assert not soup.select("script[type=module]") and ".live" not in page


def test_an_answer_is_folded_in_the_page_and_set_in_the_pdf(quiet):
    question = sample.text("Why?\n\n<details><summary>Answer</summary>\n\nBecause *it is* $x$.\n\n</details>\n\nAfter.")
    soup, _ = page_of(question)
    answer = soup.select_one("details.answer")
    assert answer.summary.text == "Answer" and answer.p.em.text == "it is" and "After" not in answer.text
    assert not answer.has_attr("open")
    notebook = sample.notebook([sample.text("# T"), question], level=1, title="T")
    pdf, _ = get_exporter("report-pdf")().from_notebook_node(notebook)
    text = words(" ".join(page.get_textpage().get_text_bounded() for page in pypdfium2.PdfDocument(pdf)))
    assert "Why? Answer. Because it is" in text


def test_a_link_to_a_section_may_keep_its_words(quiet):
    cells = [sample.text("## Part\n\n[C1](#part \"as it is\") and [C1](#part)")]
    soup, _ = page_of(*cells)
    links = soup.select("main > p > a")
    assert [words(link.text) for link in links] == ["C1", "Section 1.1"] and len({link["href"] for link in links}) == 1


def test_pdf_lists_figures_and_tables_with_short_titles(made):
    front = words(" ".join(made.pages[:3]))
    assert "Figures" in front and "Tables" in front
    captions = [words(caption.get_text()) for caption in made.soup.select("figure:not(.listing) > figcaption")]
    titles = [re.sub(r"^(Figure|Table) \S+ ", "", caption)[:18] for caption in captions]
    assert titles and all(title in front for title in titles)


def bad(*cells, **report):
    """Two notebooks of which the second, bad.ipynb, has these cells after its title."""
    first = sample.notebook([sample.text("# First\n\n## Within"), sample.cell("x = 1")], level=1, title="T")
    return {"00_first": first, "bad": sample.notebook([sample.text("# Bad"), *cells], level=1, **report)}


def figure(label="fig-x"):
    return sample.cell("f", lambda: show_figure(sample.curve(), label, "A curve.", "It falls."))


def without_alt():
    cell = figure()
    cell.outputs[0].metadata["report"]["alt"] = ""
    return cell


def printed(kind: str, **content):
    return new_code_cell("f", outputs=[new_output(kind, **content)], execution_count=1)


MISTAKES = {
    "unknown label": (lambda: [sample.text("[](#fig-lost)")], "unknown label 'fig-lost'"),
    "nearest label": (lambda: [sample.text("[](#fig-y)"), figure()], "the nearest is 'fig-x'"),
    "unknown citation": (lambda: [sample.text("[K](#cite-kingma2041)")], "nearest is 'kingma2015'"),
    "unknown notebook": (lambda: [sample.text("[a](00_frist.ipynb)")], "nearest is '00_first'"),
    "unknown section": (lambda: [sample.text("[a](00_first.ipynb#without)")], "nearest is 'within'"),
    "duplicate label": (lambda: [figure(), figure()], "'fig-x' stands already in bad.ipynb, cell 2"),
    "duplicate equation": (lambda: [sample.text(r"$$a \label{eq-a}$$"), sample.text(r"$$b \label{eq-a}$$")], "cell 2"),
    "label of another kind": (lambda: [sample.text(r"$$a \label{elbo}$$")], "expected eq-name"),
    "no alternative text": (lambda: [without_alt()], "figure fig-x has no alt"),
    "unreadable maths": (lambda: [sample.text(r"$\sigm(x)$")], r"unexpected control sequence \sigm"),
    "maths without a rule": (lambda: [sample.text(r"$\boxed{x}$")], "no rule for <menclose>"),
    "maths in a cell": (lambda: [sample.cell("t", lambda: show_table(["a"], [[r"$\fo$"]], "tbl-x", "T."))], r"\fo"),
    "bare environment": (lambda: [sample.text("\\begin{align}\na\n\\end{align}")], "put $$ around"),
    "label in a list": (lambda: [sample.text("- $$a \\label{eq-a}$$")], "own paragraph"),
    "raw HTML": (lambda: [sample.text("a <b>c</b>")], "raw HTML '<b>'"),
    "picture in Markdown": (lambda: [sample.text("![a](b.png)")], "use show_figure"),
    "unlabelled picture": (lambda: [printed("display_data", data={"image/png": "aaaa"})], "use show_figure"),
    "open fold": (lambda: [sample.text("<details><summary>A</summary>\n\nb")], "without its </details>"),
    "file": (lambda: [sample.text("[a](../helpers/plots.py)")], "link to the file"),
    "level": (lambda: [sample.text("### Too deep")], "level 3 of the report after one at level 1"),
    "no glyph": (lambda: [sample.text("An emoji \N{PARTY POPPER}.")], "could not be displayed"),
    "failed cell": (lambda: [printed("error", ename="ValueError", evalue="no", traceback=[])], "ValueError: no"),
    "papermill": (lambda: [sample.text("x", "papermill-error-cell-tag")], "papermill marks a failed cell"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_named_with_their_cell(mistake, quiet):
    cells, message = MISTAKES[mistake]
    with pytest.raises(ReportError) as caught:
        typeset.pdf(*build(merge(bad(*cells()))))
    assert message in str(caught.value)
    assert re.search(r"bad\.ipynb, cell [23]", str(caught.value))


def test_all_mistakes_are_named_at_once():
    with pytest.raises(ReportError) as caught:
        build(merge(bad(sample.text("[](#fig-lost)"), sample.text("[](#cite-nobody) $\\nothing$"))))
    assert len(str(caught.value).splitlines()) == 3


def test_no_mistake_no_complaint(quiet):
    comment = sample.text(
        "<!-- a comment -->\n\n[](#fig-x), [up](00_first.ipynb#Within), [w](https://keras.io)"
    )
    document, _ = build(merge(bad(comment, figure())))
    assert [element.number for element in document.elements() if element.kind == "figure"] == ["1"]


def test_notebooks_that_never_ran_are_refused():
    notebooks = bad(new_code_cell("x = 1"))
    with pytest.raises(ReportError, match=r"bad\.ipynb: not executed"):
        merge(notebooks)


def test_folder_without_notebooks_or_with_another_file_is_refused(tmp_path):
    with pytest.raises(ReportError, match="no notebook"):
        render(tmp_path, tmp_path)
    (tmp_path / "a.ipynb").write_text("not JSON")
    with pytest.raises(ReportError, match=r"a\.ipynb: not a notebook"):
        render(tmp_path, tmp_path)


def test_last_good_report_stays(tmp_path):
    for name in ("report.html", "report.pdf"):
        (tmp_path / name).write_text("good")
    notebooks = sample.write(tmp_path / "notebooks", bad(sample.text("An emoji \N{PARTY POPPER}.")))
    with pytest.raises(ReportError):
        render(notebooks, tmp_path)
    assert {file.read_text() for file in tmp_path.glob("report.*")} == {"good"}


def test_merged_cells_have_ids_of_their_own():
    merged = merge(sample_texts())
    identities = [cell.id for cell in merged.cells]
    assert len(set(identities)) == len(identities) and identities[0].startswith("a-")
    nbformat.validate(merged)


def sample_texts():
    """Two notebooks whose cells have the same ids."""
    notebooks = {
        name: sample.notebook([sample.text(f"# {name}"), sample.cell("x")], title="T") for name in "ab"
    }
    for notebook in notebooks.values():
        for number, cell in enumerate(notebook.cells):
            cell["id"] = str(number)
    return notebooks


def test_nbconvert_knows_both_exporters(made):
    html, _ = get_exporter("report-html")().from_filename(str(made.notebooks / "02_latent_1d.ipynb"))
    soup = BeautifulSoup(html, "lxml")
    assert soup.h1.text == "Latent dimension 1" and soup.h2.text == "1What is lost#".replace("1", "1 ")
    assert soup.find(id="fig-line") and not soup.find("a", href="#fig-loss")
    pdf, _ = get_exporter("report-pdf")().from_filename(str(made.notebooks / "08_claims.ipynb"))
    assert pdf.startswith(b"%PDF-")


def test_exporters_take_a_merged_notebook(made):
    merged = merge(sample_texts())
    html, _ = get_exporter("report-html")().from_notebook_node(merged)
    assert [words(h.text) for h in BeautifulSoup(html, "lxml").find_all("h2")] == ["1 a#", "2 b#"]


def test_source_of_a_function_becomes_a_listing():
    notebook = sample.notebook(
        [sample.text("# T"), sample.cell("s", lambda: show_source(words, "lst-w", "Words."))]
    )
    document, _ = build(merge({"a": notebook}))
    assert [element.code for element in document.body if element.kind == "listing"][0].startswith("def words")
