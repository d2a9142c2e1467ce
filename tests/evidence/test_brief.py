"""The report in short follows the stored runs, and reads well where there are none."""

import re
from types import SimpleNamespace

import pandas as pd
import pytest

from helpers.evidence import brief, text
from helpers.evidence.claims import FORMS, VERDICTS, claim_rows
from helpers.evidence.published import CLAIMS
from helpers.evidence.statistics import Evidence, RecipeEvidence, Runs
from helpers.plots import MARKS

NONE = RecipeEvidence()


def runs(form, **models):
    """A recipe's runs: {model: rows of measures}, with seeds in order."""
    rows = [
        {"model": name.replace("_", "-"), "seed": n, "latent_dim": 10 if "10" in name else 2} | row
        for name, each in models.items()
        for n, row in enumerate(each)
    ]
    return RecipeEvidence(Runs(pd.DataFrame(rows)), form=form)


TEN = [{"training_loss": 120.0, "active_units": 2}, {"training_loss": 150.0, "active_units": 10}]
TWO = [{"training_loss": 149.0, "active_units": 2, "val_elbo": -150.0}] * 2
MADE = Evidence(
    runs("plain", **{"10_D": TEN, "baseline": TWO, "deeper": TEN}),
    runs("fast", **{"10_D": [{"val_elbo": -109.0}, {"val_elbo": -111.0}], "baseline": TWO}),
)


@pytest.fixture(scope="module")
def stored():
    evidence = Evidence.load()
    return evidence, claim_rows(evidence)


def test_every_claim_has_at_most_five_words_and_a_number():
    assert list(brief.BRIEFS) == [claim["id"] for claim in CLAIMS["claims"]]
    assert all(len(each.words.split()) <= 5 for each in brief.BRIEFS.values())
    nothing = Evidence(NONE, NONE)
    said = [brief.measured(claim, nothing) for claim in claim_rows(nothing)]
    assert all(words.endswith(": not measured yet") for words in said)


def claim(name, plain="not decidable", fast="not decidable", signs=(0,)):
    """A claim with verdicts of our choice."""
    row = next(row for row in claim_rows(MADE) if row.id == name)
    verdicts = {
        form: SimpleNamespace(verdict=verdict, signs=signs)
        for form, verdict in (("plain", plain), ("fast", fast), ("fashion", "does not apply"))
    }
    return row._replace(**verdicts)


def test_the_number_is_of_the_recipe_that_decides_the_claim_and_says_so():
    fast = {"10_D": [{"training_loss": loss} for loss in (101.8, 102.2)],
            "baseline": [{"training_loss": loss} for loss in (149.2, 148.8)]}  # fmt: skip
    both = Evidence(MADE.plain, runs("fast", **fast))
    protocol = claim("C3", fast="does not apply")
    assert brief.measured(protocol, MADE).endswith(": 149.0 ± 0.0 (plain)")
    assert brief.measured(claim("C9"), MADE).endswith(": −14.0 ± 190.6 (plain)")
    assert brief.measured(claim("C9"), both).endswith(": −47.0 ± 1.2 (fast)")
    decided = claim("C9", plain="confirmed", signs=(1,))
    assert brief.measured(decided, both).endswith(": −14.0 ± 190.6 (plain)")
    assert brief.measured(claim("C17"), MADE).endswith(": +40.0 ± 12.7 (fast)")  # the only one
    decided = claim("C9", fast="confirmed", signs=(1,))
    assert brief.measured(decided, both).endswith(": −47.0 ± 1.2 (fast)")
    measured = brief.measured(claim("C17", plain="refuted", signs=(-1,)), MADE)
    assert measured == "test ELBO against the baseline, nats: +40.0 ± 12.7 (fast)"


def test_a_part_that_is_refuted_shows_where_the_claim_is_not_decidable():
    torn = claim("C10", signs=(0, -1))
    assert brief.verdict(torn, "plain") == "not decidable, a part refuted"
    assert brief.marks(torn) == ["?✗", "?✗", "·"]
    assert brief.marks(claim("C10", plain="refuted", signs=(-1, -1)))[0] == "✗"


def test_the_findings_are_computed_and_say_what_is_not_measured_yet():
    unused, gain, chance = brief.findings(MADE)
    assert "uses **6.0 of them** on average (1 of 2 runs leave some unused)" in unused
    assert "dimensions help.**" in gain and "**40.0 ± 12.7 nats higher**" in gain
    assert "gains 10.1 nats by a deeper network" in chance and "**30.0 nats** apart" in chance
    for finding in brief.findings(Evidence(NONE, NONE)):
        assert re.fullmatch(r"\*\*[^*]+\*\*: not measured yet\.", finding)


def test_the_findings_turn_with_the_numbers():
    full = [{"training_loss": loss, "active_units": 10} for loss in (120.0, 121.0)]
    same = [{"val_elbo": elbo} for elbo in (-149.0, -151.0)]
    worse = [{"val_elbo": elbo} for elbo in (-170.0, -171.0)]
    plain = runs("plain", **{"10_D": full, "baseline": TWO, "deeper": full})
    for elbos, words in ((same, "not shown to help"), (worse, "harm.** ")):
        found = brief.findings(Evidence(plain, runs("fast", **{"10_D": elbos, "baseline": TWO})))
        assert words in found[1]
    assert "uses the latent space.**" in found[0] and "**10.0 of them**" in found[0]
    assert found[2].startswith("**Runs of one model lie near.** The original gains 10.1 nats")


def test_a_line_of_the_claims_table_leads_to_card_and_findings(stored):
    evidence, claims = stored
    table = brief.claims_table(claims, evidence)
    assert len(table) == 24 and list(table)[2:5] == ["plain", "fast", "Fashion"]
    first = table.iloc[0]
    assert first["claim"].endswith("(00_baseline.ipynb#tbl-card-baseline-c1)")
    assert first["number"].endswith("(#tbl-findings-c1)")
    assert set(table["plain"]) <= {*"✓≈✗?–·", "?✗"} and len(brief.MARKS) == len(VERDICTS)


def test_moving_claims_have_a_known_verdict_and_its_findings_for_each_form(stored):
    evidence, claims = stored
    moving, seeds = brief.moving(claims, evidence)
    assert seeds == sorted({*evidence.plain.runs.table["seed"], *evidence.fast.runs.table["seed"]})
    assert [claim["id"] for claim in moving] == [f"C{n}" for n in range(1, 25)]
    for claim, shown in zip(claims, moving, strict=True):
        sides = [getattr(claim, form) for form in FORMS]
        assert shown["found"] == [[side.verdict, side.ours] for side in sides]
        assert {verdict for verdict, _ in shown["found"]} <= set(MARKS)
        assert [len(verdicts) for verdicts in shown["without"]] == [len(seeds)] * len(FORMS)
        assert {verdict for each in shown["without"] for verdict in each} <= set(MARKS)


def test_without_a_seed_its_runs_count_nowhere(stored):
    evidence, claims = stored
    for side, fewer in zip(evidence, brief.without(evidence, 0), strict=True):
        for table, less in ((side.runs.table, fewer.runs.table), (side.courses, fewer.courses)):
            assert set(less["seed"]) == set(table["seed"]) - {0}
        assert fewer.steps is side.steps  # these have rounds
    unused = brief.without(evidence, 99)
    assert [row.plain.ours for row in claim_rows(unused)] == [row.plain.ours for row in claims]


def test_cards_hold_every_claim_once():
    sections = {claim["link"].removesuffix(".ipynb") for claim in CLAIMS["claims"]}
    nothing = Evidence(NONE, NONE)
    cards = {section: brief.card(section, nothing) for section in sorted(sections)}
    names = [name for card in cards.values() for name in card["claim"]]
    assert names == [f"C{number}" for number in range(1, 25)]
    assert "not measured yet" in set(cards["00_baseline"]["as published"])


def test_a_card_of_another_data_set_says_whose_verdicts_it_holds():
    nothing = Evidence(NONE, NONE)
    assert brief.card("00_baseline", nothing).attrs["note"] == ""
    note = brief.card("00_baseline", nothing, "fashion_mnist").attrs["note"]
    assert note.startswith("**The original's claims are about MNIST.**")
    assert "learned from Fashion-MNIST" in note and "stored runs on MNIST" in note


def test_the_conclusion_names_each_claim_once_or_counts_it_as_open(stored):
    found = brief.conclusion(stored[1])
    named = re.findall(r"#tbl-claims-(c\d+)", " ".join(found.values()))
    assert len(named) == len(set(named)) > 0 and len(named) + int(found["open"]) == 24


def test_the_summary_figure_has_every_run_and_which_left_dimensions_unused():
    rows, papers, unused = brief.summary_rows(MADE)
    assert rows["10-D"]["plain"].tolist() == [120, 150] and papers["10-D"] == 124.3071
    assert unused["10-D"]["plain"].tolist() == [2, 0]
    said = brief.summary_alt(rows, papers, unused)
    assert "10-D: published 124.3; plain 120.0, 150.0 (1 with unused dimensions)" in said


def test_the_abstract_warns_of_trial_runs(stored):
    evidence, claims = stored
    trial, draft, whole = (brief.abstract(evidence, p) for p in ("smoke", "draft", "report"))
    assert trial.startswith("**This is a trial run") and trial.endswith(whole)
    assert draft.startswith("**This is a draft.") and draft.endswith(whole)
    assert whole.strip().startswith("1. **") and whole.strip().count("\n") == 2
    assert brief.verdicts(claims).startswith("The original makes 24 claims. As published: ")


def test_a_trial_reads_no_stored_runs():
    assert len(text.evidence("draft").fast.runs.table) > 0
    trial = text.evidence("smoke")
    assert not any(len(side.runs.table) for side in (trial.plain, trial.fast, trial.fashion))
    rows = claim_rows(trial)
    assert {row.plain.verdict for row in rows} == {"not measured yet"}


def test_a_sentence_over_seeds_names_both_recipes_and_what_is_missing():
    column = text.Column("The ELBO", "val_elbo", 1, unit="nats")
    said = text.over_seeds(MADE, "10-D", "baseline", column)
    assert said.startswith("- The ELBO: by the fast recipe 40.0 nats higher (95 %")
    assert text.over_seeds(MADE, "1-D", None, column) == "- The ELBO: not measured yet."


def test_claims_stand_in_the_column_of_their_verdict_and_apart(stored):
    (ax,) = brief.tiles(stored[1]).axes
    shown = {text.get_position(): text.get_text().split() for text in ax.texts}
    for y, form in enumerate(FORMS):
        for x, name in enumerate(brief.MARKS):
            those = [claim.id for claim in stored[1] if getattr(claim, form).verdict == name]
            assert shown[x, y] == those
