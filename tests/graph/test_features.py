"""The maps inside a model, by level."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import zoo

WIDTHS = {
    "resnet18": (64, 128, 256, 512),
    "resnet50_v2": (256, 512, 1024, 2048),
    "vgg11": (128, 256, 512, 512),
}


@pytest.mark.parametrize("name", WIDTHS)
def test_levels_have_the_strides_of_their_names(name):
    model = zoo.create(name, input_shape=(64, 96, 3), num_classes=0)
    maps = zoo.features(model).output
    assert list(maps) == ["C2", "C3", "C4", "C5"]
    for (level, x), width in zip(maps.items(), WIDTHS[name], strict=True):
        stride = 2 ** int(level[1])
        assert x.shape == (None, 64 // stride, 96 // stride, width)


def test_free_sizes_and_chosen_levels(pixels):
    model = zoo.create("resnet18", input_shape=(None, None, 3), num_classes=3)
    maps = zoo.features(model, ["C1", "C4"])(pixels(1, 64, 32, 3))
    assert {level: tuple(x.shape) for level, x in maps.items()} == {
        "C1": (1, 32, 16, 64),
        "C4": (1, 4, 2, 256),
    }


def test_output_stride_keeps_the_last_maps_large():
    model = zoo.create("resnet18", input_shape=(64, 64, 3), num_classes=0, output_stride=8)
    maps = zoo.features(model).output
    assert [maps[level].shape[1] for level in ("C2", "C3", "C4", "C5")] == [16, 8, 8, 8]


def test_small_networks_give_what_they_have():
    assert list(zoo.features(zoo.create("resnet20")).output) == ["C2"]
    assert list(zoo.features(zoo.create("resnet20"), ("C0", "C1", "C2")).output) == [
        "C0",
        "C1",
        "C2",
    ]


def test_layers_are_shared_with_the_model(pixels):
    model = zoo.create("resnet20")
    maps = zoo.features(model)
    before = np.asarray(maps(pixels(1, 32, 32, 3))["C2"])
    model.get_layer("stem_conv").set_weights([np.zeros((3, 3, 3, 16))])
    assert np.abs(np.asarray(maps(pixels(1, 32, 32, 3))["C2"]) - before).max() > 0.01


def test_wrong_levels():
    model = zoo.create("resnet20")
    with pytest.raises(ValueError, match="'resnet20' has the levels C0, C1, C2; received 'C5'"):
        zoo.features(model, ("C2", "C5"))
    with pytest.raises(ValueError, match="received none"):
        zoo.features(model, ())
    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)], name="other")
    with pytest.raises(ValueError, match="'other' has no levels"):
        zoo.features(other)
