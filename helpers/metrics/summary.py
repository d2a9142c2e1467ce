"""The numbers that every section states about a trained model."""

import numpy as np

from helpers.metrics.bounds import elbo, knn_accuracy, standard_error


def model_summary(run, x_train, y_train, x_test, y_test, seed: int) -> dict[str, float]:
    """Final training loss, held-out ELBO with its parts, time, size and kNN accuracy of a run.

    Losses in nats per image (for squared error: without the Gaussian's constant). "loss", "rate"
    and "distortion" are the last epoch's means over the training digits; "val_…" are measured on
    x_test with one z per digit. "seconds_per_epoch" is the median. kNN votes among the latent means of x_train.
    """
    bound = elbo(run.model, x_test, seed)
    train_means, test_means = run.model.encode(x_train)[0], run.model.encode(x_test)[0]
    return {
        "loss": run.history["loss"][-1],
        "rate": run.history["rate"][-1],
        "distortion": run.history["distortion"][-1],
        "val_elbo": float(bound["elbo"].mean()),
        "val_elbo_se": standard_error(bound["elbo"]),
        "val_rate": float(bound["rate"].mean()),
        "val_distortion": float(bound["distortion"].mean()),
        "seconds": run.seconds,
        "seconds_per_epoch": float(np.median(run.history["seconds"])),
        "parameters": run.model.count_params(),
        "knn_accuracy": knn_accuracy(train_means, y_train, test_means, y_test),
    }
