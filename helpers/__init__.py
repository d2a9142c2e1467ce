"""Models, training, measurements and report of a course report on variational autoencoders.

Nothing happens on import, with one exception: unless they are set already, this sets two
environment variables, which Keras and TensorFlow read when they are imported.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")  # whatever ~/.keras/keras.json says
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow reports a missing GPU as an error
