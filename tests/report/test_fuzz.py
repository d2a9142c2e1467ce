"""No text of a notebook becomes code of the page or of Typst, whatever stands in it.

Each example is a report of 25 cells with texts made to break out; what is refused names its cell
and is left out, and the rest must become both documents.
"""

import re

import pytest
import sample_report as sample
import typst
from bs4 import BeautifulSoup
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from helpers.report import outputs
from helpers.report.document import ReportError
from helpers.report.exporters import build

CASES, EXAMPLES = 25, 20  # texts of a report, reports
RAN = re.compile("panicked|unknown variable|not found|package|access")  # what Typst says of evil code
BREAKS = (  # "evil" marks what would run
    '#evil("x")', '#panic("evil")', '#read("/etc/passwd")', '#import "@preview/evil:1.0.0": *',
    "]", "[", '"', "'", ")", "(", "}", "{", "$", "`", "```", "\\", "\\\\", "//", "/*", "*/", "*",
    "_", "~", "@evil", "<evil>", "= ", "- ", "+ ", "1. ", "> ", "|", "\n", "\n\n", "\n```\n",
    "\n\n    ", "#", "##", "&", "&lt;evil&gt;", "&#35;evil()", ";", ":", ",", "--", "https://evil.x",
    '<evil onload="evil()">', "<script>evil()</script>", "</script><script>evil()", "<!--", "-->",
    '" onerror="evil()', "</style>", "</details>", "</summary>", "<img src=x onerror=evil()>",
    "[evil](javascript:evil())", "[evil](data:text/html,evil)", '[a](https://evil.x" onclick="evil())',
    "[](#fig-evil)", "[a](#cite-evil)", "`#evil()`{=typst}", "`<evil>`{=html}", "]{.evil onclick=evil()}",
    "```{=typst}\n#evil()\n```", "```{=html}\n<evil>\n```", "{{ evil }}", "{% evil %}", "{# evil #}",
    "$x$", "$\\text{#evil()}$", "$#evil()$", "$\\href{javascript:evil()}{x}$", '$\\text{"); evil()}$',
    "$$\\label{eq-a}#evil()$$", "\\u0022", "\x0b", "\x0c", "\x85", "\u2028", "\u202e", "\x00", "é", "word",
)  # fmt: skip
TEXT = st.lists(
    st.sampled_from(BREAKS) | st.text("abé#[](){}$*_`<>&\\\"'@=-+ \n", max_size=5),
    min_size=1,
    max_size=7,
).map("".join)
LINE = TEXT.map(lambda text: " ".join(text.split()) or "x")


PICTURE = {"image/svg+xml": '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'}


def output(text, alt="", **more):
    """An output with a figure, its caption and its alternative text."""
    about = {"kind": "figure", "caption": text, "alt": alt or f"{text}."} | more
    return sample.new_output("display_data", data=PICTURE, metadata={"report": about})


KINDS = {  # where a text stands; n: the number of its cell
    "prose": lambda n, text: sample.text(f"a {text}"),
    "block": lambda n, text: sample.text(text),
    "heading": lambda n, text: sample.text(f"## {text}"),
    "summary": lambda n, text: sample.text(f"<details><summary>{text}</summary>\n\na\n\n</details>"),
    "listing": lambda n, text: sample.text(f"```{text.split()[0] if text.split() else ''}\n{text}\n```"),
    "code": lambda n, text: sample.cell(text),
    "label": lambda n, text: sample.cell("x", output("A."), label=text),
    "caption": lambda n, text: sample.cell("x", output(text), label=f"fig-{n}"),
    "alt": lambda n, text: sample.cell("x", output("A.", text), label=f"fig-{n}"),
    "short": lambda n, text: sample.cell("x", output("A."), label=f"fig-{n}", fig_scap=text),
    "abstract": lambda n, text: sample.text(text, "abstract"),
    "appendix": lambda n, text: sample.text(f"# A\n\n{text}", "appendix"),
    "option": lambda n, text: sample.cell(
        "x", sample.shown({"text/markdown": f"| {text} |\n|---|\n| {text} |"}), label=f"tbl-{n}", tbl_cap=text
    ),
    "live": lambda n, text: sample.cell(
        "x", output("A.", live={"figure": text, "data": {text: text}, "parts": {text: [text]}}, data=text[::2], pixels=text),
        label=f"fig-{n}", live_cap=text,
    ),
    "code listing": lambda n, text: sample.cell(text, tags=["listing"], label=f"lst-{n}", lst_cap=text),
    "printed": lambda n, text: sample.cell("x", sample.new_output("stream", name="stdout", text=text)),
    "markdown": lambda n, text: sample.cell("x", sample.shown({"text/markdown": text})),
    "html": lambda n, text: sample.cell("x", sample.shown({"text/html": f"<table><td>{text}</td></table>"})),
    "plain": lambda n, text: sample.cell("x", sample.shown({"text/plain": text})),
}  # fmt: skip
CASE = st.tuples(st.sampled_from(sorted(KINDS)), TEXT)
PAGE = {"title", "subtitle", "part"}  # texts of metadata


def both(cells, about):
    """The page of a report without what is refused, its live figures, and how many cells it keeps.

    Its PDF is made as well: so Typst ran nothing of the cells.
    """
    cells = {number: cell for number, cell in enumerate(cells, 2)}
    while True:
        first = [sample.text("# First"), *cells.values()]
        book = sample.notebook(first, level=1, **about)
        try:
            made = build({"00_first": book, "01_second": SECOND})
            assert outputs.pdf(*made).startswith(b"%PDF-")
            live = [f for f in made[0].elements("figure") if f.live]
            return outputs.page(*made), live, len(cells)
        except ReportError as error:
            faults = str(error).splitlines()
            named = [re.match(r"00_first\.ipynb, cell (\d+) ", fault) for fault in faults]
            assert all(named) and not RAN.search(str(error)), faults
            order = ["part", "title", *cells]
            for gone in {order[int(found[1])] for found in named}:
                harmless = {"part": {"title": "P", "level": 1}, "title": "T"}.get(gone)
                assert cells.pop(gone, None) or about.get(gone) != harmless, faults
                about = about | ({gone: harmless, "subtitle": "S"} if harmless else {})


SECOND = sample.notebook([sample.text("# Second"), sample.cell("x = 1")], level=2)


BARE = both([], {"title": "T"})[0]
PLAIN = BeautifulSoup(BARE, "lxml")
ADDRESSES = tuple(tag["href"] for tag in PLAIN.find_all(href=True))  # the template's own
TAGS = {tag.name for tag in PLAIN.find_all(True)} | set(
    "section figure img figcaption table thead tbody tr th td details summary pre code samp em strong del "
    "sub sup ul ol li blockquote hr br h2 h3 h4 h5 h6 a div span p button script math".split()
)


def assert_harmless_page(page, live):
    """No tag, attribute, address or script in the page that its template has not put there."""
    soup = BeautifulSoup(page, "lxml")
    for unseen in soup.find_all("math"):
        assert not unseen.find(["script", "a", "annotation-xml", "maction"]) and not unseen.find(
            href=True
        )
        unseen.decompose()
    for tag in soup.find_all(True):
        assert tag.name in TAGS, tag.name
        assert not [
            name for name in tag.attrs if name.startswith("on") or name in ("style", "srcset")
        ] or (tag.name in ("th", "td", "ol")), tag
        address = tag.get("href") or tag.get("src") or "#"
        allowed = ("#", "https://", "http://", "mailto:", "doi:", "data:image/", "data:text/csv")
        assert address in ADDRESSES or address.startswith(allowed), address
    kinds = [tag.get("type") for tag in soup.find_all("script")]
    assert set(kinds) <= {None, "module", "application/json"}
    assert kinds.count(None) == len(PLAIN.find_all("script", type=None))
    assert kinds.count("module") == bool(live)
    assert (
        len(soup.find_all("meta")) == len(PLAIN.find_all("meta"))
        and len(soup.find_all("style")) == 1
    )


@settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck), phases=(Phase.generate,),
)  # fmt: skip
@given(st.lists(CASE, min_size=CASES, max_size=CASES), *[LINE] * 5)
def test_no_text_is_code(cases, title, subtitle, part, author, source):
    texts = dict.fromkeys(("authors", "title", "venue"), source.replace("\x00", ""))  # is refused
    about = {
        "title": title,
        "subtitle": subtitle,
        "authors": [author],
        "part": {"title": part, "level": 1, "text": f"{part} [](#cite-mine)"},
        "references": {"mine": texts | {"year": 2026, "url": "https://a.b"}},
    }
    cells = [KINDS[kind](number, text) for number, (kind, text) in enumerate(cases)]
    page, live, kept = both(cells, about)
    assert_harmless_page(page, live)
    assert kept >= CASES / 2  # the others are refused


def test_the_checks_would_notice():
    """Negative controls: code of either kind is seen."""
    for code in BREAKS[:4]:
        with pytest.raises(typst.TypstError, match=RAN):
            typst.compile(code.encode())
    for code in (
        "<evil>",
        "<script>x</script>",
        '<a href="javascript:x">',
        "<p onclick=x>",
        "<meta x>",
    ):
        try:
            assert_harmless_page(BARE.replace("</main>", f"{code}</main>"), live=False)
        except AssertionError:
            continue
        raise AssertionError(code)
