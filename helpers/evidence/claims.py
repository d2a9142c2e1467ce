"""The claims of the original report and their verdicts, by rules that are code.

A rule reads stored tables of measured runs, several seeds of each model, once of models trained as
the original trained them and once of those trained by this report's recipe; its words are in
claims.json. A part of a claim holds, or fails, where the whole 95 % confidence interval over seeds
says so; two models differ where that of their paired difference excludes zero.
"""

from collections.abc import Callable
from dataclasses import dataclass

from helpers.evidence.published import claims_file, published
from helpers.evidence.statistics import Evidence, Interval, Missing, RecipeEvidence
from helpers.evidence.wording import RESOLUTION, ordinal

SIMILAR_TIME = 0.10  # training times within 10 % count as "about the same"
SMALL_STEP = 0.05  # of the change between random images: less is a small change
COMPARABLE = {"psnr": 1.0, "ssim": 0.05}  # dB, and units of the index: hardly visible differences
LIMITS = {"resolution": RESOLUTION, "similar": SIMILAR_TIME, "small": SMALL_STEP} | COMPARABLE
CONFIRMED, REFUTED, PARTLY = "confirmed", "refuted", "partly confirmed"
UNDECIDED, UNMEASURED = "not decidable", "not measured yet"
VERDICTS = (CONFIRMED, PARTLY, REFUTED, UNDECIDED, UNMEASURED)


@dataclass(frozen=True)
class Verdict:
    """What a rule finds: our value and, of each part, 1 (it holds), -1 (it fails) or 0 (open)."""

    ours: str
    parts: tuple[int, ...] = ()

    @property
    def verdict(self) -> str:
        """Confirmed when all parts hold, refuted when all fail, partly confirmed when some hold."""
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
    rule: str
    plain: Verdict
    fast: Verdict

    def contrary(self) -> bool:
        """Whether some part of the claim holds by one recipe and fails by the other."""
        pairs = zip(self.plain.parts, self.fast.parts, strict=False)
        return any(plain * fast < 0 for plain, fast in pairs)

    def settled(self) -> bool:
        """Whether some part is decided by the fast recipe alone."""
        pairs = zip(self.plain.parts, self.fast.parts, strict=False)
        return any(fast and not plain for plain, fast in pairs)


Rule = Callable[[RecipeEvidence], Verdict]
RULES: dict[str, Rule] = {}


def rule(claim: str) -> Callable[[Rule], Rule]:
    """Register the rule of a claim."""

    def register(function: Rule) -> Rule:
        RULES[claim] = function
        return function

    return register


def _share(found: Interval) -> str:
    return found.text(1, 100, "%")


def _points(found: Interval, more: str, less: str) -> str:
    return found.change(more, less, 1, 100, " points")


def _longer(found: Interval) -> str:
    return found.change("longer", "shorter", 1, 100, "%")


@rule("C1")
def _clusters(side):
    knn = side.runs.mean("baseline", "knn_accuracy")
    rank = side.runs.mean("baseline", "rank_of_3_and_5")
    place = ordinal(round(rank.mean))
    ours = f"kNN accuracy {_share(knn)}; 3 and 5 are the {place} most confused pair"
    return Verdict(ours, (knn.above(0.5), -rank.above(5.5)))


def _smooth(side, model):
    """Whether small steps in latent space change images little, and half a step much less."""
    change, halved = (side.runs.mean(model, f"step_{part}") for part in ("change", "exponent"))
    share = f"a step of 0.1 changes {_share(change)} of what random pairs differ by"
    parts = (-change.above(SMALL_STEP), halved.above(1.5))
    return Verdict(f"{share}; exponent {halved.text()}", parts)


rule("C2")(lambda side: _smooth(side, "baseline"))
rule("C21")(lambda side: _smooth(side, "10-D"))


@rule("C3")
def _baseline_loss(side):
    return Verdict(side.loss("baseline").text(), (side.near("baseline"),))


@rule("C4")
def _deeper_loss(side):
    falls = side.runs.difference("baseline", "deeper", "training_loss")
    below, longer = falls.change("below the baseline", "above the baseline"), side.time("deeper")
    ours = f"{side.loss('deeper').text()}, {below}; a step takes {_longer(longer)}"
    return Verdict(ours, (side.near("deeper"), falls.sign, longer.between(0.32, 0.52)))


@rule("C5")
def _deeper_held_out(side):
    elbo, psnr = (side.runs.difference("deeper", "baseline", name) for name in ("val_elbo", "psnr"))
    gains = (gain.change("higher", "lower", unit=u) for gain, u in ((elbo, " nats"), (psnr, " dB")))
    return Verdict("ELBO {}, PSNR {}".format(*gains), (elbo.sign, psnr.sign))


@rule("C6")
def _congested(side):
    gap = side.runs.difference("baseline", "deeper", "class_gap")
    ours = gap.change("smaller", "larger", 2, 100, "% of the plane's extent")
    return Verdict(f"median distance {ours}", (gap.sign,))


@rule("C7")
def _one_dimension(side):
    rises = side.runs.difference("1-D", "baseline", "training_loss")
    mixes = side.runs.difference("baseline", "1-D", "knn_accuracy")
    clear = side.runs.mean("1-D", "prior_confident")
    ours = f"{side.loss('1-D').text()}; kNN accuracy {_points(mixes, 'lower', 'higher')}"
    parts = (side.near("1-D"), rises.sign, mixes.sign, clear.above(0.5))
    return Verdict(f"{ours}; {_share(clear)} of samples recognised", parts)


@rule("C8")
def _time_and_dimension(side):
    changes = {name: side.time(name) for name in ("1-D", "10-D")}
    ours = "; ".join(f"{name} {_longer(change)}" for name, change in changes.items())
    similar = min(change.between(-SIMILAR_TIME, SIMILAR_TIME) for change in changes.values())
    return Verdict(ours, (similar,))


@rule("C9")
def _ten_dimensions(side):
    clearer = [side.runs.difference("10-D", name, "knn_accuracy") for name in ("baseline", "1-D")]
    loss = side.loss("10-D")
    low = -loss.above(published("10-D")["loss"] + RESOLUTION)
    ours = f"{loss.text()}; kNN accuracy {_points(clearer[0], 'higher', 'lower')} than 2-D's"
    return Verdict(ours, (low, min(gain.sign for gain in clearer)))


@rule("C10")
def _axis_per_digit(side):
    axes = side.runs.mean("10-D", "axes_of_one_digit")
    most = side.runs.mean("10-D", "axis_information_most")
    ours = f"{axes.text(1)} of 10 axes do; the best holds {_share(most)} of that about one digit"
    return Verdict(ours, (axes.above(9.5), axes.above(0.5)))


@rule("C11")
def _unequal_use(side):
    least, most = (side.runs.mean("10-D", f"kl_{which}") for which in ("least", "most"))
    ours = f"from {least.text()} to {most.text()} nats"
    return Verdict(ours, (most.exceeds(least.scaled(2)),))


@rule("C12")
def _squared_error(side):
    longer = side.time("squared error")
    ours = f"{side.loss('squared error').text()}; a step takes {_longer(longer)}"
    return Verdict(ours, (side.near("squared error"), longer.between(-SIMILAR_TIME, SIMILAR_TIME)))


@rule("C13")
def _steady(side):
    two, ten = side.roughness("squared error"), side.roughness("10-D, squared error")
    ours = f"rises by {_share(two)} of its fall, with ten dimensions by {_share(ten)}"
    return Verdict(ours, (ten.exceeds(two),))


@rule("C14")
def _comparable(side):
    psnr, ssim = (side.runs.difference("squared error", "baseline", name) for name in COMPARABLE)
    ours = f"PSNR differs by {psnr.text()} dB, SSIM by {ssim.text(3)}"
    limits = zip((psnr, ssim), COMPARABLE.values(), strict=True)
    return Verdict(ours, tuple(change.between(-limit, limit) for change, limit in limits))


@rule("C15")
def _few_features(side):
    measure, models = "classes_separated", ("squared error", "baseline")
    few, before = (side.runs.mean(name, measure) for name in models)
    ours = f"{few.text(1)} digits, the baseline {before.text(1)}"
    return Verdict(ours, (-few.above(5.5), -side.runs.difference(*models, measure).sign))


@rule("C16")
def _parameters(side):
    two, ten = (int(side.runs.mean(name, "parameters").mean) for name in ("baseline", "10-D"))
    return Verdict(f"{two:,} against {ten:,} (+{ten / two - 1:.1%})", (1 if two < ten else -1,))


@rule("C17")
def _best(side):
    others = ("baseline", "deeper", "1-D")
    leads = {name: side.runs.difference("10-D", name, "val_elbo") for name in others}
    closest = min(leads, key=lambda name: leads[name].mean)
    ours = leads[closest].change("ahead of", "behind", unit=" nats")
    return Verdict(f"{ours} the next best, {closest}", (leads[closest].sign,))


@rule("C18")
def _plausible(side):
    clear, right = (side.runs.mean("10-D", f"naive_{n}") for n in ("confident", "label_kept"))
    ours = f"{_share(clear)} recognised with confidence, {_share(right)} classified correctly"
    return Verdict(ours, (clear.above(0.5), min(right.above(0), -right.above(0.95))))


@rule("C19")
def _consistent(side):
    gain = side.runs.difference("10-D", "baseline", "naive_label_kept")
    ours = f"classified correctly {_points(gain, 'more often', 'less often')}"
    return Verdict(ours, (gain.sign,))


@rule("C20")
def _novel(side):
    copies, ratio = side.runs.mean("10-D", "copies"), side.runs.mean("10-D", "nearest_ratio")
    ours = f"{_share(copies)} are copies; distance to the nearest {ratio.text()} times that of"
    return Verdict(f"{ours} held-out reconstructions", (-copies.above(0.01),))


@rule("C22")
def _recognisable(side):
    gain = side.runs.difference("10-D", "10-D", "prior_confident", against="noise_confident")
    clear = _share(side.runs.mean("10-D", "prior_confident"))
    ours = f"{clear} recognised with confidence, {_points(gain, 'more', 'less')} than"
    return Verdict(f"{ours} with independent pixels", (gain.sign,))


@rule("C23")
def _choice(side):
    blurs = [side.runs.difference("10-D", few, "sharpness") for few in ("1-D", "baseline")]
    used = side.runs.mean("32-D", "active_units")
    sets = ("train_elbo", "val_elbo")
    many, ten = (side.runs.difference(name, name, *sets) for name in ("32-D", "10-D"))
    ours = f"{_points(blurs[1], 'sharper', 'less sharp')} than 2-D; of 32 dimensions {used.text(1)}"
    parts = (min(blur.sign for blur in blurs), max(-used.above(31.5), many.exceeds(ten)))
    return Verdict(f"{ours} active; gap {many.text()} nats", parts)


@rule("C24")
def _seen_digits(side):
    gain = side.runs.difference("10-D", "10-D", "naive_error", against="naive_error_training")
    ours = f"the share is {_points(gain, 'lower', 'higher')} on training digits"
    return Verdict(ours, (gain.sign,))


def claim_rows(evidence: Evidence) -> list[Claim]:
    """All claims of the original report with our values and verdicts, in its order."""
    claims = []
    for stated in claims_file()["claims"]:
        found = {}
        for form, side in evidence.by_recipe().items():
            try:
                found[form] = RULES[stated["id"]](side)
            except Missing as error:
                found[form] = Verdict(f"— ({error})")
        claims.append(Claim(**stated | found | {"rule": stated["rule"].format(**LIMITS)}))
    return claims


def _by_verdict(claims: list[Claim], form: str) -> dict[str, list[Claim]]:
    """The claims of each verdict that occurs."""
    found = {v: [claim for claim in claims if getattr(claim, form).verdict == v] for v in VERDICTS}
    return {verdict: those for verdict, those in found.items() if those}


def tally(claims: list[Claim], form: str) -> str:
    """How many verdicts of each kind: "14 confirmed, 3 refuted"."""
    return ", ".join(f"{len(those)} {v}" for v, those in _by_verdict(claims, form).items())


def listing(claims: list[Claim], form: str) -> str:
    """The same with the claims themselves, each a link to its section, in Markdown."""
    parts = []
    for verdict, those in _by_verdict(claims, form).items():
        links = ", ".join(f'[{claim.id}]({claim.link} "as it is")' for claim in those)
        parts.append(f"**{len(those)} {verdict}** ({links})")
    return "; ".join(parts)
