"""Keras models that you can read, load, search and look into."""
