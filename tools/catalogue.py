"""Write the table of all models: `python -m tools.catalogue [FAMILY ...]`.

It goes to `zoo/catalogue.json` and `docs/models.md`. With names of families, only their rows are
computed again.

Every public module with `VARIANTS` is a family, and each of its variants a function of that name,
whose docstring begins "Title (Authors, Venue year), arXiv:number." or "..., doi:number.".
"""

from __future__ import annotations

import csv
import functools
import importlib
import itertools
import json
import pkgutil
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import zoo
from zoo.variables import symbolic

ROOT = Path(__file__).parents[1]
PATH = ROOT / "zoo" / "catalogue.json"
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
        **published(name),
    }


def published(name: str) -> dict[str, Any]:
    """Tags of the published weights, and the published top-1 in % of the first."""
    rows = [row for row in records() if row["model"] == name]
    return {
        "weights": [row["tag"] for row in rows],
        "top1": float(rows[0]["top1"]) if rows and rows[0]["top1"] else None,
    }


@functools.cache
def records() -> list[dict[str, str]]:
    """The rows of the published weights' table, which is data, not an import."""
    path = ROOT / "applications" / "weights" / "records.csv"
    return list(csv.DictReader(path.read_text("utf-8").splitlines()))


def describe_all(*only: str) -> list[dict[str, Any]]:
    """A row per model; with `only`, the rows of other families are kept as they are."""
    kept = json.loads(PATH.read_text("utf-8")) if only else []
    rows = []
    for family in families():
        module = family.__name__.removeprefix("zoo.")
        if only and module not in only:
            rows += [{**r, **published(r["name"])} for r in kept if r["module"] == module]
        else:
            rows += [describe(family, name) for name in family.VARIANTS]
    return rows


def catalogue(rows: list[dict[str, Any]]) -> str:
    """The rows as JSON, one a line."""
    return "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n"


def sources(rows: list[dict[str, Any]]) -> str:
    """Who publishes weights for these models."""
    return ", ".join(dict.fromkeys(tag.split(".")[0] for row in rows for tag in row["weights"]))


def paper_link(row: dict[str, Any]) -> str:
    """Authors, year and address of the paper."""
    return f"[{row['paper']}]({row['url']})"


def models_page(rows: list[dict[str, Any]]) -> str:
    """`docs/models.md`: a table with a row per file and paper, and one with a row per model."""
    lines = [
        "# Models",
        "",
        "Written by `python -m tools.catalogue`. Top-1 is what the source of the default weights "
        "publishes",
        "for ImageNet-1k's validation images; `applications.list_weights` gives each source and "
        "licence.",
        "The chart is drawn by [`examples/accuracy_over_macs.py`]"
        "(../examples/accuracy_over_macs.py).",
        "",
        "![Published accuracy over multiply-accumulates, a line per file](accuracy.png)",
        "",
        "## By file and paper",
        "",
        *family_table(rows),
        "",
        "## By model",
        "",
        "| model | year | parameters | GMACs | input | top-1 | weights from | paper |",
        "|---|--:|--:|--:|---|--:|---|---|",
    ]
    for row in rows:
        size = " x ".join(map(str, row["input_shape"]))
        lines.append(
            f"| `{row['name']}` | {row['year']} | {row['parameters']:,} | {_giga(row['macs'])} | "
            f"{size} | {row['top1'] or ''} | {sources([row])} | {paper_link(row)} |"
        )
    return "\n".join(lines) + "\n"


def family_table(rows: list[dict[str, Any]]) -> list[str]:
    """The lines of a table with a row per file and paper."""
    lines = [
        "| file | models | parameters, M | GMACs | top-1, % | weights from | paper |",
        "|---|---|--:|--:|--:|---|---|",
    ]
    module = ""
    for (file, url), group in itertools.groupby(
        sorted(rows, key=lambda row: (row["module"], row["year"], row["url"])),
        key=lambda row: (row["module"], row["url"]),
    ):
        found = list(group)
        names = f"`{found[0]['name']}`"
        if len(found) > 1:
            names += f" {'to' if len(found) > 2 else 'and'} `{found[-1]['name']}`"
        if len(found) > 2:
            names += f" ({len(found)})"
        author = found[0]["paper"].replace(",", " ").split()[0]
        lines.append(
            f"| {f'[`{file}`](../zoo/{file}.py)' if file != module else ''} | {names} | "
            f"{_span(found, 'parameters', 1e6)} | {_span(found, 'macs', 1e9)} | "
            f"{_span(found, 'top1', 1)} | {sources(found)} | [{author} {found[0]['year']}]({url}) |"
        )
        module = file
    return lines


def _span(rows: list[dict[str, Any]], key: str, unit: float) -> str:
    values = sorted(row[key] / unit for row in rows if row[key])
    shown = list(dict.fromkeys(_digits(x) for x in (values[:1] + values[-1:])))
    return " to ".join(shown)


def _giga(macs: int) -> str:
    return _digits(macs / 1e9)


def _digits(number: float) -> str:
    """Three digits, and no power of ten."""
    return f"{number:.0f}" if number >= 1000 else f"{number:.3g}"


if __name__ == "__main__":
    table = describe_all(*sys.argv[1:])
    PATH.write_text(catalogue(table), "utf-8")
    (ROOT / "docs" / "models.md").write_text(models_page(table), "utf-8")
