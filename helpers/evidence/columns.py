"""The columns of all tables of runs: name, kind of value, meaning and unit. A new measure is declared here, once."""

import dataclasses
from dataclasses import dataclass

from helpers.config import TrainingConfig


@dataclass(frozen=True)
class Field:
    """A column as it is stored: "text", "int", "float" or "bool"; an optional one may have empty cells."""

    name: str
    kind: str
    meaning: str
    optional: bool = True


def _fields(kind: str, meanings: dict[str, str], optional: bool = True) -> dict[str, Field]:
    """Fields of one kind."""
    return {name: Field(name, kind, meaning, optional) for name, meaning in meanings.items()}


def _configuration() -> dict[str, Field]:
    """The fields of TrainingConfig, each of the kind of its default."""
    kinds = {str: "text", int: "int", float: "float", type(None): "int"}
    return {
        field.name: Field(field.name, kinds[type(field.default)], "see TrainingConfig", field.default is None)
        for field in dataclasses.fields(TrainingConfig)
    }


CONFIGURATION = _configuration()
KEYS = tuple(CONFIGURATION)  # what identifies a run
# Version 1 of the tables has these; a field that came later had its default when they were made.
FIRST_KEYS = ("architecture", "latent_dim", "loss", "split", "recipe", "epochs", "batch_size", "n_train", "dataset", "seed")
DEFAULTS = {f.name: f.default for f in dataclasses.fields(TrainingConfig) if f.name not in FIRST_KEYS}

NAMES = _fields("text", {"model": "TrainingConfig.label", "form": "plain or fast, see runner.benchmark"}, optional=False)
TURNS = _fields("int", {"epoch": "1 is the first", "round": "of timings, 1 is the first"}, optional=False)

HISTORY = _fields(
    "float",
    {
        "training_loss": "mean over the training images in the last or the named epoch, nats per image",
        "rate": "its KL term, nats per image",
        "distortion": "its reconstruction term, nats per image",
        "eval_loss": "loss on the first 10,000 training images after the epoch, nats per image",
        "val_loss": "loss on the test images after the epoch, nats per image",
        "val_rate": "its KL term, nats per image",
        "val_distortion": "its reconstruction term, nats per image",
        "seconds": "of training: of the epoch, or of the whole run",
    },
)

MEASURES = _fields(
    "float",
    {
        "parameters": "trainable weights",
        "val_elbo": "ELBO of the test images, nats per image",
        "train_elbo": "ELBO of as many training images, nats per image",
        "bound_1": "ELBO of the first 100 test images, nats per image",
        "bound_own": "their ELBO with a posterior optimised for each image, nats per image",
        "bound_k": "their importance-weighted bound from these posteriors, nats per image",
        "amortisation_gap": "bound_own less bound_1, nats per image",
        "active_units": "latent dimensions whose mean varies",
        "kl_least": "KL of the least used latent dimension, nats per image",
        "kl_most": "KL of the most used latent dimension, nats per image",
        "knn_accuracy": "share of test images whose class their 15 nearest training codes vote for",
        "classes_separated": "classes of which the same vote classifies at least nine in ten correctly",
        "rank_of_3_and_5": "place of the pair of classes 3 and 5 among the 45 pairs, most often confused first",
        "axis_information_most": "what an axis tells about one class against the rest, share of its entropy, greatest of all",
        "axes_of_one_digit": "axes that tell more than half about some class",
        "class_gap": "median distance to the nearest code of another class, relative to the extent of the codes",
        "plane_area": "area or volume of the codes",
        "distinguishable": "codes told apart, nats",
        "psnr": "of reconstructions of test images, dB",
        "ssim": "of reconstructions of test images",
        "sharpness": "variance of the Laplacian of reconstructions, as a share of that of the images",
        "label_kept": "share of reconstructions that the classifier assigns to the class of the image",
        "as grey cross-entropy": "distortion under this likelihood, nats per image",
        "as Bernoulli of binarised digits": "distortion under this likelihood, nats per image",
        "as continuous Bernoulli": "distortion under this likelihood, nats per image",
        "as Gaussian, variance 1/2": "distortion under this likelihood, nats per image",
        "as calibrated Gaussian": "distortion under this likelihood, nats per image",
        "step_change": "change of the image by a latent step of 0.1, as a share of that between random pairs",
        "step_exponent": "power of the step's length with which that change grows",
        **{
            f"{source}_{name}": f"{meaning}, codes from the {source}"
            for source in ("prior", "mixture", "aggregate")
            for name, meaning in {
                "confident": "share of samples that the classifier assigns with at least 90 %",
                "balance": "entropy of the classes of samples, as a share of the greatest possible",
                "frechet": "Fréchet distance of samples to test images in the classifier's features",
                "density": "density of samples among test images (Naeem et al. 2020)",
                "coverage": "share of test images with a sample nearby (Naeem et al. 2020)",
            }.items()
        },
        "noise_confident": "prior_confident's share, of images whose pixels are drawn independently",
        "copies": "share of samples nearer to a training image than half the distance to the second nearest",
        "nearest_ratio": "median distance of samples to training images, relative to reconstructions of test images",
        "naive_error": "squared error in the hole, filled by encoding and decoding, as a share of the mean image's",
        "naive_error_training": "the same, of training images",
        "naive_label_kept": "share of these fillings that the classifier assigns to the class of the image",
        "naive_confident": "share of these fillings that the classifier assigns with at least 90 %",
        "chain_error": "naive_error's share, filled by Metropolis-within-Gibbs",
        "chain_label_kept": "naive_label_kept's share, filled by Metropolis-within-Gibbs",
        "chain_accepted": "share of proposals that this chain accepts",
    },
)

TIMES = _fields(
    "float",
    {
        "seconds_per_step": "median over the steps of a round",
        "floor_seconds": "of the multiplications of a step at the rate of a large matrix product",
        "images_per_second": "in training",
        "peak_memory_gb": "most memory of the process, GB",
    },
)

PROVENANCE_FIELDS = _fields(
    "text",
    {
        "date": "of the run, ISO 8601",
        "commit": 'ten digits, "+" behind them: some files differed; "unknown": no checkout',
        "training_code": "digest of the code that trains",
        "measuring_code": "digest of the code that measures; empty where nothing is measured",
        "keras": "version",
        "backend": "of Keras",
        "backend_version": "of that package",
        "python": "version",
        "processor": "name and number of cores",
    },
) | _fields("int", {"threads": "of the backend"})
PROVENANCE = tuple(PROVENANCE_FIELDS)

SEARCH = {"kernels": Field("kernels", "bool", "see Recipe"), "peak": Field("peak", "float", "see Recipe")}
SEARCH |= {"other": Field("other", "text", "what else differs from the recipe")}


def declared() -> dict[str, Field]:
    """Every column by name."""
    return NAMES | CONFIGURATION | TURNS | SEARCH | HISTORY | MEASURES | TIMES | PROVENANCE_FIELDS


@dataclass(frozen=True)
class Kind:
    """A kind of table: the columns that identify a row, and those that it may have beside them."""

    name: str
    identity: tuple[str, ...]
    values: tuple[str, ...]
    has_provenance: bool = True


def kinds() -> dict[str, Kind]:
    """All kinds of tables by name."""
    timed = Kind("timed steps", ("model", "form", "dataset", "round"), ("batch_size", *TIMES))
    searched = ("model", "epochs", "batch_size", "kernels", "peak", "other", "seed")
    each = (
        Kind("measures of trained models", ("model", *KEYS), (*HISTORY, *MEASURES)),
        Kind("courses of trainings", ("model", *KEYS, "epoch"), tuple(HISTORY)),
        timed,
        Kind("a search of recipes", searched, ("eval_loss", "val_loss"), has_provenance=False),
    )
    return dict(zip(("measures", "courses", "steps", "search"), each, strict=True))
