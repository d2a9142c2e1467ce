"""Everything that is measured of one trained model, as one row: what sweeps compare over seeds.

A model takes half a minute on one core. A new measure is a function with the decorator `metric`,
and a column in evidence/columns.json.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.stats import entropy
from sklearn.metrics import recall_score

from helpers import losses, paths, provenance
from helpers.config import TrainingConfig
from helpers.data import test_set, training_set
from helpers.metrics import bounds, holes, inpainting, latent, likelihoods, samples
from helpers.metrics.classifier import Classifier, classifier, confident, label_preserved
from helpers.metrics.images import psnr, sharpness, ssim
from helpers.models import active_dimensions
from helpers.results import write_json
from helpers.training import Run, fit_or_load, model_folder

BOUND_IMAGES = 100  # test images whose own posterior is sought
BOUND_STEPS, BOUND_SAMPLES = 200, 100  # of that search, and k of the importance-weighted bound
IMAGES = 1_000  # test images that are reconstructed and filled
SAMPLES = 3_000  # samples of a model, and test images that they are compared with
COMPONENTS = 20  # Gaussians of the mixture fitted to the latent means
CHAIN = 30  # steps of the chain that fills holes
STEP = 0.1  # length of the steps in latent space, where the prior has a standard deviation of 1
SEPARATED = 0.9  # share of a class that is classified correctly: then the class counts as separated
SEED = 0  # of every measure's own draws, the same for all models


@dataclass(frozen=True)
class Subject:
    """A trained model with the images and labels that it is measured on."""

    run: Run
    train: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    classifier: Classifier
    difficulty: np.ndarray  # distance of each test image to the nearest training image

    @property
    def model(self):
        """The trained VAE."""
        return self.run.model

    @cached_property
    def codes(self) -> tuple[np.ndarray, np.ndarray]:
        """Means and log variances of the training images: (n, latent_dim) each."""
        return self.model.encode(self.train[0])

    @cached_property
    def test_codes(self) -> tuple[np.ndarray, np.ndarray]:
        """Means and log variances of the test images: (n, latent_dim) each."""
        return self.model.encode(self.test[0])


Metric = Callable[[Subject], dict[str, float]]
METRICS: dict[str, Metric] = {}


def metric(name: str) -> Callable[[Metric], Metric]:
    """Register a function that measures a model: its numbers, by the names of their columns."""

    def register(function: Metric) -> Metric:
        METRICS[name] = function
        return function

    return register


def measured(config: TrainingConfig) -> tuple[Run, dict[str, float]]:
    """A trained model and its measures, kept beside it under a digest of the code that measures.

    That counts functions that are registered elsewhere, as in a notebook.
    """
    run, code = fit_or_load(config), provenance.measuring_code()
    if others := [part for part in METRICS.values() if part.__module__ != __name__]:
        code = provenance.digest([code, *map(provenance.live_code, others)])
    file = model_folder(config).folder / f"measures-{code}.json"
    if not file.exists():
        size, dataset = config.n_train, config.dataset
        sets = training_set(size, dataset), test_set(size, dataset)
        given = classifier(size, dataset), difficulty(size, dataset, *sets)
        write_json(file, measure(Subject(run, *sets, *given)))
    return run, json.loads(file.read_text(encoding="utf-8"))


def difficulty(n_train: int | None, dataset: str, train: tuple, test: tuple) -> np.ndarray:
    """Euclidean distance of each test image to the nearest training image, (n,): no model's.

    It takes longer than a model's measures, and is kept in the cache for all of them.
    """
    file = paths.cache() / "distances" / f"{dataset}-{n_train}-{provenance.measuring_code()}.json"
    if not file.exists():
        write_json(file, {"nearest": samples.nearest_distance(train[0], test[0])})
    return np.array(json.loads(file.read_text())["nearest"])


def measure(subject: Subject) -> dict[str, float]:
    """All measures of a model: losses in nats per image, shares between 0 and 1."""
    last = {name: values[-1] for name, values in subject.run.history.items() if name != "seconds"}
    row = {"training_loss": last.pop("loss")} | last
    row["parameters"] = subject.model.count_params()
    for part in METRICS.values():
        row |= part(subject)
    return {name: float(value) for name, value in row.items()}


@metric("bounds")
def tightness(subject: Subject) -> dict[str, float]:
    """The ELBO on training and test images, tighter bounds, and the amortisation gap."""
    x = subject.test[0]
    few, sets = x[:BOUND_IMAGES], {"val_elbo": x, "train_elbo": subject.train[0][: len(x)]}
    each = {k: bounds.elbo(subject.model, part, SEED)["elbo"] for k, part in sets.items()}
    found = {k: values.mean() for k, values in each.items()}
    near = subject.difficulty.argsort()
    third = max(len(x) // 3, 1)
    for name, part in {"easy": near[:third], "hard": near[-third:]}.items():
        found[f"elbo_{name}"] = each["val_elbo"][part].mean()
    search = bounds.optimised_bound(subject.model, few, BOUND_STEPS, SEED)
    own = search["mean"], search["log_var"]
    tight = bounds.importance_weighted_bound(subject.model, few, BOUND_SAMPLES, SEED, q=own)
    before, after = search["encoder"], search["optimised"]
    found |= {"bound_1": before.mean(), "bound_own": after.mean(), "bound_k": tight.mean()}
    return found | {"amortisation_gap": (after - before).mean()}


@metric("codes")
def codes(subject: Subject) -> dict[str, float]:
    """How the latent space is used: by dimension, by class, and how crowded it is."""
    (mean, log_var), labels = subject.test_codes, subject.test[1]
    kl = bounds.to_numpy(losses.gaussian_kl_per_dimension, mean, log_var)
    votes = latent.knn_votes(subject.codes[0], subject.train[1], mean)
    pairs = [pair[:2] for pair in latent.confused_pairs(labels, votes)]
    known = class_information(mean, log_var, labels).max(axis=0)
    crowding = latent.congestion(mean, log_var)
    return bounds.kl_range(kl) | {
        "active_units": np.sum(active_dimensions(mean)),
        "knn_accuracy": np.mean(votes == labels),
        "classes_separated": np.sum(recall_score(labels, votes, average=None) >= SEPARATED),
        "rank_of_3_and_5": pairs.index((3, 5)) + 1,
        "axis_information_most": known.max(), "axes_of_one_digit": np.sum(known > 0.5),
        "class_gap": latent.class_gap(mean, labels),
        "plane_area": crowding["area"], "distinguishable": crowding["distinguishable"],
    }  # fmt: skip


def class_information(mean, log_var, labels) -> np.ndarray:
    """What z_j ~ q(z_j|x) tells of each class, as a share of its entropy: (classes, latent_dim)."""
    shares = np.unique(labels, return_counts=True)[1] / len(labels)
    told, _ = latent.axis_information(mean, log_var, labels)
    return told / entropy([shares, 1 - shares])[:, np.newaxis]


@metric("reconstructions")
def pictures(subject: Subject) -> dict[str, float]:
    """Reconstructions of test images: how near, how sharp, and how many classified correctly."""
    x, labels = (part[:IMAGES] for part in subject.test)
    mean, log_var = (part[:IMAGES] for part in subject.test_codes)
    z = bounds.draw(mean, log_var, np.random.default_rng(SEED))
    back = likelihoods.decoded_mean(subject.model, z)
    scores = likelihoods.score(subject.model, x, SEED, subject.train[0][:IMAGES])
    return {
        "psnr": psnr(x, back).mean(), "ssim": ssim(x, back).mean(),
        "sharpness": sharpness(back).mean() / sharpness(x).mean(),
        "label_kept": label_preserved(subject.classifier, back, labels).mean(),
        "cb_limit": likelihoods.limit_effect(subject.model, x, SEED).mean(),
    } | {f"as {name}": value.mean() for name, value in scores.items()}  # fmt: skip


@metric("smoothness")
def steps(subject: Subject) -> dict[str, float]:
    """How smoothly images change along the prior."""
    points = latent.sample_prior(IMAGES, subject.run.config.latent_dim, SEED)
    decoders = {"step": subject.model, "step_control": latent.shuffled(subject.model, SEED)}
    walks = {name: latent.smoothness(each, points, STEP, SEED) for name, each in decoders.items()}
    names = {"change": "relative", "exponent": "exponent"}
    return {f"{step}_{k}": walk[v] for step, walk in walks.items() for k, v in names.items()}


@metric("samples")
def generated(subject: Subject) -> dict[str, float]:
    """Samples from the prior, a mixture fitted to the means, and the aggregate posterior."""
    (mean, log_var), reader = subject.codes, subject.classifier
    real = reader.features(subject.test[0][:SAMPLES])
    mixture = latent.fit_mixture(mean, COMPONENTS, SEED)
    drawn = {
        "prior": latent.sample_prior(SAMPLES, mean.shape[1], SEED),
        "mixture": latent.sample_mixture(mixture, SAMPLES, SEED),
        "aggregate": latent.sample_aggregate(mean, log_var, SAMPLES, SEED),
    }
    images = {name: likelihoods.decoded_mean(subject.model, z) for name, z in drawn.items()}
    found: dict[str, float] = {}
    for origin, x in images.items():
        read, features = reader.probabilities(x), reader.features(x)
        judged = {
            "confident": confident(read).mean(),
            "balance": samples.balance(samples.class_shares(read.argmax(axis=1))),
            "frechet": samples.frechet_distance(real, features),
        } | samples.density_coverage(real, features)
        found |= {f"{origin}_{name}": value for name, value in judged.items()}
    noise = {"noise": samples.pixel_noise(subject.train[0], IMAGES, SEED)}
    noise |= {"uniform": samples.uniform_noise(IMAGES, SEED)}
    for origin, x in noise.items():
        found[f"{origin}_confident"] = confident(reader.probabilities(x)).mean()
    return found | novelty(subject, images["prior"][:IMAGES])


def novelty(subject: Subject, images: np.ndarray) -> dict[str, float]:
    """How far samples are from the training images, relative to reconstructions; share of copies.

    The copy test's power: planted recitations are training images decoded from their means, false
    alarms are test images decoded in the same way.
    """
    codes = {"planted_found": subject.codes[0], "planted_false_alarms": subject.test_codes[0]}
    again = subject.model.decode(subject.test_codes[0][: len(images)])
    own, scale = (samples.nearest_distance(subject.train[0], each) for each in (images, again))
    shown = {name: likelihoods.decoded_mean(subject.model, z[:IMAGES]) for name, z in codes.items()}
    flagged = {
        name: samples.recited(subject.model, each, subject.codes[0]).mean()
        for name, each in (shown | {"copies": images}).items()
    }
    return flagged | {"nearest_ratio": np.median(own) / np.median(scale)}


@metric("inpainting")
def filled(subject: Subject) -> dict[str, float]:
    """The original's hole filled as the original did, and by a chain with the right posterior."""
    model, mask, mean_image = subject.model, holes.square_mask(), subject.train[0].mean(axis=0)
    seen, (x, labels) = subject.train[0][:IMAGES], (part[:IMAGES] for part in subject.test)
    model = inpainting.calibrated(model, seen)

    def share(x, images):
        """Squared error in the hole as a share of the mean image's."""
        return np.square(images - x)[:, mask].sum() / np.square(mean_image - x)[:, mask].sum()

    def naive(images):
        """The hole filled by encoding and decoding once."""
        hidden = holes.hide(images, mask)
        return holes.paste(hidden, mask, bounds.encode_decode(model, hidden, SEED))

    once, judge, task = naive(x), subject.classifier, (model, holes.hide(x, mask), mask)
    chain, accepted = inpainting.metropolis_gibbs(*task, CHAIN, SEED, CHAIN // 2)
    return {
        "naive_error": share(x, once), "naive_error_training": share(seen, naive(seen)),
        "naive_label_kept": label_preserved(judge, once, labels).mean(),
        "naive_confident": confident(judge.probabilities(once)).mean(),
        "chain_label_kept": label_preserved(judge, chain, labels).mean(),
        "chain_error": share(x, chain), "chain_accepted": accepted.mean(),
    }  # fmt: skip


@metric("whole images")
def decoded(subject: Subject) -> dict[str, float]:
    """Images decoded from one draw each for the original's hole, read whole, as it showed them."""
    x, labels = (part[:IMAGES] for part in subject.test)
    task, seeds = (subject.model, holes.hide(x, holes.square_mask())), (SEED, SEED + 1)
    images = [likelihoods.mean_image(task[0], bounds.encode_decode(*task, s)) for s in seeds]
    read = [subject.classifier.probabilities(each) for each in images]
    said = np.argmax(read, axis=2)  # of two independent draws
    return {
        "decoded_confident": np.mean([confident(each) for each in read]),
        "decoded_label_kept": np.mean(said == labels),
        "decoded_agreement": np.mean(said[0] == said[1]),
    }


def model_summary(run: Run, x_train, y_train, x_test, y_test, seed: int) -> dict[str, float]:
    """Final training loss, held-out ELBO with its parts, time, size and kNN accuracy of a run.

    Losses in nats per image, of a squared error without the Gaussian's constant: means over the
    last epoch, and "val_…" on x_test with one z per image. "seconds_per_epoch" is the median.
    """
    bound = bounds.elbo(run.model, x_test, seed)
    train_means, test_means = run.model.encode(x_train)[0], run.model.encode(x_test)[0]
    return {
        **{name: run.history[name][-1] for name in ("loss", "rate", "distortion")},
        **{f"val_{name}": float(bound[name].mean()) for name in ("elbo", "rate", "distortion")},
        "val_elbo_se": bounds.standard_error(bound["elbo"]),
        "seconds": run.seconds,
        "seconds_per_epoch": float(np.median(run.history["seconds"])),
        "parameters": run.model.count_params(),
        "knn_accuracy": latent.knn_accuracy(train_means, y_train, test_means, y_test),
    }
