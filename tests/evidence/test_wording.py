"""Phrases follow the numbers that they are given."""

import pytest

from helpers.config import model_config
from helpers.evidence import wording


def test_count_takes_the_plural_from_two_on():
    said = [wording.count(n, "digit") for n in (1, 2, 10_000)]
    assert said == ["1 digit", "2 digits", "10,000 digits"]


def test_number_has_a_true_minus_sign():
    assert [wording.number(value) for value in (-1146.25, 3, -0.01)] == ["−1,146.2", "3.0", "0.0"]


def test_ordinal_knows_the_teens():
    names = [wording.ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 111)]
    assert names == ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "111th"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(41.44, "41.4 s"), (161.4, "2 min 41 s"), (119.7, "2 min 00 s"), (3725, "1 h 02 min")],
)
def test_duration(seconds, text):
    assert wording.duration(seconds) == text


def test_offset_says_the_side():
    assert wording.offset(120.0, 150.0) == "30.0 nats below"
    assert wording.offset(150.0, 120.0) == "30.0 nats above"


def test_offset_of_equal_losses():
    assert wording.offset(150.04, 150.0) == "level with"


def test_protocol_names_what_was_done():
    text = wording.protocol(model_config("baseline", profile="original", seed=7))
    assert text.startswith("30 epochs on 70,000 digits, training and test together, Adam")
    assert text.endswith("batches of 128, seed 7")
    assert "1,000 training digits" in wording.protocol(model_config("baseline", profile="smoke"))
    plain = wording.protocol(model_config("baseline"))
    assert plain.startswith("3 epochs on 60,000 training digits, Muon")
    assert plain.endswith("cosine schedule, batches of 64, seed 0")


def test_protocol_names_another_data_set_and_unusual_settings():
    config = model_config(
        "baseline", dataset="fashion_mnist", beta=4, hidden_units=32, activation="tanh",
        kl_warmup=1, free_bits=0.5,
    )  # fmt: skip
    text = wording.protocol(config)
    assert text.startswith("3 epochs on 60,000 training garments of Fashion-MNIST, Muon")
    unusual = "β = 4, 32 units in the bottleneck layer, tanh activation, "
    unusual += "KL warm-up over epochs 0 to 1, 0.5 nats of KL free in each dimension"
    assert text.endswith(f"batches of 64, {unusual}, seed 0")
    assert "digit" not in text + wording.exposure(config)


def test_only_the_original_protocol_has_seen_the_test_digits():
    original, report = model_config("baseline", profile="original"), model_config("baseline")
    assert "were among the training digits" in wording.exposure(original)
    assert wording.seen(original) == " (seen in training)"
    assert "held out" in wording.exposure(report) and wording.seen(report) == ""
