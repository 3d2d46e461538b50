"""A folder of images whose targets stand in a CSV: labels, or numbers to predict."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.data.folder import examined_files, files_source, folder_root, images_in, warn
from zoo.data.splits import Request, Source, three_ways
from zoo.data.targets import MultiHot, Numbers, Targets

SPLIT = "split"  # the column that says to which split an image belongs
SPLITS = {"train": "train", "validation": "validation", "val": "validation", "test": "test"}
SEPARATOR = ";"  # between the labels in a cell


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        line: Its number in the file, from 1.
        path: Of the image.
        split: "train", "validation" or "test"; "" where the table does not say.
        cells: The target columns, as text.
    """

    line: int
    path: Path
    split: str
    cells: tuple[str, ...]


def table_source(path: str, targets: str | Path, request: Request) -> Source:
    """Read "folder:PATH" with the targets of a CSV, as `zoo.data.load` describes it."""
    root = folder_root(path)
    table = Path(targets).expanduser()
    table = table if table.is_absolute() or not (root / table).exists() else root / table
    columns, rows = _read(table, root)
    kind, values = _targets(table, columns, rows)
    listed = {row.path for row in rows}
    if more := [file for file in images_in(root) if file not in listed]:
        warn(f"{root}: {len(more):,} image(s) are not in {table.name} and are left out", 3)
    found = examined_files(root, [row.path for row in rows], request)
    kept = [number for number, row in enumerate(rows) if not found[row.path].why]
    rows, values = [rows[number] for number in kept], values[kept]
    given = {
        split: np.array(numbers)
        for split in ("train", "validation", "test")
        if (numbers := [number for number, row in enumerate(rows) if row.split == split])
    }
    if given and "train" not in given:
        raise ValueError(f"{table}: no image has the split train")
    parts = three_ways(np.zeros(len(rows), int), ("",), request, given or None)
    paths = [row.path for row in rows]
    return files_source(root, paths, values, kind, parts, found, request)


def _read(table: Path, root: Path) -> tuple[tuple[str, ...], list[Row]]:
    """The names of the target columns, and all rows."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as text:
            lines = csv.reader(text)
            cells = [(lines.line_num, [cell.strip() for cell in line]) for line in lines if line]
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no table {table}, in {root} or elsewhere") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"cannot read {table}: {error}") from error
    header = cells[0][1] if cells else []
    names = [name for name in header[1:] if name != SPLIT]
    if not names or "" in header or len(set(header)) < len(header):
        raise ValueError(
            f"{table}: the first line must name the columns, each differently: the file, then one "
            f"or more targets; received {', '.join(header) or 'nothing'}"
        )
    rows: list[Row] = []
    seen: dict[Path, int] = {}
    for line, row in cells[1:]:
        where = f"{table}, line {line}"
        if len(row) != len(header):
            raise ValueError(f"{where}: {len(row)} cells, and the first line has {len(header)}")
        named = dict(zip(header, row, strict=True))
        split = named.get(SPLIT, "")
        if SPLIT in header[1:] and split not in SPLITS:
            raise ValueError(f"{where}: split must be train, validation or test; got {split!r}")
        path = root / row[0]
        if not path.is_file():
            raise FileNotFoundError(f"{where}: there is no file {path}")
        if path in seen:
            raise ValueError(f"{where}: {row[0]} stands in line {seen[path]}, too")
        seen[path] = line
        targets = tuple(named[name] for name in names)
        rows.append(Row(line, path, SPLITS.get(split, ""), targets))
    if not rows:
        raise ValueError(f"{table} has no line after the first: there are no images")
    return tuple(names), rows


def _targets(
    table: Path, columns: tuple[str, ...], rows: Sequence[Row]
) -> tuple[Targets, np.ndarray]:
    """Labels where a column has text or all columns have 0 and 1; else numbers."""
    if len(columns) == 1 and any(_number(row.cells[0]) is None for row in rows):
        sets = [{part.strip() for part in row.cells[0].split(SEPARATOR)} - {""} for row in rows]
        numbers = [_number(label) is not None for labels in sets for label in labels]
        if sum(numbers) > len(numbers) / 2:  # one cell that is not a number is a mistake
            _raise_for_text(table, columns, rows)
        labels = sorted(set().union(*sets))
        values = np.array([[label in each for label in labels] for each in sets], "float32")
        return MultiHot(tuple(labels)), values
    _raise_for_text(table, columns, rows)
    values = np.array([[float(cell) for cell in row.cells] for row in rows], "float32")
    if np.isin(values, (0, 1)).all():
        return MultiHot(columns), values
    return Numbers(columns), values


def _raise_for_text(table: Path, columns: tuple[str, ...], rows: Sequence[Row]) -> None:
    for row in rows:
        for name, cell in zip(columns, row.cells, strict=True):
            if _number(cell) is None:
                raise ValueError(
                    f"{table}, line {row.line}: {name} must be a finite number; got {cell!r}. "
                    "Labels as text go into a single column, with ; between them"
                )


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
