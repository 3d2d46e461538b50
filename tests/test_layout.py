"""The layers of the house: tuning -> applications -> zoo, and architectures on keras alone."""

from __future__ import annotations

import ast
import itertools
from pathlib import Path

import pytest

from zoo import _generate

ROOT = Path(__file__).parents[1]
LOWER = {"zoo": {"applications", "tuning"}, "applications": {"tuning"}, "tuning": set()}


def imports(path, everywhere=True):
    """The modules that a file imports, or only those at its top."""
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


@pytest.mark.parametrize("package", LOWER)
def test_imports_run_one_way(package):
    for path in (ROOT / package).rglob("*.py"):
        top = not (package == "zoo" and path.parent.name == "cli")  # its commands may look up
        found = {name.split(".")[0] for name in imports(path, everywhere=top)}
        assert not found & LOWER[package], path


def test_architectures_import_keras_alone():
    folders = [(ROOT / "zoo" / name).glob("*.py") for name in ("_blocks", "layers")]
    shared = [ROOT / "zoo" / "_options.py", *itertools.chain(*folders)]
    for path in [*shared, *(Path(family.__file__) for family in _generate.families())]:
        lazily = path.name == "tensorflow_ops.py"  # the one file of layers that may
        found = set(imports(path, everywhere=not lazily))
        assert not any(name.startswith("keras.src") for name in found), path
        assert not {name.split(".")[0] for name in found} & {"tensorflow", "jax", "torch"}, path


def test_setup_installs_the_packages_as_they_stand():
    setup = (ROOT / "setup.cfg").read_text("utf-8")
    assert "package_dir =\n    = ." in setup
    for package in LOWER:
        assert (ROOT / package / "__init__.py").exists()
        assert (ROOT / package / "py.typed").exists()
