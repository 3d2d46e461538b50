"""Write `catalogue.json`, the table of all models: `python -m zoo._generate [FAMILY ...]`.

With names of families only their rows are made anew.

Every public module with `VARIANTS` is a family, and each of its variants a function of that name,
whose docstring begins "Title (Authors, Venue year), arXiv:number." or "..., doi:number.".
"""

from __future__ import annotations

import csv
import functools
import importlib
import json
import pkgutil
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import zoo
from zoo._symbolic import symbolic

PATH = Path(__file__).with_name("catalogue.json")
HEADLINE = re.compile(
    r"(?P<title>.+?) \((?P<paper>[^()]+ (?P<year>\d{4})[^()]*)\), (?P<kind>arXiv|doi):(?P<id>\S+)\."
)
SITES = {"arXiv": "https://arxiv.org/abs/", "doi": "https://doi.org/"}


def families() -> Iterator[Any]:
    """The modules of `zoo` that hold architectures."""
    for module in pkgutil.iter_modules(zoo.__path__):
        source = Path(zoo.__path__[0], f"{module.name}.py")
        if (
            not module.name.startswith("_")
            and source.exists()
            and "\nVARIANTS" in source.read_text()
        ):
            yield importlib.import_module(f"zoo.{module.name}")


def describe(family: Any, name: str) -> dict[str, Any]:
    """One row: what the builder's docstring says, and what its model measures."""
    builder = getattr(family, name)
    headline = HEADLINE.match(" ".join(builder.__doc__.split("\n\n")[0].split()))
    if headline is None:
        raise ValueError(f"the docstring of {name} must begin {__doc__.split('begins ')[1]}")
    model = symbolic(builder)
    profile = zoo.profile(model)
    return {
        "name": name,
        "module": family.__name__.removeprefix("zoo."),
        "title": headline["title"],
        "paper": headline["paper"],
        "url": SITES[headline["kind"]] + headline["id"],
        "year": int(headline["year"]),
        "parameters": profile.parameters,
        "macs": profile.macs,
        "input_shape": list(profile.input_shape),
        "num_classes": model.output_shape[-1],
        "levels": [f"C{i}" for i in range(6) if any(x.name == f"C{i}" for x in model.layers)],
        "weights": [row["tag"] for row in records() if row["model"] == name],
    }


@functools.cache
def records() -> list[dict[str, str]]:
    """The rows of the published weights' table, which is data, not an import."""
    path = Path(__file__).parents[1] / "applications" / "records.csv"
    return list(csv.DictReader(path.read_text("utf-8").splitlines()))


def generate(*only: str) -> str:
    """The table as JSON, a row a line; rows of other families than `only` are left as they are."""
    kept = json.loads(PATH.read_text("utf-8")) if only else []
    rows = []
    for family in families():
        module = family.__name__.removeprefix("zoo.")
        if only and module not in only:
            rows += [row for row in kept if row["module"] == module]
        else:
            rows += [describe(family, name) for name in family.VARIANTS]
    return "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n"


if __name__ == "__main__":
    PATH.write_text(generate(*sys.argv[1:]), "utf-8")
