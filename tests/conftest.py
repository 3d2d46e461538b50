"""What all tests share."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _float32():
    """Leave no precision policy behind."""
    yield
    keras.config.set_dtype_policy("float32")


@pytest.fixture(autouse=True, scope="module")
def _clear():
    """Give Keras's memory back after each file."""
    yield
    keras.backend.clear_session()


@pytest.fixture
def pixels():
    """A function that draws images (B, H, W, C) with pixels in [0, 255]."""

    def draw(*shape: int, seed: int = 0) -> np.ndarray:
        return np.random.default_rng(seed).uniform(0, 255, shape).astype("float32")

    return draw
