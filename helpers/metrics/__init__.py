"""What is measured of a trained model: arrays in, numbers and arrays out."""
