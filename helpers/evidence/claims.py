"""The claims of the original report and their verdicts, by rules that are code.

A rule reads stored tables of measured runs, several seeds of each model, once of models trained as
the original trained them and once of those trained by this report's recipe; its words are in
claims.json. A part of a claim holds, or fails, where the whole 95 % confidence interval over seeds
says so; two models differ where that of their paired difference excludes zero.
"""

from functools import partial
from pathlib import Path
from typing import NamedTuple

from helpers import paths
from helpers.evidence.published import CLAIMS, published
from helpers.evidence.statistics import Evidence, Interval, Missing, RecipeEvidence
from helpers.evidence.wording import RESOLUTION, ordinal

SIMILAR_TIME = 0.10  # training times within 10 % count as "about the same"
SMALL_STEP = 0.05  # of the change between random images: less is a small change
COMPARABLE = {"psnr": 1.0, "ssim": 0.05}  # dB, and units of the index: hardly visible differences
LIMITS = {"resolution": RESOLUTION, "similar": SIMILAR_TIME, "small": SMALL_STEP} | COMPARABLE
CONFIRMED, REFUTED, PARTLY = "confirmed", "refuted", "partly confirmed"
UNDECIDED, UNMEASURED = "not decidable", "not measured yet"
VERDICTS = (CONFIRMED, PARTLY, REFUTED, UNDECIDED, UNMEASURED)


class Verdict(NamedTuple):
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


class Claim(NamedTuple):
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
        return any(p * f < 0 for p, f in zip(self.plain.parts, self.fast.parts, strict=False))

    def settled(self) -> bool:
        """Whether some part is decided by the fast recipe alone."""
        return any(f and not p for p, f in zip(self.plain.parts, self.fast.parts, strict=False))


_share = partial(Interval.text, decimals=1, scale=100, unit="%")
_points = partial(Interval.change, decimals=1, scale=100, unit=" points")
_longer = partial(Interval.change, more="longer", less="shorter", decimals=1, scale=100, unit="%")


class Rules:
    """The rules for models of one recipe; a method's name begins with the number of its claim.

    Each gives the two fields of a Verdict, or raises Missing.
    """

    def __init__(self, side: RecipeEvidence) -> None:
        self.side, self.loss, self.near, self.time = side, side.loss, side.near, side.time
        self.mean, self.difference = side.runs.mean, side.runs.difference

    def c1_clusters(self):
        knn, rank = (self.mean("baseline", name) for name in ("knn_accuracy", "rank_of_3_and_5"))
        ours = f"kNN accuracy {_share(knn)}; 3 and 5 are the {ordinal(round(rank.mean))} most"
        return f"{ours} confused pair", (knn.above(0.5), -rank.above(5.5))

    def c2_smooth(self, model="baseline"):
        change, power = (self.mean(model, f"step_{part}") for part in ("change", "exponent"))
        ours = f"a step of 0.1 changes {_share(change)} of what random pairs differ by"
        parts = -change.above(SMALL_STEP), power.above(1.5)
        return f"{ours}; exponent {power.text()}", parts

    def c3_baseline_loss(self):
        return self.loss("baseline").text(), (self.near("baseline"),)

    def c4_deeper_loss(self):
        falls, longer = self.difference("baseline", "deeper", "training_loss"), self.time("deeper")
        below = falls.change("below the baseline", "above the baseline")
        ours = f"{self.loss('deeper').text()}, {below}; a step takes {_longer(longer)}"
        return ours, (self.near("deeper"), falls.sign, longer.between(0.32, 0.52))

    def c5_deeper_held_out(self):
        elbo, psnr = (self.difference("deeper", "baseline", name) for name in ("val_elbo", "psnr"))
        ours = f"ELBO {elbo.change('higher', 'lower', unit=' nats')}"
        return f"{ours}, PSNR {psnr.change('higher', 'lower', unit=' dB')}", (elbo.sign, psnr.sign)

    def c6_congested(self):
        gap = self.difference("baseline", "deeper", "class_gap")
        ours = gap.change("smaller", "larger", 2, 100, "% of the plane's extent")
        return f"median distance {ours}", (gap.sign,)

    def c7_one_dimension(self):
        rises = self.difference("1-D", "baseline", "training_loss")
        mixes = self.difference("baseline", "1-D", "knn_accuracy")
        clear = self.mean("1-D", "prior_confident")
        ours = f"{self.loss('1-D').text()}; kNN accuracy {_points(mixes, 'lower', 'higher')}"
        parts = self.near("1-D"), rises.sign, mixes.sign, clear.above(0.5)
        return f"{ours}; {_share(clear)} of samples recognised", parts

    def c8_time_and_dimension(self):
        changes = {name: self.time(name) for name in ("1-D", "10-D")}
        similar = min(each.between(-SIMILAR_TIME, SIMILAR_TIME) for each in changes.values())
        return "; ".join(f"{name} {_longer(each)}" for name, each in changes.items()), (similar,)

    def c9_ten_dimensions(self):
        clearer = [self.difference("10-D", few, "knn_accuracy") for few in ("baseline", "1-D")]
        loss = self.loss("10-D")
        low = -loss.above(published("10-D")["loss"] + RESOLUTION)
        ours = f"{loss.text()}; kNN accuracy {_points(clearer[0], 'higher', 'lower')} than 2-D's"
        return ours, (low, min(gain.sign for gain in clearer))

    def c10_axis_per_digit(self):
        axes = self.mean("10-D", "axes_of_one_digit")
        most = _share(self.mean("10-D", "axis_information_most"))
        ours = f"{axes.text(1)} of 10 axes do; the best holds {most} of that about one digit"
        return ours, (axes.above(9.5), axes.above(0.5))

    def c11_unequal_use(self):
        least, most = self.mean("10-D", "kl_least"), self.mean("10-D", "kl_most")
        return f"from {least.text()} to {most.text()} nats", (most.above(least.scaled(2)),)

    def c12_squared_error(self):
        longer = self.time("squared error")
        ours = f"{self.loss('squared error').text()}; a step takes {_longer(longer)}"
        return ours, (self.near("squared error"), longer.between(-SIMILAR_TIME, SIMILAR_TIME))

    def c13_steady(self):
        two, ten = (self.side.roughness(name) for name in ("squared error", "10-D, squared error"))
        ours = f"rises by {_share(two)} of its fall, with ten dimensions by {_share(ten)}"
        return ours, (ten.above(two),)

    def c14_comparable(self):
        psnr, ssim = (self.difference("squared error", "baseline", name) for name in COMPARABLE)
        limits = zip((psnr, ssim), COMPARABLE.values(), strict=True)
        parts = tuple(change.between(-limit, limit) for change, limit in limits)
        return f"PSNR differs by {psnr.text()} dB, SSIM by {ssim.text(3)}", parts

    def c15_few_features(self):
        measure, models = "classes_separated", ("squared error", "baseline")
        few, before = (self.mean(name, measure) for name in models)
        parts = -few.above(5.5), -self.difference(*models, measure).sign
        return f"{few.text(1)} digits, the baseline {before.text(1)}", parts

    def c16_parameters(self):
        two, ten = (int(self.mean(name, "parameters").mean) for name in ("baseline", "10-D"))
        return f"{two:,} against {ten:,} (+{ten / two - 1:.1%})", (1 if two < ten else -1,)

    def c17_best(self):
        others = ("baseline", "deeper", "1-D")
        leads = {name: self.difference("10-D", name, "val_elbo") for name in others}
        closest = min(leads, key=lambda name: leads[name].mean)
        ours = leads[closest].change("ahead of", "behind", unit=" nats")
        return f"{ours} the next best, {closest}", (leads[closest].sign,)

    def c18_plausible(self):
        clear, right = (self.mean("10-D", f"naive_{name}") for name in ("confident", "label_kept"))
        ours = f"{_share(clear)} recognised with confidence, {_share(right)} classified correctly"
        return ours, (clear.above(0.5), min(right.above(0), -right.above(0.95)))

    def c19_consistent(self):
        gain = self.difference("10-D", "baseline", "naive_label_kept")
        return f"classified correctly {_points(gain, 'more often', 'less often')}", (gain.sign,)

    def c20_novel(self):
        copies, ratio = self.mean("10-D", "copies"), self.mean("10-D", "nearest_ratio")
        ours = f"{_share(copies)} are copies; distance to the nearest {ratio.text()} times that of"
        return f"{ours} held-out reconstructions", (-copies.above(0.01),)

    def c21_small_steps(self):
        return self.c2_smooth("10-D")

    def c22_recognisable(self):
        gain = self.difference("10-D", "10-D", "prior_confident", against="noise_confident")
        clear = _share(self.mean("10-D", "prior_confident"))
        ours = f"{clear} recognised with confidence, {_points(gain, 'more', 'less')} than"
        return f"{ours} with independent pixels", (gain.sign,)

    def c23_choice(self):
        blurs = [self.difference("10-D", few, "sharpness") for few in ("1-D", "baseline")]
        used = self.mean("32-D", "active_units")
        many, ten = (self.difference(d, d, "train_elbo", "val_elbo") for d in ("32-D", "10-D"))
        ours = f"{_points(blurs[1], 'sharper', 'less sharp')} than 2-D; of 32 dimensions"
        parts = min(blur.sign for blur in blurs), max(-used.above(31.5), many.above(ten))
        return f"{ours} {used.text(1)} active; gap {many.text()} nats", parts

    def c24_seen_digits(self):
        gain = self.difference("10-D", "10-D", "naive_error", against="naive_error_training")
        return f"the share is {_points(gain, 'lower', 'higher')} on training digits", (gain.sign,)


def claim_rows(evidence: Evidence, notebooks: Path = paths.NOTEBOOKS) -> list[Claim]:
    """All claims of the original report with our values and verdicts, in its order.

    A link leads to the notebook that examines the claim or, where that is gone, to their chapter.
    """
    rules, claims = {name.split("_")[0].upper(): rule for name, rule in vars(Rules).items()}, []
    for stated in CLAIMS["claims"]:
        found = {}
        for form, side in evidence.by_recipe().items():
            try:
                found[form] = Verdict(*rules[stated["id"]](Rules(side)))
            except Missing as error:
                found[form] = Verdict(f"— ({error})")
        link = stated["link"] if (notebooks / stated["link"]).exists() else "08_claims.ipynb"
        about = {"link": link, "rule": stated["rule"].format(**LIMITS)}
        claims.append(Claim(**stated | about | found))
    return claims


def tally(claims: list[Claim], form: str, links: bool = False) -> str:
    """How many verdicts of each kind: "14 confirmed, 3 refuted".

    links: in Markdown, with the claims themselves, each a link to its section.
    """
    parts = []
    for verdict in VERDICTS:
        those = [claim for claim in claims if getattr(claim, form).verdict == verdict]
        named = ", ".join(f'[{claim.id}]({claim.link} "as it is")' for claim in those)
        if those:
            count = f"{len(those)} {verdict}"
            parts.append(f"**{count}** ({named})" if links else count)
    return ("; " if links else ", ").join(parts)
