"""Everything that is measured of one trained model, as one row of numbers: what sweeps compare over seeds.

Sizes are chosen so that a model takes half a minute on one core; every model is measured on the same digits.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.stats import entropy
from sklearn.metrics import recall_score
from sklearn.neighbors import NearestNeighbors

from helpers import provenance as digests
from helpers.metrics import bounds as metrics, inpainting, latent, likelihoods, samples
from helpers.checkpoints import Entry
from helpers.metrics.classifier import Classifier, confident, digit_classifier, label_preserved
from helpers.config import TrainingConfig
from helpers.data import test_digits, training_digits
from helpers.metrics.images import psnr, sharpness, ssim
from helpers.results import write_json
from helpers.training import Run, fit_or_load

BOUND_DIGITS, BOUND_STEPS, BOUND_SAMPLES = 100, 200, 100  # test digits whose own posterior is sought, steps, k
DIGITS = 1_000  # test digits that are reconstructed, filled and compared with images
SAMPLES = 3_000  # samples of a model, and test digits that they are compared with
COMPONENTS = 20  # Gaussians of the mixture fitted to the latent means
CHAIN = 30  # steps of the chain that fills holes
STEP = 0.1  # length of the steps in latent space, where the prior has a standard deviation of 1
SEPARATED = 0.9  # of a digit's images named rightly: then its class counts as separated
SEED = 0  # of every measure's own draws: models differ, their yardsticks do not


@dataclass(frozen=True)
class Subject:
    """A trained model with the digits that it is measured on."""

    run: Run
    train: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    classifier: Classifier

    @property
    def model(self):
        return self.run.model

    @cached_property
    def codes(self) -> tuple[np.ndarray, np.ndarray]:
        """Means and log variances of the training digits."""
        return self.model.encode(self.train[0])

    @cached_property
    def test_codes(self) -> tuple[np.ndarray, np.ndarray]:
        """Means and log variances of the test digits."""
        return self.model.encode(self.test[0])


def measured(config: TrainingConfig) -> tuple[Run, dict[str, float]]:
    """A trained model and its measures: trained, and measured, now or before.

    The measures are kept beside the model under a digest of the code that measures.
    """
    run = fit_or_load(config)
    file = Entry(config).folder / f"measures-{digests.measuring_code()}.json"
    if not file.exists():
        sets = training_digits(config.n_train), test_digits(config.n_train)
        write_json(file, measure(Subject(run, *sets, digit_classifier(config.n_train))))
    return run, json.loads(file.read_text())


def measure(subject: Subject) -> dict[str, float]:
    """All measures of a model: losses in nats per image, shares between 0 and 1."""
    history = {name: values[-1] for name, values in subject.run.history.items() if name != "seconds"}
    row = {"training_loss": history.pop("loss")} | history | {"parameters": subject.model.count_params()}
    for part in PARTS:
        row |= part(subject)
    return {name: float(value) for name, value in row.items()}


def bounds(subject: Subject) -> dict[str, float]:
    """The ELBO on training and test digits, tighter bounds, and what the encoder gives away."""
    x = subject.test[0]
    sets = {"val_elbo": x, "train_elbo": subject.train[0][: len(x)]}
    found = {name: metrics.elbo(subject.model, digits, SEED)["elbo"].mean() for name, digits in sets.items()}
    few = x[:BOUND_DIGITS]
    search = metrics.optimised_bound(subject.model, few, BOUND_STEPS, SEED)
    own = search["mean"], search["log_var"]
    tight = metrics.importance_weighted_bound(subject.model, few, BOUND_SAMPLES, SEED, q=own)
    return found | {
        "bound_1": search["encoder"].mean(),
        "bound_own": search["optimised"].mean(),
        "bound_k": tight.mean(),
        "amortisation_gap": (search["optimised"] - search["encoder"]).mean(),
    }


def codes(subject: Subject) -> dict[str, float]:
    """How the latent space is used: by dimension, by class, and how crowded it is."""
    (mean, log_var), labels = subject.test_codes, subject.test[1]
    kl = metrics.kl_per_dimension(subject.model, subject.test[0])
    votes = metrics.knn_votes(subject.codes[0], subject.train[1], mean)
    pairs = [pair[:2] for pair in metrics.confused_pairs(labels, votes)]
    known = digit_information(mean, labels).max(axis=0)
    return {
        "active_units": np.sum(metrics.active_units(subject.model, subject.test[0]) > metrics.ACTIVE),
        "kl_least": kl.min(),
        "kl_most": kl.max(),
        "knn_accuracy": np.mean(votes == labels),
        "classes_separated": np.sum(recall_score(labels, votes, average=None) >= SEPARATED),
        "rank_of_3_and_5": pairs.index((3, 5)) + 1,
        "axis_information_most": known.max(),
        "axes_of_one_digit": np.sum(known > 0.5),
        "class_gap": metrics.class_gap(mean, labels),
        "plane_area": metrics.congestion(mean, log_var)["area"],
        "distinguishable": metrics.congestion(mean, log_var)["distinguishable"],
    }


def digit_information(mean, labels) -> np.ndarray:
    """What each axis tells about each digit against the rest, as a share of all there is to know: (10, latent_dim)."""
    shares = np.bincount(labels, minlength=10) / len(labels)
    return np.array([metrics.axis_information(mean, labels == k) / entropy([p, 1 - p]) for k, p in enumerate(shares)])


def pictures(subject: Subject) -> dict[str, float]:
    """Reconstructions of test digits: how near, how sharp, and whether the digit is still the same."""
    x, labels = (part[:DIGITS] for part in subject.test)
    z = metrics.draw(*(part[:DIGITS] for part in subject.test_codes), np.random.default_rng(SEED))
    back = likelihoods.decoded_mean(subject.model, z)
    return {
        "psnr": psnr(x, back).mean(),
        "ssim": ssim(x, back).mean(),
        "sharpness": sharpness(back).mean() / sharpness(x).mean(),
        "label_kept": label_preserved(subject.classifier, back, labels).mean(),
    } | {f"as {name}": value.mean() for name, value in likelihoods.score(subject.model, x, SEED).items()}


def steps(subject: Subject) -> dict[str, float]:
    """How smoothly images change along the prior."""
    points = latent.sample_prior(DIGITS, subject.run.config.latent_dim, SEED)
    found = metrics.smoothness(subject.model, points, STEP, SEED)
    return {"step_change": found["relative"], "step_exponent": found["exponent"]}


def generated(subject: Subject) -> dict[str, float]:
    """Samples from the prior, from a mixture fitted to the means, and from the aggregate posterior."""
    mean, log_var = subject.codes
    real = subject.classifier.features(subject.test[0][:SAMPLES])
    mixture = latent.fit_mixture(mean, COMPONENTS, SEED)
    drawn = {
        "prior": latent.sample_prior(SAMPLES, mean.shape[1], SEED),
        "mixture": latent.sample_mixture(mixture, SAMPLES, SEED),
        "aggregate": latent.sample_aggregate(mean, log_var, SAMPLES, SEED),
    }
    images = {name: likelihoods.decoded_mean(subject.model, z) for name, z in drawn.items()}
    found = {f"{name}_{key}": value for name, x in images.items() for key, value in judged(subject, x, real).items()}
    noise = samples.pixel_noise(subject.train[0], DIGITS, SEED)
    found["noise_confident"] = confident(subject.classifier.probabilities(noise)).mean()
    return found | novelty(subject, images["prior"][:DIGITS])


def judged(subject: Subject, images: np.ndarray, real: np.ndarray) -> dict[str, float]:
    """What the classifier makes of images (n, 28, 28, 1), beside its features of real digits."""
    read, features = subject.classifier.probabilities(images), subject.classifier.features(images)
    return {
        "confident": confident(read).mean(),
        "balance": samples.balance(samples.class_shares(read.argmax(axis=1))),
        "frechet": samples.frechet_distance(real, features),
    } | samples.density_coverage(real, features)


def novelty(subject: Subject, images: np.ndarray) -> dict[str, float]:
    """How far images are from the training digits, and how many stand out as copies.

    A copy is nearer to one training digit than half its distance to the second nearest. A reconstruction of a test
    digit is as smooth as a sample and no copy, so that its distance sets the scale.
    """
    known = NearestNeighbors(n_neighbors=2, algorithm="brute").fit(_flat(subject.train[0]))
    again = subject.model.decode(subject.test_codes[0][: len(images)])
    own, scale = (known.kneighbors(_flat(each))[0] for each in (images, again))
    return {
        "copies": np.mean(own[:, 0] < own[:, 1] / 2),
        "nearest_ratio": np.median(own[:, 0]) / np.median(scale[:, 0]),
    }


def _flat(images: np.ndarray) -> np.ndarray:
    """Images as rows of pixels."""
    return images.reshape(len(images), -1)


def filled(subject: Subject) -> dict[str, float]:
    """The original's hole filled as the original did, and by a chain that leaves the posterior invariant."""
    model, mask = subject.model, inpainting.square_mask()
    if subject.run.config.loss == "sigma":
        model = inpainting.calibrated(model, subject.train[0][:DIGITS])
    mean_digit = subject.train[0].mean(axis=0)

    def share(x, images):
        """Squared error in the hole as a share of the mean digit's."""
        return np.square(images - x)[:, mask].sum() / np.square(mean_digit - x)[:, mask].sum()

    seen, (x, labels) = subject.train[0][:DIGITS], (part[:DIGITS] for part in subject.test)
    hidden = inpainting.hide(x, mask)
    naive, naive_seen = (
        inpainting.paste(each, mask, inpainting.encode_decode(model, each, SEED))
        for each in (hidden, inpainting.hide(seen, mask))
    )
    chain, accepted = inpainting.metropolis_gibbs(model, hidden, mask, CHAIN, SEED, average=CHAIN // 2)
    return {
        "naive_error": share(x, naive),
        "naive_error_training": share(seen, naive_seen),
        "naive_label_kept": label_preserved(subject.classifier, naive, labels).mean(),
        "naive_confident": confident(subject.classifier.probabilities(naive)).mean(),
        "chain_error": share(x, chain),
        "chain_label_kept": label_preserved(subject.classifier, chain, labels).mean(),
        "chain_accepted": accepted.mean(),
    }


PARTS: tuple[Callable[[Subject], dict[str, float]], ...] = (bounds, codes, pictures, steps, generated, filled)
