"""Listing and describing models: the generated table, and that it needs no Keras."""

from __future__ import annotations

import dataclasses
import importlib
import json
import subprocess
import sys

import pytest
from cases import CASES

import zoo
from tools import catalogue


@pytest.fixture(scope="module")
def rows():
    """The table, which `python -m tools.catalogue` writes anew."""
    return json.loads(catalogue.PATH.read_text("utf-8"))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_row_is_what_the_code_builds(case, rows):
    family = importlib.import_module(f"zoo.{case.module}")
    assert catalogue.describe(family, case.name) in rows


def test_table_is_in_the_order_of_the_code(rows):
    names = [name for family in catalogue.families() for name in family.VARIANTS]
    assert [row["name"] for row in rows] == names
    assert catalogue.PATH.read_text("utf-8") == catalogue.catalogue(rows)


def test_page_is_current(rows):
    page = (catalogue.ROOT / "docs" / "models.md").read_text("utf-8")
    assert page == catalogue.models_page(rows)
    for row in rows:
        assert {**row, **catalogue.published(row["name"])} == row, row["name"]


def test_info():
    row = zoo.info("resnext50_32x4d")
    assert (row.parameters, row.year, row.module) == (25_028_904, 2017, "resnet")
    assert row.url == "https://arxiv.org/abs/1611.05431"
    assert row.input_shape == (224, 224, 3)
    assert row.weights[0] == "torchvision.imagenet1k_v1"
    assert row.levels == ("C1", "C2", "C3", "C4", "C5")
    with pytest.raises(dataclasses.FrozenInstanceError):
        row.parameters = 0


def test_list_models():
    assert zoo.list_models("vgg1?") == ["vgg11", "vgg13", "vgg16", "vgg19"]
    assert zoo.list_models("LENET*") == ["lenet5"]
    assert zoo.list_models("nothing") == []
    assert zoo.list_models("resnet18") == ["resnet18"]  # though seresnet18 has it, too
    assert zoo.list_models("ResNet18") == ["resnet18"]
    assert zoo.list_models("mobilenet-v3") == zoo.list_models("*mobilenet_v3*")
    assert zoo.list_models("resnet") == zoo.list_models("*resnet*")
    with_weights = zoo.list_models(pretrained=True)
    assert with_weights == [name for name in zoo.list_models() if zoo.info(name).weights]
    assert zoo.list_models("cnn", pretrained=True) == []
    assert len(zoo.list_models()) == len(json.loads(catalogue.PATH.read_text("utf-8")))


def test_unknown_name():
    with pytest.raises(ValueError, match=r"no model 'ResNet51'; did you mean .*resnet50"):
        zoo.create("ResNet51")
    for name, near in (("ResNet-50", "resnet50"), ("resnet50v2", "resnet50_v2")):
        with pytest.raises(ValueError, match=f"no model '{name}'; did you mean {near} or"):
            zoo.info(name)
    with pytest.raises(ValueError, match=r"no model 'qqqq'; zoo.list_models\(\) has them all"):
        zoo.info("qqqq")


LIGHT = """
import sys
import zoo
zoo.list_models(), zoo.info("resnet50"), zoo.create, zoo.features, zoo.profile
from zoo import cli
try:
    cli.app(["info", "resnet50"], standalone_mode=False)
finally:
    heavy = {"keras", "tensorflow", "matplotlib", "numpy"} & set(sys.modules)
    assert not heavy, heavy
"""


def test_importing_and_listing_is_light():
    run = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "25,557,032" in run.stdout


def test_lazy_attributes():
    assert zoo.resnet.resnet20.__name__ == "resnet20"
    assert "stem_stride" in zoo.Options.__annotations__
    importlib.import_module("zoo.graph.features")
    importlib.import_module("zoo.graph.profile")
    assert callable(zoo.features)
    assert callable(zoo.profile)
    with pytest.raises(AttributeError, match="no attribute 'resnet51'"):
        _ = zoo.resnet51
