"""Models, training, measurements, plots and report of a course report on variational autoencoders."""

import os
import sys

os.environ.setdefault("KERAS_BACKEND", "tensorflow")  # whatever ~/.keras/keras.json says: digests count on it
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow reports every missing GPU as an error


def import_keras_silently():
    """Import Keras while the process's standard error leads nowhere; exceptions are raised as ever.

    TensorFlow, as it is imported, writes there of CPU and GPU past every setting (tensorflow/tensorflow#100442),
    and a notebook shows it.
    """
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        import keras  # noqa: F401
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


if "ipykernel" in sys.modules:  # in a notebook
    import_keras_silently()
