"""Formulas: a sheet of them in Typst, and what browsers need in MathML.

The second column of formulas.tsv was looked at, set by Typst; where pandoc or Typst changes it, set
the sheet again (section 2 of the sample report) and look.
"""

import pytest
import sample_report as sample

from helpers.report import maths


def test_the_sheet_of_formulas_is_set_as_it_was_looked_at():
    made = maths.write([(tex, True) for tex in sample.FORMULAS])
    found = {
        tex: " ".join(formula["typst"].split()) if isinstance(formula, dict) else formula
        for tex, formula in zip(sample.FORMULAS, made, strict=True)
    }
    assert found == sample.FORMULAS and len(found) > 60


@pytest.mark.parametrize(
    ("tex", "typst"),
    [
        (r"a \odot b \cap c", "$a dot.o b inter c$"),  # names that Typst has given up
        (r"a \; b \! c", "$a thick b #h(-0.167em) c$"),  # spaces that pandoc loses
        (r"\operatorname{KL}(q \| p)", r'$op("KL") \( q class("normal", parallel) p \)$'),
        (r"1{,}000", r'$1 class("normal", \,) 000$'),
        (r"\text{if } x", '$upright("if") x$'),
        (r"\text{a sect b}", '$upright("a sect b")$'),  # words stay as they are
    ],
)
def test_what_pandoc_gets_wrong_in_typst_is_mended(tex, typst):
    (formula,) = maths.write([(tex, False)])
    assert " ".join(formula["typst"].replace("  ", " ").split()) == typst


@pytest.mark.parametrize(
    ("tex", "mathml"),
    [
        (r"2 \log x", '<mspace width="0.167em" /><mrow><mi mathvariant="normal">log'),
        (r"\mathbf{z}", "<mi>𝐳</mi>"),
        (r"\hat{x}", 'stretchy="false">ˆ</mo>'),
        (r"\begin{aligned} a &= b \end{aligned}", '<mtd class="right tight">'),
        (r"x_{i=1}", 'lspace="0" rspace="0"'),
    ],
)
def test_what_browsers_need_is_in_mathml(tex, mathml):
    (formula,) = maths.write([(tex, False)])
    assert mathml in formula["html5"] and "annotation" not in formula["html5"]


@pytest.mark.parametrize(
    ("tex", "reason"),
    [
        (r"\sigm(x)", r"unexpected control sequence \sigm"),
        (r"\left. x \right|_0", r"\left. comes out wrong in the PDF"),
        (r"\boxed{x}", r"\boxed comes out wrong"),
    ],
)
def test_what_cannot_be_set_is_named(tex, reason):
    (message,) = maths.write([(tex, False)])
    assert reason in message
