"""The notebooks' prose: short sentences in the field's words, so that nobody has to read twice."""

import json
import re
from itertools import pairwise

import pytest

from helpers import paths
from helpers.display import REFERENCES, cell_options, reference

MOST_WORDS = 35  # of a sentence
FEWEST_CELLS, MOST_CELLS = 20, 30  # of a chapter, but for those in MORE_CELLS
LONGEST_LINE, MOST_LINES = 200, 1_500  # of a cell's code; of the chapters together
MORE_CELLS = {"00_baseline": 34}  # with the recipe
BANNED = (  # private or archaic, each with what to say in its place
    "luck", "lucky", "luckiest", "beside", "rightly", "own answer", "own answers", "hangs on",
    "as they stand", "could not be had", "times sooner", "drawn alone", "gives away", "it knows",
    "least to greatest", "thrown to", "by lot", "in its stead", "shall it", "at last", "nor is",
    "convince nobody", "does not tire", "be worth their", "whither", "hence", "thus",
)  # fmt: skip
STORED = "pixels drawn alone"  # the name of a row in the results
NOTEBOOKS = sorted(paths.NOTEBOOKS.glob("*.ipynb"))
EXAMPLE = sorted((paths.ROOT / "tests" / "example_course").glob("*.ipynb"))
LINK = re.compile(r"\[([^\]\[]*)\]\([\w.-]*#((?:fig|tbl|lst|eq)-[^)]*)\)")
ROW = re.compile(r"tbl-.+-(\{\w+\}|c\d+)")  # of a table: its link keeps its words in the report


def prose(cell):
    """The paragraphs, list items, headings and captions of a cell, without markup and maths."""
    source = "".join(cell["source"])
    if cell["cell_type"] == "code":
        options = cell_options(source)[0]
        captions = (str(options.get(f"{kind}-cap", "")) for kind in ("fig", "tbl", "lst"))
        return plain("\n\n".join(captions))
    return plain(source)


def plain(text):
    text = re.sub(r"\$\$.+?\$\$", "\n\n", text, flags=re.S)  # a displayed formula ends a sentence
    text = re.sub(r"\$[^$]+\$|`[^`]+`", "x", text)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"<summary>.*?</summary>|</?details>", "", text)
    blocks = re.split(r"\n\s*\n|\n(?=\s*(?:[-*]|\d+\.) )|\n(?=#)", text)
    return [re.sub(r"[*_#]+|^\s*[-\d.]+ ", "", block).strip() for block in blocks]


def sentences(block):
    return re.split(r"(?<=[.?!])[)”’]?\s+(?=[A-Z(“x])", block)


def too_long(blocks):
    return [s for block in blocks for s in sentences(block) if len(s.split()) > MOST_WORDS]


def banned(text):
    return [word for word in BANNED if re.search(rf"\b{word}\b", text, re.I)]


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_sentences_are_short_and_words_are_those_of_the_field(file):
    cells = json.loads(file.read_text())["cells"]
    assert not [sentence for cell in cells for sentence in too_long(prose(cell))]
    texts = ["".join(cell["source"]) for cell in cells]  # computed ones too
    found = {word for text in texts for word in banned(text.replace(STORED, ""))}
    assert not found


def test_what_the_report_computes_uses_the_same_words():
    for name in ("brief.py", "text.py", "wording.py"):
        assert not banned((paths.ROOT / "helpers" / "evidence" / name).read_text()), name


def nameless(text):
    """Links to a figure, table, listing or equation whose words do not name it."""
    links = [link.groups() for link in LINK.finditer(text)]
    bare = {"", *REFERENCES.values()}
    return [
        label for words, label in links
        if (words in bare if ROW.fullmatch(label) else words != reference(label))
    ]  # fmt: skip


@pytest.mark.parametrize("file", [*NOTEBOOKS, *EXAMPLE], ids=lambda file: file.stem)
def test_links_name_what_they_lead_to_where_nothing_is_numbered(file):
    sources = ["".join(cell["source"]) for cell in json.loads(file.read_text())["cells"]]
    assert not [label for source in sources for label in nameless(source)]


def test_what_the_report_computes_names_it_too():
    for file in sorted((paths.ROOT / "helpers").rglob("*.py")):
        assert not nameless(file.read_text()), file


def test_a_bare_or_wrong_link_is_found():
    assert nameless("[](#fig-a), [Table](x.ipynb#tbl-a-b), [Figure b](#fig-a)") == [
        "fig-a", "tbl-a-b", "fig-a"]  # fmt: skip
    assert nameless("[](#tbl-claims-c1) [all](#tbl-claims)") == ["tbl-claims-c1", "tbl-claims"]
    assert not nameless("[Figure a-b](00.ipynb#fig-a-b) [C1](#tbl-claims-c1) [why](#the-figure)")


def test_a_long_sentence_and_a_riddle_are_found():
    long = "A sentence of " + "many words, " * 17 + "with $a b$ and [a link](x.ipynb#y)."
    assert too_long(plain(f"Short one. {long} Short again.\n\n- {long}")) == [plain(long)[0]] * 2
    assert not too_long(plain("Words " * 20 + "before $$ x $$ " + "and after " * 10))
    assert banned("Two runs, beside each other, and their Luck.") == ["luck", "beside"]
    assert not banned("n_beside besides unlucky")


def test_every_card_knows_the_data_set_of_the_run():
    for file in sorted(paths.NOTEBOOKS.glob("0[0-7]*.ipynb")):
        (card,) = [c for c in json.loads(file.read_text())["cells"] if c.get("id") == "card"]
        call = f'brief.card("{file.stem}", text.evidence(profile), dataset)'
        assert "".join(card["source"]).endswith(call), file


def test_a_report_on_another_data_set_does_not_speak_of_digits():
    """Only static sentences about MNIST do: its name stands in them."""
    for file in (file for file in NOTEBOOKS if file.stem[0].isdigit()):
        notebook = json.loads(file.read_text())
        about = notebook["metadata"]["report"]
        texts = [about.get("title", ""), *about.get("part", {}).values()]
        for cell in notebook["cells"]:
            code = cell["cell_type"] == "code"
            texts += [*cell_options("".join(cell["source"]))[0].values()] if code else prose(cell)
        said = [s for text in texts for s in sentences(str(text)) if re.search(r"\bdigits?\b", s)]
        assert not [s for s in said if "MNIST" not in s], file


@pytest.mark.parametrize("file", NOTEBOOKS[:9], ids=lambda file: file.stem)
def test_a_chapter_has_a_handy_number_of_cells(file):
    cells = json.loads(file.read_text())["cells"]
    assert FEWEST_CELLS <= len(cells) <= MORE_CELLS.get(file.stem, MOST_CELLS)
    for cell, following in pairwise(cells):
        kinds = {each["cell_type"] for each in (cell, following)}
        assert kinds != {"markdown"} or cell["metadata"] != following["metadata"], cell["id"]


def code_lines(file):
    """The lines of code of a notebook that are not empty, without its `#|` options."""
    cells = [c for c in json.loads(file.read_text())["cells"] if c["cell_type"] == "code"]
    lines = [line for cell in cells for line in "".join(cell["source"]).split("\n")]
    return [line for line in lines if line.strip() and not line.startswith("#|")]


def test_code_is_short_in_both_directions():
    lines = {file.stem: code_lines(file) for file in NOTEBOOKS[:9]}
    assert not [line for each in lines.values() for line in each if len(line) > LONGEST_LINE]
    assert sum(map(len, lines.values())) <= MOST_LINES


def test_a_card_opens_and_seeds_close_every_section():
    for file in sorted(paths.NOTEBOOKS.glob("0[0-7]*.ipynb")):
        cells = json.loads(file.read_text())["cells"]
        shown = [c for c in cells if "appendix" not in c["metadata"].get("tags", [])]
        names = [cell["id"] for cell in shown]
        assert names[:4] == ["title", "parameters", "setup", "card"] or "abstract" in names[:2]
        assert names[-3:] == ["learned", "learned-seeds", "save"] or "gap-prose" in names, file
