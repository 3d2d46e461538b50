"""The search: spaces, budget, engines, failures, resuming after kills, workers."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import keras_tuner
import numpy as np
import pytest
from cases import FAMILIES

import tuning
import zoo
from tuning import space as spaces
from tuning.results import SearchResult, Trial, why_nothing
from tuning.searching import distributed
from tuning.searching.candidate import Candidate
from tuning.searching.engines import ENGINES
from tuning.space.hypermodel import HyperClassifier
from zoo import resnet
from zoo.data import load
from zoo.training import Recipe

DIGITS = {"input_shape": (8, 8, 1), "num_classes": 10}


def choices(name, space, **shape):
    """Every hyperparameter that a space has for a model."""
    hp = keras_tuner.HyperParameters()
    hypermodel = HyperClassifier(name, **{**DIGITS, **shape}, space=space)
    candidate = hypermodel.candidate(hp)
    return {each.name: each for each in hp.space}, candidate


@pytest.mark.parametrize("name", ["lenet5", "cnn", "vgg11", "resnet50", "mobilenet_v2", "vit_b_16"])
def test_defaults_are_the_network_as_it_is(name):
    shape = {"input_shape": zoo.info(name).input_shape}
    _, candidate = choices(name, spaces.stride | spaces.pooling | spaces.dropout(max=0.8), **shape)
    paper = zoo.create(name, num_classes=10)
    ours = candidate.build()
    assert [v.shape for v in ours.variables] == [v.shape for v in paper.variables]
    assert ours.output_shape == paper.output_shape
    kept = [{**layer.get_config(), "name": None} for layer in paper.layers]
    assert [{**layer.get_config(), "name": None} for layer in ours.layers] == kept


def test_spaces_offer_what_the_architecture_has():
    every = spaces.named("all") | spaces.finetune
    names, _ = choices("vit_b_16", every, input_shape=(224, 224, 3))
    assert not names.keys() & {"stage1_stride", "output_stride", "downsample", "spatial_dropout"}
    assert {"drop_path_rate", "pooling", "weights", "frozen_through"} <= names.keys()
    names, _ = choices("vgg11", every, input_shape=(224, 224, 3))
    assert "drop_path_rate" not in names
    names, candidate = choices("resnet50", every, input_shape=(224, 224, 3))
    assert {"stem_stride", "stage2_stride", "stage4_stride", "output_stride"} <= names.keys()
    assert "stage1_stride" not in names
    assert [c.name for c in names["stage4_stride"].conditions] == ["output_stride"]
    assert candidate.options["output_stride"] == 32
    assert {"resnet50", "resnet101", "resnext50_32x4d"} <= set(names["variant"].values)
    assert not {"resnet18", "resnet50_v2"} & set(names["variant"].values)
    assert names["sgd_learning_rate"].sampling == "log"


def test_spaces_add_up_and_later_ones_overwrite():
    def own(hp):
        return {"activation": hp.Choice("activation", ["relu", "silu"]), "dropout": 0.25}

    names, candidate = choices("cnn", spaces.dropout(max=0.4) | own)
    assert names["dropout"].max_value == 0.4
    assert candidate.options["dropout"] == 0.25
    assert candidate.options["activation"] == "relu"
    with pytest.raises(TypeError, match="has no limit most; it takes max"):
        spaces.dropout(most=0.4)
    with pytest.raises(TypeError, match="must return a dictionary of settings"):
        choices("cnn", spaces.dropout | (lambda hp: hp.Boolean("b")))
    with pytest.raises(ValueError, match=r"no space 'strid'.*the spaces are stride, pooling"):
        spaces.named("strid")


@pytest.mark.parametrize("case", FAMILIES, ids=str)
def test_every_space_is_for_every_family(case):
    shape = zoo.info(case.name).input_shape
    model = HyperClassifier(case.name, input_shape=shape, num_classes=10, space="all")
    hp = keras_tuner.HyperParameters()
    model.candidate(hp)
    drawn = random.Random(case.name)
    for each in hp.space:
        hp.values[each.name] = each.random_sample(drawn.randrange(10**6))
    candidate = model.candidate(hp)
    assert {"stride", "pooling", "optimizer"} & hp.values.keys()
    assert candidate.make_recipe().optimizer == hp.values["optimizer"]
    with contextlib.suppress(ValueError):  # choices that do not fit together
        assert candidate.costs["macs"] > 0
    for name, space in spaces.NAMED.items():
        if spaces.choices(space, model.network):
            HyperClassifier(case.name, input_shape=shape, num_classes=10, space=name)
        else:
            with pytest.raises(ValueError, match=f"space '{name}' has nothing to choose"):
                HyperClassifier(case.name, input_shape=shape, num_classes=10, space=name)


def test_a_space_is_given_in_several_ways():
    for given in ("stride,dropout", ["stride", spaces.dropout], spaces.stride | spaces.dropout):
        model = HyperClassifier("cnn", **DIGITS, space=given)
        assert str(model.space) == "<Space stride | dropout>"
    with pytest.raises(TypeError, match=r"space must be a sum of tuning\.space's"):
        HyperClassifier("cnn", **DIGITS, space=5)


def test_what_is_fixed_and_searched_is_refused():
    with pytest.raises(ValueError, match=r"dropout=0\.3 is fixed, and the space searches dropout"):
        HyperClassifier("cnn", **DIGITS, space="dropout", dropout=0.3)
    with pytest.raises(ValueError, match=r"mixup=0\.2 is fixed, and the space searches mixup"):
        HyperClassifier("cnn", **DIGITS, space="regularization", recipe={"mixup": 0.2})
    with pytest.raises(TypeError, match="cnn has no option 'width'; did you mean 'widths'"):
        HyperClassifier("cnn", **DIGITS, width=8)
    with pytest.raises(ValueError, match="freezes pretrained weights, and there are none"):
        HyperClassifier("cnn", **DIGITS, frozen_through="C2")
    model = HyperClassifier("cnn", **DIGITS, space=spaces.augmentation, recipe={"ema": 0.9})
    with pytest.raises(ValueError, match=r"augment, ema take effect with tuning\.search alone"):
        model.build(keras_tuner.HyperParameters())


def test_momentum_is_of_sgd_alone():
    with pytest.raises(ValueError, match="momentum is an option of SGD, and the optimizer is"):
        Recipe(optimizer="adamw", momentum=0.8)
    candidate = Candidate.of("cnn", {"optimizer": "adamw", "momentum": 0.8})
    assert candidate.recipe == {"optimizer": "adamw"}


def test_settings_find_what_takes_them():
    candidate = Candidate.of(
        "cnn", {"variant": "lenet5", "mixup": 0.2, "batch_size": 16, "weights": "none", "name": "x"}
    )
    assert candidate.builder == "lenet5"
    assert candidate.recipe == {"mixup": 0.2}
    assert candidate.data == {"batch_size": 16}
    assert candidate.options == {"name": "x"}
    assert candidate.weights is None
    assert Candidate(**candidate.as_json()).key == candidate.key


def test_any_tuner_of_keras_tuner_takes_the_hypermodel(tmp_path):
    digits = load("digits", batch_size=256)
    images, labels = next(iter(digits.train))
    hypermodel = HyperClassifier(
        resnet.resnet20, **DIGITS, space=spaces.dropout | spaces.optimizer | spaces.regularization
    )
    tuner = keras_tuner.BayesianOptimization(
        hypermodel, objective="val_accuracy", max_trials=2, directory=tmp_path, seed=1
    )
    tuner.search(
        images.numpy(), labels.numpy(), validation_data=(images, labels), epochs=1, verbose=0
    )
    assert len(tuner.oracle.trials) == 2
    assert all(trial.status == "COMPLETED" for trial in tuner.oracle.trials.values())
    assert tuner.get_best_models()[0].output_shape == (None, 10)


WRONG = [
    ({"budget": 5}, "budget must be a tuning.Budget, or its limits"),
    ({"budget": {"mac": "50M"}}, "a budget has no limit 'mac'"),
    ({"objective": "accuracy"}, "which training images alone decide: say val_accuracy"),
    ({"objective": "val_accuracy, size"}, "objective must be one of val_accuracy"),
    (
        {"objective": "val_top5_accuracy"},
        "with 10 outputs val_top5_accuracy is not measured: say one of val_loss, val_acc",
    ),
    ({"objective": 5}, "objective must be one of val_accuracy"),
    ({"max_trials": "5"}, "max_trials must be a whole number of at least 1; received '5'"),
    ({"workers": "2"}, "workers must be a whole number"),
    ({"workers": 2, "in_process": True}, "workers=2 are processes of this machine"),
    ({"time_limit": "5"}, "time_limit must be above 0 seconds; received '5'"),
    ({"time_limit": 5, "in_process": True}, "with in_process there is none"),
    ({"data_options": 5}, "data_options must be a dictionary"),
    ({"options": {"dropout": 0.1}}, "give them to it alone"),
    ({"data": (1, 2)}, "images must be numbers"),
]
# Where the hypermodel is made by the search, and its engine is Hyperband.
WRONG_OF_HYPERBAND = [
    ({"recipe": {"schedule": "step"}}, "so the rate is constant after half an epoch"),
    ({"recipe": {"learning_rat": 1}}, "has no option 'learning_rat'; did you mean 'learning_rate'"),
    ({"recipe": {"epochs": 3}}, "the recipe asks for 3 epochs, and the search for max_epochs=10"),
    ({"space": spaces.optimizer(schedules=["step", "cosine"])}, "there is no schedule to search"),
    ({"space": lambda hp: {"dropout": 0.1}}, "the space has nothing to choose for cnn"),
    ({"data_options": {"batch_size": 8}}, "batch_size=8 is fixed for the data, and the space"),
    ({"options": {"num_classes": 3}}, "num_classes follows from the data"),
]


def test_wrong_arguments_are_told_early(tmp_path):
    with pytest.raises(ValueError, match="did you mean resnet"):
        HyperClassifier("resnet21", **DIGITS)
    with pytest.raises(TypeError, match="builder must be a model's name or its function"):
        HyperClassifier(keras.Sequential, **DIGITS)
    arguments = {"run_dir": tmp_path / "s", "space": spaces.dropout, "max_epochs": 1}
    model = HyperClassifier("cnn", **DIGITS, space=spaces.dropout)
    with pytest.raises(ValueError, match="engine must be one of 'random', 'bayesian'"):
        tuning.search(model, "digits", run_dir=tmp_path / "s", engine="rand", max_trials=1)
    with pytest.raises(ValueError, match="give them to it alone"):
        tuning.search(model, "digits", **arguments)
    with pytest.raises(ValueError, match="recipe and options: give them to it alone"):
        tuning.search(model, "digits", run_dir=tmp_path / "s", recipe=Recipe(mixup=0.2))
    with pytest.raises(ValueError, match="data has a function that other processes cannot import"):
        tuning.search("cnn", lambda batch_size: None, run_dir=tmp_path / "s")
    with pytest.raises(ValueError, match="space has a function that other processes cannot import"):
        tuning.search("cnn", "digits", run_dir=tmp_path / "s", space=lambda hp: {}, workers=2)
    for wrong, message in WRONG:
        with pytest.raises((ValueError, TypeError), match=message):
            tuning.search(**{"model": model, "data": "digits", "run_dir": tmp_path / "s", **wrong})
    given = {"model": "cnn", "data": untrained, "space": "optimizer", "in_process": True}
    for wrong, message in WRONG_OF_HYPERBAND:
        with pytest.raises((ValueError, TypeError), match=message):
            tuning.search(**{**given, "run_dir": tmp_path / "s", "engine": "hyperband", **wrong})
    with pytest.raises(ValueError, match="objective must be one of val_accuracy, val_loss"):
        tuning.search(model, "digits", run_dir=tmp_path / "s", objective=["val_accuracy", "size"])
    with pytest.raises(ValueError, match="Budget: macs must be a number above 0"):
        tuning.Budget(macs=-1)
    assert not (tmp_path / "s" / "trials").exists()


NOTEBOOK = """
import tuning, zoo.data
from tuning import space
def mine(batch_size=32, augment=None):
    return zoo.data.load("digits", batch_size=batch_size, validation_split=0.6)
arguments = dict(run_dir={folder!r}, space=space.dropout, max_trials=1, max_epochs=1, verbose=0)
try:
    tuning.search("cnn", mine, **arguments)
except ValueError as error:
    assert "it is not in a file" in str(error), error
    print(tuning.search("cnn", mine, in_process=True, **arguments).best.status)
"""


def test_functions_of_a_notebook_are_searched_in_its_own_process(tmp_path):
    text = NOTEBOOK.format(folder=str(tmp_path / "s"))
    run = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True)
    assert run.stdout == "completed\n", run.stderr


def search(folder, model="cnn", data="digits", **arguments):
    """A search in this process, over a hypermodel that asks no data for its shapes."""
    space = arguments.pop("space", spaces.dropout | spaces.pooling)
    options = arguments.pop("options", {})
    return tuning.search(
        HyperClassifier(model, **DIGITS, space=space, **options),
        data,
        run_dir=folder,
        **{"max_epochs": 1, "verbose": 0, "in_process": True, "max_trials": 3, "report": False}
        | arguments,
    )


def untrained(batch_size=32, augment=None):
    """Few images, so that a trial is over at once."""
    import dataclasses

    data = load("digits", batch_size=batch_size, validation_split=0.6)
    return dataclasses.replace(data, steps_per_epoch=1)


def test_a_candidate_over_the_budget_is_skipped_and_counted(tmp_path):
    small = {**DIGITS, "widths": (8, 16), "strides": (2, 2)}
    limit = 1.5 * Candidate.of("cnn", small).costs["macs"]
    result = search(
        tmp_path / "s",
        data=untrained,
        space=spaces.option("widths", ["8", "16"]) | stages,
        budget=tuning.Budget(macs=limit),
        max_trials=None,
        engine="grid",
    )
    skipped = [trial for trial in result.trials if trial.status == "skipped"]
    assert skipped
    for trial in skipped:
        assert "over the budget of" in trial.reason
        assert trial.metrics["macs"] > limit
        assert not list(trial.folder.glob("execution-*"))
    trained = [trial for trial in result.trials if trial.status == "completed"]
    assert all(trial.metrics["macs"] <= limit for trial in trained)
    assert len(trained) + len(skipped) == len(result.trials) == 8
    rows = list(csv.DictReader((tmp_path / "s" / "trials.csv").open()))
    assert [row["status"] for row in rows] == [trial.status for trial in result.trials]


def test_a_search_that_trained_nothing_is_an_error_with_its_reason(tmp_path, capsys):
    space = spaces.option("widths", ["8", "16"]) | stages
    arguments = {"budget": {"macs": "10"}, "engine": "grid", "max_trials": None}
    arguments |= {"verbose": 1, "report": True}
    with pytest.raises(tuning.SearchError, match=r"8 skipped, 0 failed.*; 8 of them as trial") as e:
        search(tmp_path / "s", data=untrained, space=space, **arguments)
    assert "over the budget of 10. To continue, raise the budget" in str(e.value)
    assert "8 candidates skipped" in capsys.readouterr().out
    assert len(list(csv.DictReader((tmp_path / "s" / "trials.csv").open()))) == 8
    assert "over the budget of 10" in (tmp_path / "s" / "report.html").read_text()


def test_a_failed_trial_names_its_log_if_there_is_one(tmp_path):
    trial = Trial("0", "failed", "ValueError: no", {}, None, {}, 0, 0.0, tmp_path)
    result = SearchResult(tmp_path, [trial], "val_accuracy", "max")
    assert why_nothing(result).endswith(
        "ValueError: no. To continue, change the space, or what is fixed"
    )
    (tmp_path / "log.txt").touch()
    assert why_nothing(result).endswith(f"To continue, see {tmp_path / 'log.txt'}")


def test_other_backends_are_refused_at_the_start(tmp_path, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(RuntimeError, match="set KERAS_BACKEND=tensorflow"):
        tuning.search("cnn", "digits", run_dir=tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_a_users_file_in_the_working_folder_is_not_ours(tmp_path):
    for name in ("zoo.py", "tuning.py"):
        (tmp_path / name).write_text("raise SystemExit('not mine')")
    text = "from zoo.cli import main; main()"
    tune = ["tune", "cnn", "--data", "digits", "--space", "pooling", "--max-trials", "1"]
    command = [sys.executable, "-P", "-c", text, *tune, "--epochs", "1"]
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert "1 completed" in run.stdout
    paths = [*sys.path[1:], str(Path(zoo.__file__).parents[1])]
    (tmp_path / "zoo.py").unlink()
    command = [sys.executable, "-c", f"import sys; sys.path[1:] = {paths!r}; {text}", *tune]
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 2
    assert run.stderr.startswith("zoo: tuning is "), run.stderr
    assert "tuning.py, not that of keras-modelzoo" in run.stderr


def stages(hp):
    """Widths and strides of the small network, as numbers in text."""
    width = int(hp.get("widths"))
    stride = hp.Choice("stride", [2, 1])
    depth = hp.Choice("depth", [2, 1])
    return {"widths": (width, 2 * width)[:depth], "strides": (stride,) * depth}


def test_equal_networks_are_trained_once(tmp_path):
    def same(hp):
        hp.Choice("decoy", [1, 2, 3])
        return {"dropout": hp.Choice("dropout", [0.0, 0.2])}

    result = search(tmp_path / "s", data=untrained, space=same, engine="grid", max_trials=None)
    assert len(result.trials) == 6
    reasons = [trial.reason for trial in result.trials]
    assert sum(reason.startswith("duplicate of") for reason in reasons) == 4
    assert len(list((tmp_path / "s").rglob("curves.csv"))) == 2
    by_dropout = {}
    for trial in result.trials:
        by_dropout.setdefault(trial.values["dropout"], set()).add(trial.score)
    assert all(len(scores) == 1 for scores in by_dropout.values())


def test_choices_that_do_not_fit_together_are_skipped(tmp_path):
    result = search(
        tmp_path / "s",
        model="lenet5",
        data=untrained,
        space=spaces.option("padding", ["valid", "same"]),
        engine="grid",
        max_trials=1,
    )
    reasons = [trial.reason for trial in result.trials if trial.status == "skipped"]
    assert reasons
    assert all("shrinks images of 8 x 8 to nothing" in reason for reason in reasons)
    assert result.count("completed") == 1


@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_engines_run_to_their_end(engine, tmp_path):
    more = {"max_epochs": 3} if engine == "hyperband" else {}
    space = spaces.option("dropout", [0.0, 0.2]) | spaces.option("pooling", ["avg", "max"])
    trials = None if engine in ("grid", "hyperband") else 3
    result = search(
        tmp_path / "s", data=untrained, engine=engine, space=space, max_trials=trials, **more
    )
    assert result.count("completed") == len(result.trials)
    expected = {"random": 3, "bayesian": 3, "grid": 4}
    assert len(result.trials) == expected.get(engine, len(result.trials))
    if engine == "hyperband":
        epochs = [trial.epochs for trial in result.trials]
        assert set(epochs) == {1, 3}
        again = [
            path
            for path in (tmp_path / "s").rglob("candidate.json")
            if json.loads(path.read_text())["continues"]
        ]
        assert again  # some went on from a shorter trial
    best = json.loads((tmp_path / "s" / "best.json").read_text())
    model = keras.models.load_model(tmp_path / "s" / "best.keras")
    rebuilt = Candidate(
        **{name: best[name] for name in ("builder", "options", "recipe", "data")}
    ).build()
    assert [w.shape for w in model.weights] == [w.shape for w in rebuilt.weights]


def test_checkpoints_of_the_best_alone_are_kept(tmp_path):
    result = search(tmp_path / "s", data=untrained, max_trials=5, keep=2)
    kept = {path.parents[1].name for path in (tmp_path / "s" / "trials").rglob("best.keras")}
    ranked = sorted(result.trials, key=lambda trial: -trial.score)
    assert {f"trial_{trial.id}" for trial in ranked[:2]} == kept
    assert len(list((tmp_path / "s").rglob("curves.csv"))) == 5


def test_several_objectives(tmp_path):
    result = search(
        tmp_path / "s",
        data=untrained,
        space=spaces.option("widths", ["8", "16"]) | stages,
        objective=["val_accuracy", "macs"],
        max_trials=3,
        report=True,
    )
    reference = json.loads((tmp_path / "s" / "search.json").read_text())["reference"]["macs"]
    for trial in result.trials:
        relative = trial.metrics["macs"] / reference
        assert trial.score == pytest.approx(trial.metrics["val_accuracy"] * relative**-0.07)
    assert {"scores.png", "curves.png", "pareto-macs.png", "parallel.png"} <= {
        path.name for path in (tmp_path / "s").iterdir()
    }


def test_another_search_in_the_folder_is_refused(tmp_path):
    search(tmp_path / "s", data=untrained, max_trials=1)
    with pytest.raises(FileExistsError, match="resume=True"):
        search(tmp_path / "s", data=untrained, max_trials=1)
    with pytest.raises(ValueError, match="another search: seed: 0 -> 1"):
        search(tmp_path / "s", data=untrained, max_trials=1, resume=True, seed=1)
    trials = tmp_path / "s" / "trials"
    for name in ("trial_7", "trial_notes"):  # one that was killed when it began, and notes
        (trials / name).mkdir()
    for name in ("trial_7/candidate.json", "trial_7/.writing-trial.json", "trial_notes/thesis"):
        (trials / name).write_text('{"skipped": "too large", "same_as": ""}')
    more = search(tmp_path / "s", data=untrained, max_trials=2, resume=True)
    assert len(more.trials) == 2
    assert [path.name for path in (trials / "trial_notes").iterdir()] == ["thesis"]
    assert not (trials / "trial_7").exists()


def troubled(batch_size=32, augment=None):
    """Data whose batch size says what goes wrong."""
    match batch_size:
        case 1:
            raise RuntimeError("no such luck")
        case 2:
            os.kill(os.getpid(), signal.SIGKILL)
        case 3:
            time.sleep(600)
        case 4:
            raise MemoryError
    return untrained(32)


@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
def test_a_trial_that_fails_is_told_and_the_search_goes_on(tmp_path):
    result = search(
        tmp_path / "s",
        data=troubled,
        space=spaces.option("batch_size", [1, 2, 3, 4, 32]),
        engine="grid",
        max_trials=None,
        in_process=False,
        time_limit=20,
    )
    reasons = {trial.values["batch_size"]: trial.reason for trial in result.trials}
    assert reasons == {
        1: "RuntimeError: no such luck",
        2: "was killed (SIGKILL), which is what the system does when memory runs out",
        3: "took longer than time_limit=20 seconds",
        4: "ran out of memory",
        32: "",
    }
    assert result.best.values == {"batch_size": 32}


def test_the_share_of_each_worker(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-1f, 3")
    assert distributed._gpus() == ["GPU-1f", "3"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert distributed._gpus() == []


def test_latency_is_measured_and_limited(tmp_path):
    arguments = {"data": untrained, "space": spaces.option("dropout", [0.0, 0.2]), "max_trials": 1}
    result = search(
        tmp_path / "a", objective=["val_accuracy", "latency"], engine="grid", **arguments
    )
    assert 0 < result.trials[0].metrics["latency"] < 10
    with pytest.raises(tuning.SearchError, match=r"2 skipped, 0 failed.*budget of 1e-06 ms"):
        search(tmp_path / "b", budget={"latency": 1e-9}, engine="grid", **arguments)
    result = tuning.read(tmp_path / "b")
    assert [trial.status for trial in result.trials] == ["skipped", "skipped"]


def test_pretrained_weights_are_a_choice(tmp_path):
    """A file of weights, whose backbone stays as it is."""
    from applications.weights import formats

    source = zoo.create("cnn", **DIGITS)
    path = tmp_path / "cnn.safetensors"
    formats.write(path, {v.path: v.numpy() for v in source.variables})
    space = spaces.finetune(weights=[str(path)], frozen=["C3"])
    model = HyperClassifier("cnn", **DIGITS, space=space)
    hp = keras_tuner.HyperParameters()
    tuned = model.candidate(hp).build()
    assert hp.values == {"weights": str(path)}
    frozen = [layer for layer in tuned.layers if layer.weights and not layer.trainable]
    assert {layer.name for layer in tuned.layers if layer.weights} - {
        layer.name for layer in frozen
    } == {"head_dense"}
    for layer in frozen:
        for ours, theirs in zip(layer.weights, source.get_layer(layer.name).weights, strict=True):
            np.testing.assert_array_equal(ours, theirs)


SCRIPT = """
import sys
sys.path[:0] = {tests!r}
import test_tuning
result = test_tuning.search({folder!r}, data=test_tuning.slow, in_process=False, resume=True,
                            max_trials=3, max_epochs=3, workers={workers}, seed=3)
"""


def slow(batch_size=32, augment=None):
    """Epochs of a few seconds."""
    return load("digits", batch_size=batch_size, validation_split=0.3)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    """The folder of a search that nobody disturbs."""
    folder = tmp_path_factory.mktemp("search") / "quiet"
    process = start(folder, 1)
    assert process.wait() == 0, process.stderr.read().decode()
    return folder


def start(folder, workers, **environment):
    here = Path(__file__).parents
    tests = [str(here[0]), str(here[2])]
    text = SCRIPT.format(tests=tests, folder=str(folder), workers=workers)
    return subprocess.Popen(
        [sys.executable, "-c", text],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, **environment},
    )


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
def test_a_killed_search_continues_to_the_same_trials(quiet, tmp_path):
    """First all of it is killed, then each of its processes, which are started again."""
    folder = tmp_path / "killed"
    process = start(folder, 1)
    while process.poll() is None and not list(folder.rglob("epoch-*.npz")):
        time.sleep(0.05)
    process.kill()
    process.wait()
    process = start(folder, 2)
    killed, names = set(), ("tuner0", "chief", "tuner1")
    while process.poll() is None and len(killed) < 3:
        time.sleep(0.05)
        pids = {name: started(folder / f"{name}.log") for name in names}
        others = [name for name in names if pids[name] and name not in killed]
        if others and all(len(pids[name]) > 1 for name in killed):
            os.kill(pids[others[0]][-1], signal.SIGKILL)
            killed.add(others[0])
    assert process.wait() == 0, process.stderr.read().decode()
    assert killed == {"tuner0", "chief", "tuner1"}
    before, after = tuning.read(quiet), tuning.read(folder)
    assert [trial.values for trial in after.trials] == [trial.values for trial in before.trials]
    assert [trial.status for trial in after.trials] == ["completed"] * 3
    # beside another worker a trial has fewer threads, whose sums round otherwise: that may turn two
    # of the 539 validation images; test_resume has what is equal bit for bit
    np.testing.assert_allclose(
        [trial.score for trial in after.trials],
        [trial.score for trial in before.trials],
        atol=2.1 / 539,
    )


def started(log):
    """The processes that a worker's log names."""
    text = log.read_text() if log.exists() else ""
    return [int(pid) for pid in re.findall(r"is process (\d+)", text)]


@pytest.mark.slow
def test_the_same_call_on_several_machines(quiet, tmp_path):
    """Here three processes, which find each other by KerasTuner's variables."""
    port = str(distributed._free_port())
    address = {"KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": port}
    names = ("chief", "tuner0", "tuner1")
    machines = [start(tmp_path / "s", 1, KERASTUNER_TUNER_ID=name, **address) for name in names]
    for machine in machines:
        assert machine.wait() == 0, machine.stderr.read().decode()
    before, after = tuning.read(quiet), tuning.read(tmp_path / "s")
    assert [t.score for t in after.trials] == [t.score for t in before.trials]
    assert (tmp_path / "s" / "trials.csv").exists()
