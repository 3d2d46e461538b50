"""Layers that blur, resize, pool, drop or attend to maps."""

from __future__ import annotations

import keras
import numpy as np

from zoo.layers import (
    BlurPool2D,
    GeneralizedMeanPooling2D,
    PatchAttention,
    ResizeLike,
    ResizeToMultiple,
    SeparablePatchAttention,
)


def test_drop_path_drops_whole_branches(pixels):
    block = keras.layers.Dropout(0.5, noise_shape=(None, 1, 1, 1), seed=0)
    kept = np.asarray(block(np.ones((200, 4, 4, 3), "float32"), training=True)).reshape(200, -1)
    assert set(kept.std(axis=1)) == {0.0}
    assert set(kept[:, 0]) == {0.0, 2.0}


def test_blur_keeps_constant_images_and_shifts_alike():
    """A blurred subsampling sees a shifted stripe with less change than a strided one."""
    flat = np.full((1, 9, 7, 2), 3.0, "float32")
    np.testing.assert_allclose(np.asarray(BlurPool2D(2)(flat)), np.full((1, 5, 4, 2), 3.0))
    stripes = np.zeros((1, 8, 8, 1), "float32")
    stripes[:, ::2] = 1.0
    change = np.abs(BlurPool2D(2)(stripes) - BlurPool2D(2)(1 - stripes)).max()
    assert change < 1e-6
    assert np.abs(stripes[:, ::2, ::2] - (1 - stripes)[:, ::2, ::2]).max() == 1.0


def test_maps_are_resized_as_pytorch_does():
    x = np.repeat(np.arange(3, dtype="float32")[None, :, None, None], 4, axis=2)
    for align_corners, middle in ((False, (0.625, 1.375)), (True, (2 / 3, 4 / 3))):
        image = keras.Input((None, None, 1))
        free = keras.Model(image, ResizeToMultiple(4, align_corners)(image))
        for resize in (ResizeToMultiple(4, align_corners), free):
            rows = np.asarray(resize(x))[0, :, 0, 0]
            np.testing.assert_allclose(rows, (0, *middle, 2), rtol=1e-6)
    back = np.asarray(ResizeLike()([ResizeToMultiple(4)(x), x]))
    np.testing.assert_allclose(back[0, :, 3, 0], (0.625 / 6, 1, 2 - 0.625 / 6), rtol=1e-6)


def test_patch_attention_sees_the_same_place_of_every_patch():
    for layer, channels in ((PatchAttention(2, 2), 12), (SeparablePatchAttention(2), 9)):
        x = np.random.default_rng(0).uniform(1, 2, (1, 4, 6, channels)).astype("float32")
        changed = x.copy()
        changed[0, 2, 3] += np.arange(channels)
        places = abs(np.asarray(layer(changed)) - np.asarray(layer(x))).max(axis=-1)[0] > 1e-4
        expected = np.zeros((4, 6), bool)
        expected[0::2, 1::2] = True
        np.testing.assert_array_equal(places, expected)


def test_generalised_mean_is_between_average_and_maximum():
    x = np.random.default_rng(0).uniform(0.1, 1, (2, 5, 7, 3)).astype("float32")
    np.testing.assert_allclose(GeneralizedMeanPooling2D(p=1.0)(x), x.mean((1, 2)), rtol=1e-5)
    np.testing.assert_allclose(GeneralizedMeanPooling2D(p=200.0)(x), x.max((1, 2)), rtol=0.03)
