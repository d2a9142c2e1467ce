"""Models, training, measurements, plots and report of a course report on variational autoencoders."""
