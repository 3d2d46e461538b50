"""Weights that are drawn on all cores have the distribution that their layer asks for."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from zoo._symbolic import CHUNK, initialized

SHAPE = (1, 1, 1200, 1000)
INITIALIZERS = {
    "he_normal": keras.initializers.HeNormal,
    "glorot_uniform": keras.initializers.GlorotUniform,
    "truncated_normal": lambda seed: keras.initializers.TruncatedNormal(stddev=0.02, seed=seed),
    "random_normal": lambda seed: keras.initializers.RandomNormal(stddev=0.01, seed=seed),
    "variance_scaling": lambda seed: keras.initializers.VarianceScaling(
        2.0, "fan_out", "truncated_normal", seed=seed
    ),
}


def drawn(seed: int, initializer: object = "he_normal") -> np.ndarray:
    """The kernel of a convolution whose initializer is given."""
    keras.utils.set_random_seed(seed)

    def build() -> keras.Model:
        image = keras.Input((None, None, SHAPE[2]))
        layer = keras.layers.Conv2D(SHAPE[3], 1, kernel_initializer=initializer)
        return keras.Model(image, layer(image))

    return np.asarray(initialized(build).layers[-1].kernel)


@pytest.mark.parametrize("kind", INITIALIZERS)
def test_distribution_is_that_of_keras_initializer(kind: str) -> None:
    assert np.prod(SHAPE) > CHUNK
    ours = drawn(1, INITIALIZERS[kind](seed=7)).ravel()
    theirs = np.asarray(INITIALIZERS[kind](seed=7)(SHAPE)).ravel()
    spread = theirs.std()
    assert abs(ours.mean()) < 0.01 * spread
    assert abs(ours.std() / spread - 1) < 0.01
    shares = [0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999]
    np.testing.assert_allclose(
        np.quantile(ours, shares), np.quantile(theirs, shares), atol=0.04 * spread
    )
    if kind != "random_normal":
        assert np.abs(ours).max() <= np.abs(theirs).max() * 1.001
    assert abs(np.corrcoef(ours[:-1], ours[1:])[0, 1]) < 0.01


def test_what_is_drawn_follows_from_the_seed() -> None:
    np.testing.assert_array_equal(drawn(3), drawn(3))
    assert np.any(drawn(3) != drawn(4))
