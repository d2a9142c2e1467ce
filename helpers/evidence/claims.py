"""The claims of the original report and their verdicts, by rules that are code.

A rule reads stored tables of measured runs, several seeds of each model, and is stated in words and in code. It is
applied twice: to models trained as the original trained them, and to models trained by this report's recipe. A part of a
claim holds, or fails, where the whole 95 % confidence interval over seeds says so; two models differ where that of their
paired difference excludes zero. Where a measure is not stored, the verdict is "not measured yet".
"""

from collections.abc import Callable
from dataclasses import dataclass

from helpers.evidence.published import claim_texts, published
from helpers.evidence.statistics import Evidence, Interval, Missing, RecipeEvidence
from helpers.wording import RESOLUTION, ordinal

SIMILAR_TIME = 0.10  # training times within 10 % count as "about the same"
SMALL_STEP = 0.05  # of the change between random images: less is a small change
COMPARABLE = {"psnr": 1.0, "ssim": 0.05}  # dB, and units of the index: hardly visible differences
CONFIRMED, REFUTED, PARTLY = "confirmed", "refuted", "partly confirmed"
UNDECIDED, UNMEASURED = "not decidable", "not measured yet"
VERDICTS = (CONFIRMED, PARTLY, REFUTED, UNDECIDED, UNMEASURED)


@dataclass(frozen=True)
class Verdict:
    """What a rule finds: our value, and for each part of the claim 1 (it holds), -1 (it fails) or 0 (the seeds leave it
    open); no parts where nothing is stored.
    """

    ours: str
    parts: tuple[int, ...] = ()

    @property
    def verdict(self) -> str:
        """Confirmed when all parts hold, refuted when all fail, partly confirmed when some hold, else not decidable."""
        if not self.parts:
            return UNMEASURED
        if min(self.parts) > 0:
            return CONFIRMED
        return PARTLY if max(self.parts) > 0 else UNDECIDED if 0 in self.parts else REFUTED


@dataclass(frozen=True)
class Claim:
    """One claim beside its measurements."""

    id: str
    link: str
    text: str
    published: str
    plain: Verdict
    fast: Verdict
    rule: str

    def contrary(self) -> bool:
        """Whether some part of the claim holds by one recipe and fails by the other."""
        return any(one * other < 0 for one, other in zip(self.plain.parts, self.fast.parts, strict=False))

    def settled(self) -> bool:
        """Whether some part is decided by the fast recipe alone."""
        return any(fast and not plain for plain, fast in zip(self.plain.parts, self.fast.parts, strict=False))


RULES: dict[str, tuple[str, Callable[[RecipeEvidence], Verdict]]] = {}


def rule(claim: str, words: str):
    """Register a rule: a function of a RecipeEvidence."""

    def register(function):
        RULES[claim] = (words, function)
        return function

    return register


def _share(found: Interval) -> str:
    """A share in per cent, with its interval."""
    return found.text(1, 100, "%")


def _points(found: Interval, more: str, less: str) -> str:
    """A difference of shares in percentage points."""
    return found.change(more, less, 1, 100, " points")


def _longer(found: Interval) -> str:
    """How much longer a step takes."""
    return found.change("longer", "shorter", 1, 100, "%")


@rule(
    "C1",
    "confirmed when the 15 nearest neighbours in the latent plane classify more than half of the held-out digits "
    "correctly, and 3 and 5 are, on average, among the five pairs (of 45) most often confused; partly when only one of the two holds",
)
def _clusters(side):
    knn, rank = side.runs.mean("baseline", "knn_accuracy"), side.runs.mean("baseline", "rank_of_3_and_5")
    place = ordinal(round(rank.mean))
    ours = f"kNN accuracy {_share(knn)}; 3 and 5 are the {place} most confused pair"
    return Verdict(ours, (knn.above(0.5), -rank.above(5.5)))


def _smooth(side, model):
    """Whether small steps in latent space change images little, and half a step much less."""
    change, halved = side.runs.mean(model, "step_change"), side.runs.mean(model, "step_exponent")
    ours = f"a step of 0.1 changes {_share(change)} of what random pairs differ by; exponent {halved.text()}"
    return Verdict(ours, (-change.above(SMALL_STEP), halved.above(1.5)))


SMOOTHNESS = (
    f"confirmed when a step of 0.1 in latent space changes the image by less than {SMALL_STEP:.0%} of the squared "
    "difference of two random samples, and the change grows with the step's length to a power above 1.5 (2: smooth; 1: "
    "jumps); partly when only one of the two holds"
)
rule("C2", SMOOTHNESS)(lambda side: _smooth(side, "baseline"))
rule("C21", SMOOTHNESS)(lambda side: _smooth(side, "10-D"))


@rule("C3", f"confirmed when the final training loss is within {RESOLUTION:g} nats of the published one")
def _baseline_loss(side):
    return Verdict(side.loss("baseline").text(), (side.near("baseline"),))


@rule(
    "C4",
    f"confirmed when the loss is within {RESOLUTION:g} nats of the published one and below the baseline's, and a step "
    "takes 32 % to 52 % longer; partly when only some of this holds",
)
def _deeper_loss(side):
    falls, longer = side.runs.difference("baseline", "deeper", "training_loss"), side.time("deeper")
    below = falls.change("below the baseline", "above the baseline")
    ours = f"{side.loss('deeper').text()}, {below}; a step takes {_longer(longer)}"
    return Verdict(ours, (side.near("deeper"), falls.sign, longer.between(0.32, 0.52)))


@rule("C5", "confirmed when both the held-out ELBO and the PSNR of held-out reconstructions rise; partly when one does")
def _deeper_held_out(side):
    elbo, psnr = (side.runs.difference("deeper", "baseline", measure) for measure in ("val_elbo", "psnr"))
    ours = f"ELBO {elbo.change('higher', 'lower', unit=' nats')}, PSNR {psnr.change('higher', 'lower', unit=' dB')}"
    return Verdict(ours, (elbo.sign, psnr.sign))


@rule(
    "C6",
    "confirmed when a digit's code is nearer to the nearest code of another class than in the baseline's plane, "
    "relative to the extent of the codes; refuted when it is farther",
)
def _congested(side):
    gap = side.runs.difference("baseline", "deeper", "class_gap")
    ours = gap.change("smaller", "larger", 2, 100, "% of the plane's extent")
    return Verdict(f"median distance {ours}", (gap.sign,))


@rule(
    "C7",
    f"confirmed when the loss is within {RESOLUTION:g} nats of the published one and above the baseline's, kNN accuracy "
    "in latent space falls, and a classifier recognises more than half of the samples with confidence; partly when "
    "only some of this holds",
)
def _one_dimension(side):
    rises = side.runs.difference("1-D", "baseline", "training_loss")
    mixes = side.runs.difference("baseline", "1-D", "knn_accuracy")
    clear = side.runs.mean("1-D", "prior_confident")
    ours = f"{side.loss('1-D').text()}; kNN accuracy {_points(mixes, 'lower', 'higher')}; {_share(clear)} of samples recognised"
    return Verdict(ours, (side.near("1-D"), rises.sign, mixes.sign, clear.above(0.5)))


@rule("C8", f"confirmed when a step of the 1-D and of the 10-D model takes as long as the baseline's within {SIMILAR_TIME:.0%}")
def _time_and_dimension(side):
    changes = {name: side.time(name) for name in ("1-D", "10-D")}
    ours = "; ".join(f"{name} {_longer(change)}" for name, change in changes.items())
    return Verdict(ours, (min(change.between(-SIMILAR_TIME, SIMILAR_TIME) for change in changes.values()),))


@rule(
    "C9",
    f"confirmed when the loss is at most {RESOLUTION:g} nats above the published one, and kNN accuracy in latent space "
    "exceeds both the 1-D and the 2-D model's; partly when only one of the two holds",
)
def _ten_dimensions(side):
    clearer = [side.runs.difference("10-D", name, "knn_accuracy") for name in ("baseline", "1-D")]
    low = -side.loss("10-D").above(published("10-D")["loss"] + RESOLUTION)
    ours = f"{side.loss('10-D').text()}; kNN accuracy {_points(clearer[0], 'higher', 'lower')} than 2-D's"
    return Verdict(ours, (low, min(gain.sign for gain in clearer)))


@rule(
    "C10",
    "confirmed when each of the ten axes holds more than half of the information about one digit against the rest; "
    "refuted when none does; partly between",
)
def _axis_per_digit(side):
    axes = side.runs.mean("10-D", "axes_of_one_digit")
    most = side.runs.mean("10-D", "axis_information_most")
    ours = f"{axes.text(1)} of 10 axes do; the best holds {_share(most)} of that about one digit"
    return Verdict(ours, (axes.above(9.5), axes.above(0.5)))


@rule("C11", "confirmed when the KL of the most used dimension is at least twice that of the least used")
def _unequal_use(side):
    least, most = (side.runs.mean("10-D", f"kl_{which}") for which in ("least", "most"))
    return Verdict(f"from {least.text()} to {most.text()} nats", (most.exceeds(least.scaled(2)),))


@rule(
    "C12",
    f"confirmed when the loss is within {RESOLUTION:g} nats of the published one and a step takes as long as the "
    f"baseline's within {SIMILAR_TIME:.0%}; partly when only one of the two holds",
)
def _squared_error(side):
    longer = side.time("squared error")
    ours = f"{side.loss('squared error').text()}; a step takes {_longer(longer)}"
    return Verdict(ours, (side.near("squared error"), longer.between(-SIMILAR_TIME, SIMILAR_TIME)))


@rule(
    "C13",
    "confirmed when the squared error of the 2-D model rises less between epochs, relative to its fall, than that of "
    "the 10-D model; refuted when it rises more",
)
def _steady(side):
    two, ten = side.roughness("squared error"), side.roughness("10-D, squared error")
    ours = f"rises by {_share(two)} of its fall, with ten dimensions by {_share(ten)}"
    return Verdict(ours, (ten.exceeds(two),))


@rule(
    "C14",
    f"confirmed when PSNR and SSIM of held-out reconstructions differ by at most {COMPARABLE['psnr']:g} dB and "
    f"{COMPARABLE['ssim']:g}; partly when only one of the two does",
)
def _comparable(side):
    changes = {name: side.runs.difference("squared error", "baseline", name) for name in COMPARABLE}
    ours = f"PSNR differs by {changes['psnr'].text()} dB, SSIM by {changes['ssim'].text(3)}"
    return Verdict(ours, tuple(change.between(-COMPARABLE[name], COMPARABLE[name]) for name, change in changes.items()))


@rule(
    "C15",
    "confirmed when the 15 nearest neighbours classify at least nine in ten of a digit's images correctly for at most "
    "five digits, and for fewer than in the baseline's plane; partly when the baseline separates as few",
)
def _few_features(side):
    few, before = (side.runs.mean(name, "classes_separated") for name in ("squared error", "baseline"))
    fewer = side.runs.difference("baseline", "squared error", "classes_separated")
    return Verdict(f"{few.text(1)} digits, the baseline {before.text(1)}", (-few.above(5.5), fewer.sign))


@rule("C16", "confirmed when the 2-D model has fewer trainable parameters than the 10-D model")
def _parameters(side):
    two, ten = (int(side.runs.mean(name, "parameters").mean) for name in ("baseline", "10-D"))
    return Verdict(f"{two:,} against {ten:,} (+{ten / two - 1:.1%})", (1 if two < ten else -1,))


@rule(
    "C17",
    "confirmed when its held-out ELBO exceeds that of every other cross-entropy model, refuted when another exceeds it "
    "(squared error is on another scale)",
)
def _best(side):
    leads = {name: side.runs.difference("10-D", name, "val_elbo") for name in ("baseline", "deeper", "1-D")}
    closest = min(leads, key=lambda name: leads[name].mean)
    ours = leads[closest].change("ahead of", "behind", unit=" nats")
    return Verdict(f"{ours} the next best, {closest}", (leads[closest].sign,))


@rule(
    "C18",
    "confirmed when a classifier recognises more than half of the digits that naive inpainting completes with "
    "confidence, and classifies some, but fewer than 95 %, correctly; partly when only one of the two holds",
)
def _plausible(side):
    clear, right = side.runs.mean("10-D", "naive_confident"), side.runs.mean("10-D", "naive_label_kept")
    ours = f"{_share(clear)} recognised with confidence, {_share(right)} classified correctly"
    return Verdict(ours, (clear.above(0.5), min(right.above(0), -right.above(0.95))))


@rule("C19", "confirmed when digits that the 10-D model completes are classified correctly more often, refuted when less often")
def _consistent(side):
    gain = side.runs.difference("10-D", "baseline", "naive_label_kept")
    return Verdict(f"classified correctly {_points(gain, 'more often', 'less often')}", (gain.sign,))


@rule(
    "C20",
    "confirmed when at most 1 % of the samples are copies: nearer to a training digit than half the distance to the "
    "second nearest",
)
def _novel(side):
    copies, ratio = side.runs.mean("10-D", "copies"), side.runs.mean("10-D", "nearest_ratio")
    ours = f"{_share(copies)} are copies; distance to the nearest {ratio.text()} times that of held-out reconstructions"
    return Verdict(ours, (-copies.above(0.01),))


@rule(
    "C22",
    "confirmed when a classifier recognises more samples of the prior with confidence than images of the "
    "independent-pixel baseline, each pixel drawn from its own values in the training digits",
)
def _recognisable(side):
    gain = side.runs.difference("10-D", "10-D", "prior_confident", against="noise_confident")
    read = _share(side.runs.mean("10-D", "prior_confident"))
    return Verdict(f"{read} recognised with confidence, {_points(gain, 'more', 'less')} than with independent pixels", (gain.sign,))


@rule(
    "C23",
    "confirmed when reconstructions with one and two dimensions are less sharp than with ten, and with 32 some "
    "dimensions are idle or the gap between training and test digits is wider than with ten; partly when one of the "
    "two holds",
)
def _choice(side):
    blurs = [side.runs.difference("10-D", few, "sharpness") for few in ("1-D", "baseline")]
    used = side.runs.mean("32-D", "active_units")
    gaps = [side.runs.difference(name, name, "train_elbo", against="val_elbo") for name in ("32-D", "10-D")]
    sharper = _points(blurs[1], "sharper", "less sharp")
    ours = f"{sharper} than 2-D; of 32 dimensions {used.text(1)} active; gap {gaps[0].text()} nats"
    waste = max(-used.above(31.5), gaps[0].exceeds(gaps[1]))
    return Verdict(ours, (min(blur.sign for blur in blurs), waste))


@rule(
    "C24",
    "confirmed when the squared error of naive filling, as a share of that of filling in the mean digit, is lower on "
    "training digits than on held-out ones, refuted when it is higher",
)
def _seen_digits(side):
    gain = side.runs.difference("10-D", "10-D", "naive_error", against="naive_error_training")
    return Verdict(f"the share is {_points(gain, 'lower', 'higher')} on training digits", (gain.sign,))


def _verdict(claim: str, side: RecipeEvidence) -> Verdict:
    """What a claim's rule finds."""
    try:
        return RULES[claim][1](side)
    except Missing as error:
        return Verdict(f"— ({error})")


def claim_rows(evidence: Evidence) -> list[Claim]:
    """All claims of the original report with our values and verdicts, in its order."""
    sides = evidence.by_recipe()
    return [
        Claim(**claim, rule=RULES[claim["id"]][0], **{name: _verdict(claim["id"], side) for name, side in sides.items()})
        for claim in claim_texts()
    ]


def _by_verdict(rows: list[Claim], form: str) -> dict[str, list[Claim]]:
    """The rows of each verdict that occurs."""
    found = {verdict: [row for row in rows if getattr(row, form).verdict == verdict] for verdict in VERDICTS}
    return {verdict: rows for verdict, rows in found.items() if rows}


def tally(rows: list[Claim], form: str) -> str:
    """How many verdicts of each kind: "14 confirmed, 3 refuted"."""
    return ", ".join(f"{len(found)} {verdict}" for verdict, found in _by_verdict(rows, form).items())


def listing(rows: list[Claim], form: str) -> str:
    """The same with the claims themselves, each a link to its section, in Markdown."""
    links = {row.id: f'[{row.id}]({row.link} "as it is")' for row in rows}
    return "; ".join(
        f"**{len(found)} {verdict}** ({', '.join(links[row.id] for row in found)})"
        for verdict, found in _by_verdict(rows, form).items()
    )
