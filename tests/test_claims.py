"""Verdicts follow stored numbers by rules, and never guess."""

import pytest

from helpers import claims
from helpers.claims import (
    CONFIRMED,
    PARTLY,
    REFUTED,
    UNDECIDED,
    UNMEASURED,
    Evidence,
    claim_rows,
    published,
)


def summary(**changes):
    numbers = {"loss": 150.0, "val_elbo": -151.0, "seconds_per_epoch": 10.0, "parameters": 134_165}
    return numbers | {"knn_accuracy": 0.8} | changes


def evidence(**models):
    named = {"baseline": summary(), "dense": summary(), "1-D": summary(), "deeper": summary(), "10-D": summary()}
    sections = {"00_baseline": {"models": named | models}}
    return Evidence(sections | {"03_latent_10d": {"kl_per_dimension": [0.1, 2.0]}})


def verdict(claim, stored):
    return {row.id: row for row in claim_rows(stored)}[claim].verdict


def test_all_24_claims_are_listed_in_order():
    rows = claim_rows(Evidence({}))
    assert [row.id for row in rows] == [f"C{number}" for number in range(1, 25)]
    assert all(row.text and row.published and row.link.endswith(".ipynb") for row in rows)


def test_without_numbers_nothing_is_claimed():
    rows = claim_rows(Evidence({}))
    assert {row.verdict for row in rows} == {UNMEASURED}
    assert all(row.ours.startswith("—") for row in rows)


def test_published_numbers():
    assert published("baseline")["loss"] == 151.5002
    assert published("deeper")["seconds"] == 3 * 60 + 48.5
    with pytest.raises(KeyError, match="nothing is published for 'dense'.*10-D"):
        published("dense")


@pytest.mark.parametrize(("loss", "expected"), [(151.5, CONFIRMED), (155.4, CONFIRMED), (155.6, REFUTED), (147, REFUTED)])
def test_c3_follows_the_loss(loss, expected):
    assert verdict("C3", evidence(baseline=summary(loss=loss))) == expected


def test_the_original_protocol_decides_where_it_was_run():
    stored = evidence(baseline=summary(loss=100.0))
    assert verdict("C3", stored) == REFUTED
    stored.repeated.append({"model": "baseline", "seed": 0, "training_loss": 150.0})
    assert verdict("C3", stored) == CONFIRMED
    row = claim_rows(stored)[2]
    assert "150.00 (original protocol)" in row.ours and "100.00 (this run)" in row.ours


@pytest.mark.parametrize(("gain", "expected"), [(5, CONFIRMED), (3, UNDECIDED), (-3, UNDECIDED), (-5, REFUTED)])
def test_c5_never_calls_less_than_the_tolerance_a_difference(gain, expected):
    assert verdict("C5", evidence(deeper=summary(val_elbo=-151.0 + gain))) == expected


def test_c4_has_three_parts():
    whole = summary(loss=141.0, seconds_per_epoch=14.2)
    assert verdict("C4", evidence(deeper=whole)) == CONFIRMED
    assert verdict("C4", evidence(deeper=whole | {"seconds_per_epoch": 30.0})) == PARTLY
    assert verdict("C4", evidence(deeper=summary(loss=160.0))) == REFUTED


def test_c8_and_c16_follow_times_and_counts():
    assert verdict("C8", evidence()) == CONFIRMED
    assert verdict("C8", evidence(**{"10-D": summary(seconds_per_epoch=12.0)})) == UNDECIDED
    assert verdict("C16", evidence(**{"10-D": summary(parameters=140_000)})) == CONFIRMED
    assert verdict("C16", evidence()) == REFUTED  # negative control: equal counts


def test_c9_and_c17_follow_the_ten_dimensional_model():
    good = summary(loss=105.0, val_elbo=-104.0, knn_accuracy=0.95)
    assert verdict("C9", evidence(**{"10-D": good})) == CONFIRMED
    assert verdict("C9", evidence(**{"10-D": good | {"knn_accuracy": 0.7}})) == PARTLY
    assert verdict("C17", evidence(**{"10-D": good})) == CONFIRMED
    assert verdict("C17", evidence()) == UNDECIDED
    assert verdict("C17", evidence(**{"10-D": summary(val_elbo=-160.0)})) == REFUTED


def test_c11_reads_the_kl_per_dimension():
    stored = evidence()
    assert verdict("C11", stored) == CONFIRMED
    stored.sections["03_latent_10d"]["kl_per_dimension"] = [1.0, 1.5]
    assert verdict("C11", stored) == REFUTED


@pytest.mark.parametrize(("mean", "expected"), [(0.003, CONFIRMED), (0.001, UNDECIDED), (-0.003, REFUTED)])
def test_c24_asks_for_two_standard_errors(mean, expected):
    stored = evidence()
    stored.sections["07_discussion"] = {"inpainting_advantage_of_training_digits": {"mean": mean, "se": 0.001}}
    assert verdict("C24", stored) == expected


def test_a_missing_number_is_named():
    row = {row.id: row for row in claim_rows(evidence())}["C12"]
    assert row.verdict == UNMEASURED and "squared error" in row.ours


def repeated(*losses):
    return [{"model": "10-D", "seed": seed, "training_loss": loss} for seed, loss in enumerate(losses)]


def test_sentences_follow_the_numbers():
    stored = evidence()
    assert "No run of the original protocol" in claims.reproduction_text(stored)
    stored.repeated = repeated(126.0)
    assert claims.reproduction_text(stored).endswith("1 of 1 losses come back within 4 nats.")
    stored.repeated = repeated(151.0, 125.0)
    text = claims.reproduction_text(stored)
    assert "0 of 1 losses" in text and "10-D ends 26.7 nats above the published value" in text
    assert "Over seeds 0, 1 the 10-D model ends at 151.0, 125.0 nats." in text


def test_the_abstract_counts_the_verdicts():
    rows = claim_rows(evidence(baseline=summary(loss=151.0)))
    text = claims.abstract_text(evidence(baseline=summary(loss=151.0)), rows, "report")
    assert f"{[row.verdict for row in rows].count(CONFIRMED)} confirmed" in text
    assert "the baseline model at 151.0 nats (published: 151.5)" in text
    assert "trial run" not in text
    nothing = Evidence({})
    text = claims.abstract_text(nothing, claim_rows(nothing), "smoke")
    assert "trial run" in text and text.endswith("Verdicts on the 24 claims: 24 not measured yet.")


def test_every_rule_belongs_to_a_claim_and_is_stated_in_words():
    identifiers = {row.id for row in claim_rows(Evidence({}))}
    assert set(claims.RULES) <= identifiers
    assert all("confirmed" in words for words, _ in claims.RULES.values())


def converged(**losses):
    """Long runs of the fast recipe, a seed for each loss."""
    return [
        {"model": model, "seed": seed, "training_loss": loss, "epochs": 20}
        for model, values in losses.items()
        for seed, loss in enumerate(values)
    ]


def test_a_gain_that_goes_at_convergence_was_the_optimisers():
    halved = published("baseline")["loss"] - published("deeper")["loss"]
    stored = Evidence({}, converged=converged(baseline=[140.0, 150.0, 144.0], deeper=[144.0 - halved / 2]))
    (gain,) = claims.gains(stored)
    assert gain.published == pytest.approx(halved) and gain.converged == pytest.approx(halved / 2)
    assert gain.optimisers_share == pytest.approx(0.5)
    assert claims.gains_text(stored).startswith(f"**deeper**: published {halved:.1f} nats below the baseline")
    assert "50% of the published difference is the optimiser's" in claims.gains_text(stored)


def test_a_gain_that_grows_at_convergence_was_hidden():
    gap = published("baseline")["loss"] - published("10-D")["loss"]
    stored = Evidence({}, converged=converged(baseline=[140.0], **{"10-D": [140.0 - 2 * gap]}))
    assert claims.gains(stored)[0].optimisers_share == pytest.approx(-1)
    assert "had hidden 100% on top" in claims.gains_text(stored)


def test_without_long_runs_nothing_is_said_of_the_optimiser():
    assert claims.gains(Evidence({})) == claims.gains(Evidence({}, converged=converged(deeper=[140.0]))) == []
    assert claims.gains_text(Evidence({})).startswith("No long runs")


def test_the_table_of_convergence_has_every_model_and_gains_where_they_mean_something():
    stored = Evidence({}, converged=converged(baseline=[140.0, 142.0], deeper=[138.0], **{"squared error": [36.0]}))
    baseline, deeper, squared = claims.convergence_table(stored)
    assert baseline == ["baseline", "151.50", "141.00 (140.00 to 142.00)", 20, "–", "–"]
    assert deeper == ["deeper", "141.42", "138.00", 20, "10.1", "3.0"]
    assert squared[-2:] == ["–", "–"]
