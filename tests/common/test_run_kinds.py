"""A folder holds one kind of run, says which, and every other command leaves it as it is."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest

import zoo
from applications import cross_validate, finetune
from applications.finetuning import crossvalidation
from applications.finetuning import finetune as finetuning
from tuning import search
from tuning.searching import search as searching
from zoo.common import runs as run_kinds
from zoo.data import load
from zoo.training import Recipe, run_folder, task_named, train

WRITES = {
    "train": run_folder.WRITES,
    "finetune": finetuning.WRITES,
    "cross_validation": crossvalidation.WRITES,
    "tune": searching.WRITES,
}
TITLES = {kind: run_kinds.KINDS[kind].title for kind in WRITES}


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def network():
    return zoo.create("cnn", input_shape=(8, 8, 1), num_classes=10)


@pytest.fixture(scope="module")
def digits():
    return load("digits", batch_size=256)


def start(kind, folder, digits, resume=False):
    """Begin a run of a kind, which takes seconds where it is not refused."""
    if kind == "train":
        train(network, digits, Recipe(epochs=1), run_dir=folder, resume=resume, verbose=0)
    elif kind == "finetune":
        finetune(network(), digits, run_dir=folder, epochs=(1,), resume=resume, verbose=0)
    elif kind == "cross_validation":
        cross_validate(
            network,
            lambda fold: load("digits", fold=fold, batch_size=256),
            run_dir=folder,
            folds=2,
            epochs=(1,),
            resume=resume,
            verbose=0,
        )
    else:
        search(
            "cnn",
            "digits",
            run_dir=folder,
            max_trials=1,
            max_epochs=1,
            in_process=True,
            resume=resume,
            verbose=0,
        )


@pytest.fixture(scope="module")
def runs(digits, tmp_path_factory):
    """A finished run of each kind."""
    folder = tmp_path_factory.mktemp("runs")
    for kind in ("train", "finetune", "tune"):
        start(kind, folder / kind, digits)

    def copy(*arguments, run_dir, **options):
        shutil.copytree(folder / "finetune", run_dir)
        return SimpleNamespace(best={"val_accuracy": 0.5}, task=task_named("classification"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crossvalidation, "finetune", copy)
        start("cross_validation", folder / "cross_validation", digits)
    return folder


@pytest.mark.parametrize("kind", WRITES)
def test_a_run_is_left_alone_by_every_other_command(kind, runs, digits):
    folder = runs / kind
    stated = json.loads((folder / "run.json").read_text())
    assert stated == {
        "schema": 1,
        "kind": kind,
        "package": "keras-modelzoo",
        "version": zoo.__version__,
    }
    before = contents(runs)
    for other in WRITES:
        for resume in (False, True):
            if other == kind and resume:
                continue
            says = "already holds" if other == kind else "holds"
            with pytest.raises(FileExistsError, match=f"{says} {TITLES[kind]}") as error:
                start(other, folder, digits, resume)
            assert "give another folder" in str(error.value)
            assert "\n" not in str(error.value)
    assert contents(runs) == before


@pytest.mark.parametrize("kind", ["train", "finetune", "tune"])
def test_the_command_line_refuses_another_kind_of_run(kind, runs):
    before = contents(runs)
    for command in {"train", "finetune", "tune"} - {kind}:
        arguments = ["resnet20", "--data", "digits", "--run-dir", str(runs / kind), "--resume"]
        done = subprocess.run(
            [sys.executable, "-m", "zoo", command, *arguments], capture_output=True, text=True
        )
        assert done.returncode == 2
        assert f"holds {TITLES[kind]}" in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert contents(runs) == before


def test_parts_of_a_run_are_runs_too(runs):
    found = {
        path.parent.relative_to(runs).as_posix(): run_kinds.kind_of(path.parent)
        for path in runs.rglob("run.json")
    }
    assert found == {
        **{kind: kind for kind in WRITES},
        "finetune/phase-1-head": "train",
        "cross_validation/fold-0": "finetune",
        "cross_validation/fold-0/phase-1-head": "train",
        "cross_validation/fold-1": "finetune",
        "cross_validation/fold-1/phase-1-head": "train",
        "tune/trials/trial_0/execution-0": "train",
    }


def test_every_name_that_is_written_is_looked_for(runs):
    """Or a new kind of file would replace a user's."""
    for kind, names in WRITES.items():
        expected = {path.name for name in names for path in (runs / kind).glob(name)}
        written = {path.name for path in (runs / kind).iterdir()}
        assert written - expected <= {"run.json", ".lock"}, kind


@pytest.mark.parametrize("kind", WRITES)
def test_files_of_others_are_not_replaced(kind, tmp_path, digits):
    for pattern in (*WRITES[kind], "run.json"):
        folder = tmp_path / pattern.replace("*", "x")
        folder.mkdir()
        (folder / "thesis.txt").write_text("kept")
        taken = folder / pattern.replace("*", "1-x")
        taken.write_text("kept")
        before = contents(tmp_path)
        for resume in (False, True):
            with pytest.raises(FileExistsError, match=f"no run of this package, and {taken.name}"):
                start(kind, folder, digits, resume)
        assert contents(tmp_path) == before


def test_a_run_begins_beside_other_files_and_again_if_it_wrote_nothing(tmp_path, digits):
    (tmp_path / "thesis.txt").write_text("kept")
    (tmp_path / ".lock").write_text("kept")
    (tmp_path / "snapshots").mkdir()  # empty
    (tmp_path / ".writing-x").mkdir()  # of an export that was killed

    def failing():
        raise RuntimeError("no such model")

    for _ in range(2):
        with pytest.raises(RuntimeError, match="no such model"):
            train(failing, digits, Recipe(epochs=1), run_dir=tmp_path, verbose=0)
    assert run_kinds.kind_of(tmp_path) is None
    start("train", tmp_path, digits)
    assert (tmp_path / "best.keras").exists()
    assert run_kinds.kind_of(tmp_path) == "train"
    assert (tmp_path / "thesis.txt").read_text() == (tmp_path / ".lock").read_text() == "kept"
    with pytest.raises(NotADirectoryError, match=r"thesis\.txt is a file"):
        start("train", tmp_path / "thesis.txt", digits)


@pytest.mark.parametrize("kind", WRITES)
def test_runs_of_earlier_versions_are_known(kind, runs, tmp_path):
    """They have no run.json."""
    for path in (runs / kind).rglob("*"):
        copy = tmp_path / path.relative_to(runs / kind)
        if path.name != "run.json" and path.is_dir():
            copy.mkdir(parents=True)
        elif path.name != "run.json":
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    assert run_kinds.kind_of(tmp_path) == kind
    run_kinds.claim(tmp_path, kind, resume=True, writes=WRITES[kind])
    assert json.loads((tmp_path / "run.json").read_text())["kind"] == kind


def test_a_configuration_alone_is_no_run(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    assert run_kinds.kind_of(tmp_path) is None
    (tmp_path / "run.json").write_text('["mine"]')
    assert run_kinds.kind_of(tmp_path) is None


def test_kinds_of_later_versions_are_left_alone(tmp_path):
    stated = {"schema": 2, "kind": "gan", "package": "keras-modelzoo", "version": "9"}
    (tmp_path / "run.json").write_text(json.dumps(stated))
    for resume in (False, True):
        with pytest.raises(FileExistsError, match="a run of kind 'gan'"):
            run_kinds.claim(tmp_path, "train", resume=resume, writes=run_folder.WRITES)
    assert json.loads((tmp_path / "run.json").read_text()) == stated


def test_of_two_kinds_at_once_one_gets_the_folder(tmp_path, monkeypatch):
    write = run_kinds.write_json

    def late(path, value):
        write(path, value)
        write(path, {**value, "kind": "tune"})  # the other was a moment later

    monkeypatch.setattr(run_kinds, "write_json", late)
    with pytest.raises(FileExistsError, match="holds a search"):
        run_kinds.claim(tmp_path, "train", resume=False, writes=run_folder.WRITES)


def test_a_worker_may_come_before_the_chief(tmp_path):
    run_kinds.claim(tmp_path, "tune", resume=True, writes=WRITES["tune"])
    (tmp_path / "trials" / "trial_0").mkdir(parents=True)
    run_kinds.claim(tmp_path, "tune", resume=False, writes=WRITES["tune"])
    (tmp_path / "search.json").touch()
    with pytest.raises(FileExistsError, match="already holds a search"):
        run_kinds.claim(tmp_path, "tune", resume=False, writes=WRITES["tune"])
