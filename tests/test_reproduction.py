"""What came back under the original protocol, and what is left of each gain at convergence."""

import pytest

from helpers.published import published
from helpers.reproduction import convergence_table, gains, gains_text, reproduction_text


def repeated(*losses):
    return [{"model": "10-D", "seed": seed, "training_loss": loss} for seed, loss in enumerate(losses)]


def test_sentences_follow_the_numbers():
    assert "No run of the original protocol" in reproduction_text([])
    assert reproduction_text(repeated(126.0)).endswith("1 of 1 losses come back within 4 nats.")
    text = reproduction_text(repeated(151.0, 125.0))
    assert "0 of 1 losses" in text and "10-D ends 26.7 nats above the published value" in text
    assert "Over seeds 0, 1 the 10-D model ends at 151.0, 125.0 nats." in text


def converged(**losses):
    """Long runs of the fast recipe, a seed for each loss."""
    return [
        {"model": model, "seed": seed, "training_loss": loss, "epochs": 20}
        for model, values in losses.items()
        for seed, loss in enumerate(values)
    ]


def test_a_gain_that_goes_at_convergence_was_the_optimisers():
    halved = published("baseline")["loss"] - published("deeper")["loss"]
    stored = converged(baseline=[140.0, 150.0, 144.0], deeper=[144.0 - halved / 2])
    (gain,) = gains(stored)
    assert gain.published == pytest.approx(halved) and gain.converged == pytest.approx(halved / 2)
    assert gain.optimisers_share == pytest.approx(0.5)
    assert gains_text(stored).startswith(f"**deeper**: published {halved:.1f} nats below the baseline")
    assert "50% of the published difference is the optimiser's" in gains_text(stored)


def test_a_gain_that_grows_at_convergence_was_hidden():
    gap = published("baseline")["loss"] - published("10-D")["loss"]
    stored = converged(baseline=[140.0], **{"10-D": [140.0 - 2 * gap]})
    assert gains(stored)[0].optimisers_share == pytest.approx(-1)
    assert "had hidden 100% on top" in gains_text(stored)


def test_without_long_runs_nothing_is_said_of_the_optimiser():
    assert gains([]) == gains(converged(deeper=[140.0])) == []
    assert gains_text([]).startswith("No long runs")


def test_the_table_of_convergence_has_every_model_and_gains_where_they_mean_something():
    baseline, deeper, squared = convergence_table(
        converged(baseline=[140.0, 142.0], deeper=[138.0], **{"squared error": [36.0]})
    )
    assert baseline == ["baseline", "151.50", "141.00 (140.00 to 142.00)", 20, "–", "–"]
    assert deeper == ["deeper", "141.42", "138.00", 20, "10.1", "3.0"]
    assert squared[-2:] == ["–", "–"]
