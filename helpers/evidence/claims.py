"""The claims of the original report and their verdicts, by rules that were fixed before the runs.

A rule gives the parts of a claim, each a finding with its p-values (see `findings`); its words are
in claims.json. Models trained as the original trained them, by this report's recipe, and by that on
Fashion-MNIST are judged apart: each is a family of its own for the correction of p-values.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import partial, wraps
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import studentized_range

from helpers import paths
from helpers.evidence import findings
from helpers.evidence.findings import Finding, Part, all_of, any_of, judge
from helpers.evidence.published import CLAIMS, published
from helpers.evidence.statistics import Column, Evidence, Missing, RecipeEvidence, Runs

LIMITS = {  # margins; their reasons stand in claims.json
    "half": 0.5, "pair": 10, "exponent": 1.5, "similar": 0.10, "clear": 0.10, "axis": 0.5,
    "sometimes": 0.10, "psnr": 1.0, "ssim": 0.05, "few": 3, "always": 0.95, "chance": 0.10,
    "copies": 0.01, "found": 0.90, "idle": 0.1,
}  # fmt: skip
STEP = 0.1  # length of the latent step whose change is measured
TEST, SAMPLES, IMAGES = 10_000, 3_000, 1_000  # images behind the shares of metrics.suite
RANGE = float(studentized_range.ppf(0.95, 10, np.inf)) / np.sqrt(2)  # of ten equal dimensions
DEEPER_10D = "deeper 10-D"  # the label of the deeper architecture with ten dimensions
LOSS = Column("training loss", "training_loss", 2, unit=" nats")
ELBO = Column("held-out ELBO", "val_elbo", 2, unit=" nats")
PSNR, SSIM = Column("PSNR", "psnr", 2, unit=" dB"), Column("SSIM", "ssim", 3)
KNN = Column("kNN accuracy", "knn_accuracy", 1, 100, "%")
CLEAR = Column("samples recognised with confidence", "prior_confident", 1, 100, "%")
DECODED = Column("decoded images classified correctly", "decoded_label_kept", 1, 100, "%")
SHARP = Column("sharpness", "sharpness", 1, 100, "%")
GAP = Column("lead of training images", "train_elbo", 2, unit=" nats", against="val_elbo")
UNSEEN = Column("excess error on unseen images", "naive_error", 1, 100, "%", "naive_error_training")
CONFIRMED, REFUTED, PARTLY = "confirmed", "refuted", "partly confirmed"
UNDECIDED, UNMEASURED, OUTSIDE = "not decidable", "not measured yet", "does not apply"
VERDICTS = (CONFIRMED, PARTLY, REFUTED, UNDECIDED, UNMEASURED, OUTSIDE)
FORMS = {"plain": "as published", "fast": "fast recipe", "fashion": "Fashion-MNIST, fast recipe"}


class Verdict(NamedTuple):
    """What a rule finds, part by part."""

    parts: tuple[Part, ...] = ()

    @property
    def signs(self) -> list[int]:
        """Of each part, 1 (it holds), -1 (it fails) or 0 (open)."""
        return [part.sign for part in self.parts]

    @property
    def verdict(self) -> str:
        """Confirmed when all parts hold, refuted when all fail, partly confirmed when some hold."""
        if not self.parts:
            return OUTSIDE
        if not all(part.finding.measured for part in self.parts):
            return UNMEASURED
        if min(self.signs) > 0:
            return CONFIRMED
        return PARTLY if max(self.signs) > 0 else UNDECIDED if 0 in self.signs else REFUTED

    @property
    def ours(self) -> str:
        """The parts in words, lettered where there are several."""
        said = list(dict.fromkeys(part.text for part in self.parts))
        if not said:
            return "— (a statement about the published protocol, or about MNIST)"
        if len(said) == 1:
            return said[0]
        return " ".join(f"({chr(97 + i)}) {text}." for i, text in enumerate(said))


class Claim(NamedTuple):
    """One claim beside its measurements; words: hypothesis, measure, test, margin, outcomes."""

    id: str
    link: str
    text: str
    published: str
    words: dict[str, str]
    plain: Verdict
    fast: Verdict
    fashion: Verdict

    def contrary(self) -> bool:
        """Whether some part of the claim holds by one recipe and fails by the other."""
        return any(p * f < 0 for p, f in self._common())

    def settled(self) -> bool:
        """Whether some part is decided by the fast recipe alone."""
        return any(f and not p for p, f in self._common())

    def _common(self) -> list[tuple[int, int]]:
        """Signs of the parts that both recipes have: those of the protocol alone come first."""
        plain, fast = self.plain.signs, self.fast.signs
        return list(zip(plain[len(plain) - len(fast) :], fast, strict=True)) if fast else []


def _measured(question: Callable[..., Finding]) -> Callable[..., Finding]:
    """A question that finds nothing, and says what is lacking, where no run has stored it."""

    @wraps(question)
    def asked(*args: Any, **options: Any) -> Finding:
        try:
            return question(*args, **options)
        except Missing as error:
            return Finding(f"— ({error})", measured=False)

    return asked


class Questions:
    """What the rules ask of the runs of one recipe and data set."""

    def __init__(self, side: RecipeEvidence) -> None:
        self.side, self.runs, self.steps = side, side.runs, side.steps
        self.mnist = side.dataset == "mnist"
        self.original = self.mnist and side.form == "plain"

    def _values(self, model: str, column: Column, runs: Runs):
        """A measure by seed, and which of these runs have lost a latent dimension."""
        values = runs.lead(model, column.measure, column.against)
        return values, runs.collapsed(model).reindex(values.index, fill_value=False)

    @_measured
    def above(self, model: str, column: Column, limit: float, trials: int = 0) -> Finding:
        """Whether a model's mean is above a limit; trials: images behind a share."""
        values, lost = self._values(model, column, self.runs)
        return findings.above(values, limit, column, trials, lost)

    def below(self, model: str, column: Column, limit: float, trials: int = 0) -> Finding:
        """Whether a model's mean is below a limit."""
        return self.above(model, column, limit, trials).reversed()

    @_measured
    def higher(self, first: str, second: str, column: Column, *runs: Runs) -> Finding:
        """Whether the first model's mean exceeds the second's; runs: of each, else `self.runs`."""
        one, other = runs or (self.runs, self.runs)
        left, right = self._values(first, column, one), self._values(second, column, other)
        heaps = one.heaps(first) or other.heaps(second)
        return findings.higher(left[0], right[0], column, (left[1], right[1]), heaps)

    @_measured
    def alike(self, first: str, second: str, column: Column, margin: float) -> Finding:
        """Whether the means of two models differ by less than a margin."""
        one, other = (self._values(model, column, self.runs)[0] for model in (first, second))
        return findings.alike(one, other, margin, column)

    def lower_loss(self, first: str, second: str) -> Finding:
        """Whether the first model's training loss is below the second's, by the same protocol."""
        runs = self.side.whole if self.original else self.runs
        title = f"training loss, {second} less {first},"
        return self.higher(second, first, LOSS._replace(title=title), runs, runs)

    @_measured
    def checked(self, found: Finding, model: str, control: str, blind: Callable, why: str):
        """A finding beside its control; open where that shows that the measure is blind."""
        value = self.runs.mean(model, control).mean
        if found.measured:
            found = found._replace(says=f"{found.says}; its control {value:.2f}")
        return found._replace(holds=1.0, fails=1.0, why=why) if blind(value) else found

    def beside(self, found: Finding, title: str, *difference: str) -> Finding:
        """A finding with a difference, of `Runs.difference`, that is told and not judged."""
        with suppress(Missing):
            value = self.runs.difference(*difference).text(1, 100, "%")
            return found._replace(says=f"{found.says}; not judged: {title} {value}")
        return found

    def returns(self, model: str, used: int | None = None) -> list[Finding]:
        """Whether the published loss could be a run of ours: where the protocol is the published.

        used: latent dimensions that the published run used, where its figures show it.
        """
        return [self._returns(model, used)] if self.original else []

    @_measured
    def _returns(self, model: str, used: int | None) -> Finding:
        losses, active = self.side.whole.values(model, LOSS.measure), self.side.whole.active(model)
        others = [published(name)["loss"] for name in CLAIMS["models"] if name != model]
        rivals = [] if model == "squared error" else [x for x in others if x > 100]
        common = losses.index.intersection(active.index)
        paper = published(model)["loss"]
        return findings.returns(losses[common], active[common], paper, used, rivals)

    def time(self, test: Callable[..., Finding], *models: str, measure: str = "seconds_per_step",
             name: str = "step of {}") -> list[Finding]:  # fmt: skip
        """Times of models against the baseline's of the same rounds; they are MNIST's alone."""
        each = [self._time(test, model, measure, name.format(model)) for model in models]
        return [all_of(*each)] if self.mnist else []

    @_measured
    def _time(self, test: Callable[..., Finding], model: str, measure: str, name: str) -> Finding:
        own, base = (self.steps.values(each, measure) for each in (model, "baseline"))
        rounds = own.index.intersection(base.index)
        return test(own[rounds], base[rounds], name=name)


AS_LONG = partial(findings.as_long, margin=LIMITS["similar"])


class Rules(Questions):
    """The rules; a method's name begins with the number of its claim, and gives its parts."""

    def c1_clusters(self):
        rank = Column("place of 3 and 5 among the 45 pairs", "rank_of_3_and_5", 1)
        parts = [self.above("baseline", KNN, LIMITS["half"], TEST)]
        return parts + [self.below("baseline", rank, LIMITS["pair"] + 0.5)] * self.mnist

    def c2_smooth(self, model="baseline", dimensions=2):
        limit, power = STEP / np.sqrt(2 * dimensions), LIMITS["exponent"]
        change = self.below(model, Column("change by a step", "step_change", 2, 100, "%"), limit)
        exponent = self.above(model, Column("exponent", "step_exponent"), power)
        why = "the control passes too, so that this measure cannot tell"
        return [
            self.checked(change, model, "step_control_change", lambda x: x < limit, why),
            self.checked(exponent, model, "step_control_exponent", lambda x: x > power, why),
        ]

    def c3_baseline_loss(self):
        return self.returns("baseline", 2)

    def c4_deeper_loss(self):
        lower = self.lower_loss("deeper", "baseline")
        return [*self.returns("deeper", 2), lower, *self.time(findings.longer, "deeper")]

    def c5_deeper_held_out(self):
        hard = Column("ELBO of hard less that of easy digits", "elbo_hard", 2, unit=" nats",
                      against="elbo_easy")  # fmt: skip
        return [self.higher("deeper", "baseline", column) for column in (ELBO, PSNR, hard)]

    def c6_congested(self):
        pairs = ((DEEPER_10D, "deeper"), ("deeper", "baseline"))
        return [self.higher(*pair, KNN) for pair in pairs]

    def c7_one_dimension(self):
        lead = CLEAR._replace(title="samples recognised less noise", against="noise_confident")
        return [
            *self.returns("1-D", 1), self.lower_loss("baseline", "1-D"),
            self.higher("baseline", "1-D", KNN), self.above("1-D", lead, LIMITS["clear"]),
        ]  # fmt: skip

    def c8_time_and_dimension(self):
        models, counted = ("1-D", "10-D"), {"measure": "floor_seconds", "name": "arithmetic of {}"}
        return self.time(AS_LONG, *models, **counted) + self.time(AS_LONG, *models)

    def c9_ten_dimensions(self):
        clearer = all_of(*(self.higher("10-D", few, KNN) for few in ("baseline", "1-D")))
        return [*self.returns("10-D"), self.lower_loss("10-D", "baseline"), clearer]

    def c10_axis_per_digit(self):
        best = Column("most that an axis tells of a class", "axis_information_most", 1, 100, "%")
        axes = Column("axes that tell more than half of one", "axes_of_one_digit", 1)
        return [self.above("10-D", best, LIMITS["axis"]), self.above("10-D", axes, 9.5)]

    @_measured
    def _unequal(self) -> Finding:
        most, least, error = (self.runs.values("10-D", name)
                              for name in ("kl_most", "kl_least", "kl_range_error"))  # fmt: skip
        beyond = (most - least - RANGE * error).dropna()
        title = f"KL of the most less that of the least used, less {RANGE:.1f} standard errors"
        return findings.above(beyond, 0, Column(title, "", 3, unit=" nats"))

    def c11_unequal_use(self):
        return [self._unequal()]

    def c12_squared_error(self):
        return [*self.returns("squared error"), *self.time(AS_LONG, "squared error")]

    @_measured
    def _smoother(self) -> Finding:
        two, ten = map(self.side.roughnesses, ("squared error", "10-D, squared error"))
        n = min(len(two), len(ten))
        hits = sum(a < b for a, b in zip(two, ten, strict=False))
        return findings.often(hits, n, LIMITS["sometimes"], "the 2-D course is the smoother one")

    def c13_steady(self):
        return [self._smoother()]

    def c14_comparable(self):
        return [self.alike("squared error", "baseline", column, LIMITS[column.measure])
                for column in (PSNR, SSIM)]  # fmt: skip

    def c15_few_features(self):
        classes = Column("classes that are separated", "classes_separated", 1)
        return [self.below("squared error", classes, LIMITS["few"] + 0.5)]

    @_measured
    def _fewer(self) -> Finding:
        two, ten = (int(self.runs.mean(each, "parameters").mean) for each in ("baseline", "10-D"))
        return findings.counted(two < ten, f"{two:,} against {ten:,} (+{ten / two - 1:.1%})")

    def c16_parameters(self):
        return [self._fewer()]

    def c17_best(self):
        others = ("baseline", "deeper", "1-D")
        named = (ELBO._replace(title=f"held-out ELBO, against {name}") for name in others)
        return [all_of(*map(partial(self.higher, "10-D"), others, named))]

    def c18_plausible(self):
        clear = Column("decoded images recognised", "decoded_confident", 1, 100, "%")
        mixed = all_of(self.below("10-D", DECODED, LIMITS["always"], IMAGES),
                       self.above("10-D", DECODED, LIMITS["chance"], IMAGES))  # fmt: skip
        return [self.above("10-D", clear, LIMITS["half"], IMAGES), mixed]

    def c19_consistent(self):
        agree = Column("draws that agree", "decoded_agreement", 1, 100, "%")
        found = [self.higher("10-D", "baseline", column) for column in (agree, DECODED)]
        pasted = "10-D", "baseline", "naive_label_kept"
        return [found[0], self.beside(found[1], "with the visible pixels pasted back", *pasted)]

    def c20_novel(self):
        copies = Column("samples that are copies", "copies", 2, 100, "%")
        found = self.below("10-D", copies, LIMITS["copies"], IMAGES)
        why = "the test misses too many planted copies to show that there are none"
        return [self.checked(found, "10-D", "planted_found", lambda x: x < LIMITS["found"], why)]

    def c21_small_steps(self):
        return self.c2_smooth("10-D", 10)

    def c22_recognisable(self):
        lead = CLEAR._replace(title="samples recognised less noise", against="uniform_confident")
        pixels = "10-D", "10-D", "prior_confident", "noise_confident"
        return [self.beside(self.above("10-D", lead, 0), "less independent pixels", *pixels)]

    def c23_choice(self):
        blurs = (self.higher("10-D", few, SHARP) for few in ("1-D", "baseline"))
        active = Column("active of 32 dimensions", "active_units", 1)
        least = Column("KL of the least used of 32", "kl_least", 3, unit=" nats")
        tell = (self.higher("10-D", "1-D", ELBO), self.higher("10-D", "1-D", PSNR),
                self.below("32-D", least, LIMITS["idle"]))  # fmt: skip
        return [any_of(*blurs), self.below("32-D", active, 31.5),
                self.higher("32-D", "10-D", GAP), all_of(*tell)]  # fmt: skip

    def c24_seen_digits(self):
        leak = UNSEEN._replace(title=f"{UNSEEN.title}, less that once they are trained on,")
        audit = self.higher("10-D", "10-D", leak, self.runs, self.side.whole)
        return [self.above("10-D", UNSEEN, 0), audit]


def claim_rows(evidence: Evidence, notebooks: Path = paths.NOTEBOOKS) -> list[Claim]:
    """All claims of the original report with our values and verdicts, in its order.

    A link leads to the notebook that examines the claim or, where that is gone, to their chapter.
    """
    rules = {name.split("_")[0].upper(): rule for name, rule in vars(Rules).items()}
    found = {form: _verdicts(rules, getattr(evidence, form)) for form in FORMS}
    claims = []
    for stated in CLAIMS["claims"]:
        link = stated["link"] if (notebooks / stated["link"]).exists() else "08_claims.ipynb"
        words = {name: text.format(**LIMITS) for name, text in stated["rule"].items()}
        verdicts = (found[form][stated["id"]] for form in FORMS)
        about = stated["id"], link, stated["text"], stated["published"], words
        claims.append(Claim(*about, *verdicts))
    return claims


def _verdicts(rules: dict[str, Callable], side: RecipeEvidence) -> dict[str, Verdict]:
    """Verdicts by claim: the p-values of all their parts are corrected together."""
    found = {stated["id"]: rules[stated["id"]](Rules(side)) for stated in CLAIMS["claims"]}
    parts = iter(judge([part for each in found.values() for part in each]))
    return {name: Verdict(tuple(next(parts) for _ in each)) for name, each in found.items()}


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
