"""Keras models of both Kerases in memory, and the TensorFlow below them."""
