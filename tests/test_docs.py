"""What the documentation shows, runs: docstring examples, and each block of Python on its own."""

from __future__ import annotations

import doctest
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = [  # "README.md:90", the code that begins there
    (f"{page.relative_to(ROOT)}:{text.count(chr(10), 0, found.start()) + 1}", found[1])
    for page in PAGES
    for text in [page.read_text("utf-8")]
    for found in re.finditer(r"```python\n(.*?)```", text, re.S)
]
SHORTER = {"max_trials=20": "max_trials=1, max_epochs=1, in_process=True"}  # a quarter of an hour


def modules_with_examples():
    """The modules that have an example in a docstring, found without importing them."""
    for package in ("zoo", "applications", "tuning"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if ">>>" in path.read_text("utf-8"):
                parts = path.relative_to(ROOT).with_suffix("").parts
                yield ".".join(part for part in parts if part != "__init__")


@pytest.mark.parametrize("name", modules_with_examples())
def test_docstring_examples(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    options = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    result = doctest.testmod(module, optionflags=options)
    assert result.failed == 0
    assert result.attempted > 0


@pytest.mark.parametrize(("place", "code"), BLOCKS, ids=[place for place, _ in BLOCKS])
def test_python_of_a_page_runs_when_pasted_alone(place, code, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for long, short in SHORTER.items():
        code = code.replace(long, short)
    exec(compile(code, place, "exec"), {"__name__": "__main__"})


def test_every_page_has_blocks():
    pages = {place.partition(":")[0] for place, _ in BLOCKS}
    assert {"README.md", "docs/finetuning.md", "docs/tuning.md"} <= pages
    for long in SHORTER:
        assert any(long in code for _, code in BLOCKS), long


def test_readme_names_files_that_exist():
    text = (ROOT / "README.md").read_text("utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert links
    for link in links:
        assert (ROOT / link).exists(), link
