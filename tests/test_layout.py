"""The house of DESIGN.md: which rooms a module may reach, and that nothing private is borrowed."""

from __future__ import annotations

import ast
import functools
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("zoo", "applications", "tuning")

# The rooms: names of modules, or of packages with all that is in them.
ROOMS = {
    "common": ["zoo.common"],
    "plumbing": ["zoo.catalogue", "zoo.card", "zoo.photographs", "zoo.compiled"],
    "saving": ["zoo.saving"],
    "layers": ["zoo.layers", "zoo.variables", "zoo.keras_internals"],
    "building": ["zoo._options", "zoo._builders", "zoo._blocks"],
    "families": [
        f"zoo.{path.stem}"
        for path in (ROOT / "zoo").glob("*.py")
        if re.search(r"^VARIANTS\b", path.read_text("utf-8"), re.M)
    ],
    "graph": ["zoo.graph"],
    "plots": ["zoo.plots"],
    "data": ["zoo.data"],
    "training": ["zoo.callbacks", "zoo.training"],
    "inference": ["zoo.inference"],
    "cli": ["zoo.cli", "zoo.__main__"],
    "applications": ["applications"],
    "tuning": ["tuning"],
}
# What each may reach beside itself, through whatever modules. `zoo` itself is a lazy table: its
# names count as the modules that have them.
LOW = {"common", "plumbing", "layers"}
ZOO = set(ROOMS) - {"cli", "applications", "tuning"}
MAY_REACH = {
    "common": set(),
    "plumbing": {"common", "layers"},
    "saving": LOW | {"graph"},
    "layers": {"common"},
    "building": LOW,
    "families": LOW | {"building"},
    "graph": LOW,
    "plots": {"common"},
    "data": LOW | {"plots"},
    "training": LOW | {"saving", "graph", "plots", "data"},
    "inference": LOW | {"saving", "graph"},
    "cli": set(ROOMS),
    "applications": ZOO,
    "tuning": ZOO | {"applications"},
}
# What else a room may load, at any depth.
OUTSIDE = {
    "common": set(),
    "layers": {"keras", "numpy"},
    "building": {"keras", "numpy", "PIL"},
    "families": {"keras", "numpy", "PIL"},
    "graph": {"keras", "numpy", "PIL"},
    "plots": {"numpy", "matplotlib"},
}


@functools.cache
def modules():
    """Name -> file of every module of the project."""
    found = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(part for part in parts if part != "__init__")] = path
    return found


def package_of(module):
    """The package that a module is in; a package is in itself."""
    return module if modules()[module].name == "__init__.py" else module.rpartition(".")[0]


@functools.cache
def imports(module):
    """(module, name or None) of each import, in functions too, but not those for type checkers."""
    tree = ast.parse(modules()[module].read_text("utf-8"))
    unseen = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for statement in block.body
        for node in ast.walk(statement)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in unseen:
            continue
        if isinstance(node, ast.Import):
            found |= {(alias.name, None) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package_of(module).split(".")
                parts = parts[: len(parts) - node.level + 1]
                base = ".".join([*parts, base] if base else parts)
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                found.add((whole, None) if whole in modules() else (base, alias.name))
        elif isinstance(node, ast.Attribute) and getattr(node.value, "id", "") in PACKAGES:
            found.add((node.value.id, node.attr))  # zoo.create
    return found


@functools.cache
def lazy_table(package):
    """Public name -> module of a package's lazy table."""
    tree = ast.parse(modules()[package].read_text("utf-8"))
    return {
        key.value: value.value.partition(":")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Dict)
        for key, value in zip(node.keys, node.values, strict=True)
        if isinstance(key, ast.Constant) and isinstance(value, ast.Constant)
    }


@functools.cache
def edges(module):
    """The modules of the project that a module imports; a lazy name is the module that has it."""
    found = set()
    for name, attribute in imports(module):
        if name in PACKAGES:
            name = lazy_table(name).get(attribute, f"{name}.{attribute}")
        if name in modules():
            found.add(name)
    return found - {module}


@functools.cache
def reached(module):
    """All modules of the project that a module leads to, itself among them."""
    found, new = set(), {module}
    while new:
        found |= new
        new = {other for each in new for other in edges(each)} - found
    return found


def room_of(module):
    """The room that a module is in; None for the lazy tables."""
    for room, members in ROOMS.items():
        if any(module == member or module.startswith(f"{member}.") for member in members):
            return room
    return None


def members(room):
    return sorted(module for module in modules() if room_of(module) == room)


def test_every_module_has_a_room():
    assert {module for module in modules() if room_of(module) is None} == {"zoo"}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_reaches_what_it_may(room):
    assert members(room)
    for module in members(room):
        rooms = {room_of(other): other for other in reached(module)}
        beyond = {other: rooms[other] for other in rooms.keys() - MAY_REACH[room] - {room}}
        assert not beyond, module


@pytest.mark.parametrize("room", OUTSIDE)
def test_a_room_loads_no_other_library(room):
    for module in members(room):
        for other in reached(module) - set(importing("tensorflow", members("layers"))):
            foreign = libraries(other) - set(sys.stdlib_module_names) - {*PACKAGES}
            assert foreign <= OUTSIDE[room], (module, other)


def test_layers_touch_tensorflow_in_one_file():
    assert len(importing("tensorflow", members("layers"))) <= 1


def test_private_touches_of_keras_are_in_one_file():
    assert len(importing("keras.src", modules())) <= 1


def importing(library, among):
    """The modules that import a library, or something of it."""
    return [
        module
        for module in among
        if any(f"{name}.".startswith(f"{library}.") for name, _ in imports(module))
    ]


def libraries(module):
    return {name.partition(".")[0] for name, _ in imports(module)}


def test_the_command_line_looks_up_inside_its_commands():
    for module in members("cli"):
        tree = ast.parse(modules()[module].read_text("utf-8"))
        for node in tree.body:
            if isinstance(node, ast.ImportFrom):
                assert (node.module or "").partition(".")[0] not in ("applications", "tuning"), (
                    module
                )


def test_nothing_goes_round_in_circles():
    circles = {
        tuple(sorted((module, other)))
        for module in modules()
        for other in edges(module)
        if module in reached(other)
    }
    assert not circles


def test_private_names_stay_in_their_package():
    borrowed = []
    for module in modules():
        for name, attribute in imports(module):
            parts = [*name.split("."), *([attribute] if attribute else [])]
            if parts[0] not in PACKAGES:
                continue
            if attribute and name in modules() and attribute.startswith("_"):
                parts = [*package_of(name).split("."), attribute]
            for i, part in enumerate(parts):
                owner = ".".join(parts[:i])
                private = part.startswith("_") and not part.startswith("__")
                if private and not f"{module}.".startswith(f"{owner}."):
                    borrowed.append((module, ".".join(parts)))
    assert not borrowed


def test_setup_installs_the_packages_as_they_stand():
    setup = (ROOT / "setup.cfg").read_text("utf-8")
    assert "package_dir =\n    = ." in setup
    for package in PACKAGES:
        assert (ROOT / package / "__init__.py").exists()
        assert (ROOT / package / "py.typed").exists()
