"""The learning-rate range test."""

import dataclasses
import math

import keras
import numpy as np
import pytest
from PIL import Image
from test_training import Images, same, small
from typer.testing import CliRunner

from zoo.cli import app
from zoo.training import LearningRates, Recipe, find_learning_rate, train


def test_the_suggestion_trains_and_a_hundredth_of_it_does_not(tmp_path):
    recipe = Recipe(optimizer="adam")
    found = find_learning_rate(small, Images(), recipe)
    assert found == find_learning_rate(small, Images(), recipe), "equal seeds, equal tests"
    assert found.rates[0] == pytest.approx(1e-6)
    ratios = np.divide(found.rates[1:], found.rates[:-1])
    assert ratios == pytest.approx(10 ** (7 / 99)), "exponentially"
    results = []
    for rate in (found.suggestion, found.suggestion / 100):
        recipe = Recipe(epochs=8, optimizer="adam", learning_rate=rate)
        results.append(train(small, Images(), recipe, run_dir=tmp_path / f"{rate}", verbose=0))
    good, low = (result.best["val_accuracy"] for result in results)
    assert good > 0.7 > low, "four classes: by chance 0.25"


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_a_model_is_as_it_was(policy):
    keras.config.set_dtype_policy(policy)
    model = small(dropout=0.5)
    model.compile("adam", "mse")
    optimizer, before = model.optimizer, [np.array(v) for v in model.variables]
    found = find_learning_rate(model, Images(), steps=20, highest=0.1)
    assert len(set(found.losses)) == 20, "it was trained"
    assert same([np.array(v) for v in model.variables], before), "seeds of dropout, too"
    assert model.optimizer is optimizer


def test_the_rates_reach_the_optimizer():
    """Of plain gradient descent on the same images: twice the rate gains twice as much."""
    data = dataclasses.replace(Images(), train_size=16)
    recipe = Recipe(momentum=0.0, nesterov=False, weight_decay=0, clip_norm=0)
    gains = []
    for lowest in (1e-3, 2e-3):
        found = find_learning_rate(
            lambda: small(dropout=0.0), data, recipe, lowest=lowest, highest=1.0, steps=10
        )
        gains.append(found.losses[0] - found.losses[1])
    assert gains[0] > 0
    assert gains[1] / gains[0] == pytest.approx(2, rel=0.1)


def test_a_loss_that_is_not_finite_ends_the_test():
    data = dataclasses.replace(Images(), bad=(4, 1))  # the 13th step
    found = find_learning_rate(small, data, steps=20, lowest=1e-3, highest=1.0)
    assert len(found.rates) == len(found.losses) == len(found.smoothed) == 12
    assert all(map(math.isfinite, found.losses + found.smoothed))
    assert found.diverged == pytest.approx(10 ** (-3 + 3 * 12 / 19))
    with pytest.raises(ValueError, match="the loss of small is nan before any training"):
        find_learning_rate(small, dataclasses.replace(Images(), bad=(1, 1)))


@pytest.mark.parametrize(
    ("losses", "diverged", "suggestion", "said"),
    [
        ([2.0] * 5 + [1.0, 0.5, 0.2, 0.4, 2.0], None, 1e-3, "learning rate 0.001: a tenth of 0.01"),
        ([2.0] * 5 + [1.0, 0.5, 0.4, 0.3, 0.2], 10.0, 0.1, "a tenth of 1, where the loss"),
        ([2.0] * 5 + [1.0, 0.5, 0.4, 0.3, 0.2], None, None, "still falls at the highest rate"),
        ([2.0] * 5 + [1.9, 1.9, 1.9, 2.0, 3.0], None, None, "the loss did not fall"),
        ([2.0] * 3, 1e-6, None, "diverged at 1e-06: start from a smaller lowest rate"),
    ],
)
def test_a_suggestion_or_a_reason(losses, diverged, suggestion, said, tmp_path):
    rates = tuple(10.0 ** (i - 9) for i in range(len(losses)))
    found = LearningRates("small", rates, tuple(losses), tuple(losses), diverged)
    assert found.suggestion == suggestion
    assert said in str(found)
    with Image.open(found.plot(tmp_path / "new" / "rates.png")) as picture:
        assert picture.size[0] > 600
    marked = "suggestion" in [line.get_label() for line in found.figure().axes[0].lines]
    assert marked == (suggestion is not None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lowest": 0}, "0 < lowest < highest; received 0"),
        ({"highest": 1e-7}, "received 1e-06 and 1e-07"),
        ({"steps": 9}, "at least 10; received 9"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        find_learning_rate(small, Images(), **arguments)


def test_the_command(tmp_path):
    picture = tmp_path / "rates.svg"
    arguments = ["find-lr", "cnn", "--data", "digits", "--set", "widths=(8,16)"]
    result = CliRunner().invoke(app, [*arguments, "--picture", str(picture)])
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[2] == str(picture)
    rate = float(lines[3].split("--learning-rate ")[1])
    assert 1e-3 < rate < 1
    assert f"suggested learning rate {rate:.2g}" in lines[1]
    assert "cnn on digits, sgd" in picture.read_text()
