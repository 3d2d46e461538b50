"""Published weights: their records, downloads, file formats, and loading them into a model."""

from applications.weights.records import Weights, list_weights

__all__ = ["Weights", "list_weights"]
