"""`zoo.data.shapes`: drawn images, and what is said of them."""

from __future__ import annotations

import collections
import re

import numpy as np
import pytest

from zoo import data
from zoo.data.shapes import drawing, scenes


@pytest.fixture(scope="module")
def drawn():
    return data.shapes(300, image_size=64, seed=3)


def test_shapes_agree_with_themselves(drawn):
    n = 300
    assert drawn.images.shape == (n, 64, 64, 3)
    assert drawn.images.dtype == drawn.masks.dtype == np.uint8
    assert drawn.labels.shape == (n,)
    for name in ("boxes", "box_labels", "box_colors", "captions"):
        assert len(getattr(drawn, name)) == n
    counts = collections.Counter(len(boxes) for boxes in drawn.boxes)
    assert min(counts[k] for k in (1, 2, 3)) > 50
    assert np.bincount(drawn.labels, minlength=8).min() > 15
    for i in range(n):
        boxes, labels, mask = drawn.boxes[i], drawn.box_labels[i], drawn.masks[i]
        assert labels[0] == drawn.labels[i]
        assert set(np.unique(mask)) == {0, *(labels + 1)}
        explained = np.zeros_like(mask, bool)
        for (left, top, right, bottom), label in zip(boxes.astype(int), labels, strict=True):
            assert 0 <= left < right <= 64
            assert 0 <= top < bottom <= 64
            inside = mask[top:bottom, left:right] == label + 1
            sides = inside[0], inside[-1], inside[:, 0], inside[:, -1]
            assert all(side.any() for side in sides)  # the box is tight
            explained[top:bottom, left:right] |= inside
        np.testing.assert_array_equal(explained, mask > 0)  # all of the mask lies in its boxes
        areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        assert areas.argmax() == 0


def test_shapes_have_the_colours_they_are_said_to_have(drawn):
    palette = np.array(list(scenes.COLOURS.values())) * 255
    right = []
    for i in np.flatnonzero([len(boxes) == 1 for boxes in drawn.boxes]):
        colour = np.median(drawn.images[i][drawn.masks[i] > 0], axis=0)
        right.append(((palette - colour) ** 2).sum(1).argmin() == drawn.box_colors[i][0])
    assert np.mean(right) > 0.95


def test_captions_are_true(drawn):
    colours, classes = "|".join(drawn.color_names), "|".join(drawn.class_names)
    noun = rf"an? (?:small |large )?(?:{colours}) (?:{classes})"
    side = "to the left of|to the right of|above|below|partly behind"
    side_of_it = "to its left|to its right|above it|below it|partly behind it"
    place = rf"on a (?:{'|'.join(drawing.TEXTURES)}) ground|in the middle|(?:in|at) the [a-z ]+"
    sentence = re.compile(
        rf"{noun} (?:{place}|(?:{side}) {noun}|"
        rf"with {noun} (?:(?:{side_of_it}) )?and {noun} (?:{side_of_it}))"
    )
    offsets = {"left": (0, -1), "right": (0, 1), "above": (1, -1), "below": (1, 1)}
    for caption, boxes, labels, hues in zip(
        drawn.captions, drawn.boxes, drawn.box_labels, drawn.box_colors, strict=True
    ):
        assert sentence.fullmatch(caption), caption
        assert not re.search(r"\ba [aeiou]|\ban [^aeiou]", caption), caption
        names = [
            f"{drawn.color_names[h]} {drawn.class_names[c]}"
            for h, c in zip(hues, labels, strict=True)
        ]
        found = [" ".join(words.split()[-2:]) for words in re.findall(noun, caption)]
        assert sorted(found) == sorted(names)
        relation = re.search(r" (?:to the )?(left|right|above|below)(?: of)? an? ", caption)
        if relation and len(names) == 2:
            axis, sign = offsets[relation[1]]
            centres = (boxes[:, :2] + boxes[:, 2:]) / 2
            subject = names.index(found[0])
            assert sign * (centres[subject] - centres[1 - subject])[axis] > 0, caption


def test_shapes_do_not_depend_on_how_many_are_drawn(drawn):
    few = data.shapes(70, image_size=64, seed=3)
    np.testing.assert_array_equal(few.images, drawn.images[:70])
    np.testing.assert_array_equal(few.masks, drawn.masks[:70])
    assert few.captions == drawn.captions[:70]
    assert np.any(few.images != data.shapes(70, image_size=64, seed=4).images)


def test_shapes_of_other_sizes(drawn):
    large = data.shapes(20, image_size=128, seed=3)
    halved = large.images.reshape(20, 64, 2, 64, 2, 3).mean((2, 4))
    assert np.abs(halved - drawn.images[:20]).mean() < 6
    wide = data.shapes(20, image_size=(32, 80), max_objects=1)
    assert wide.masks.shape == (20, 32, 80)
    assert {len(boxes) for boxes in wide.boxes} == {1}
    centres = [(boxes[0, 0] + boxes[0, 2]) / 2 for boxes in wide.boxes]
    assert max(centres) > 48  # they use the width


def test_shapes_have_smooth_edges():
    disc = drawing.SHAPES["circle"](np.float32([0.5, 1.5]), np.float32([0, 0]))
    np.testing.assert_allclose(disc, [-0.5, 0.5])
    grid = np.linspace(-1.6, 1.6, 161, dtype=np.float32)
    x, y = np.meshgrid(grid, grid)
    for name, function in drawing.SHAPES.items():
        distance = function(x, y)
        slopes = np.hypot(*np.gradient(distance, grid[1] - grid[0]))
        assert np.median(slopes[np.abs(distance) < 0.1]) == pytest.approx(1, abs=0.02), name
        assert (distance[np.hypot(x, y) > 1.4] > 0).all(), name
        assert 0.3 < (distance < 0).sum() * 0.02**2 < 3.2, name


@pytest.mark.parametrize("options", [{"n": 0}, {"n": 1.5}, {"seed": -1}, {"max_objects": 4}])
def test_wrong_arguments_of_shapes(options):
    argument = next(iter(options))
    with pytest.raises(ValueError, match=f"{argument} must be"):
        data.shapes(**{"n": 1, **options})
