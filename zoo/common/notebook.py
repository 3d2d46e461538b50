"""What results look like as the last value of a notebook's cell: a small table, and a picture."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

LEFT = 'style="text-align:left"'


def card(
    title: str, facts: Mapping[str, Any], *more: str, picture: bytes | Path | None = None
) -> str:
    """Return a title, a table of facts, and a picture as HTML that needs no other file.

    Args:
        title: In bold.
        facts: Name -> value, a row each; None is left out.
        more: HTML to follow the facts, such as a `table`.
        picture: A PNG picture, or the path of one; a file that is not there is left out.
    """
    parts = [f"<strong>{escape(title)}</strong>"]
    rows = "".join(
        f"<tr><th {LEFT}>{escape(name)}</th><td {LEFT}>{escape(str(value))}</td></tr>"
        for name, value in facts.items()
        if value is not None
    )
    parts += [f"<table><tbody>{rows}</tbody></table>"] * bool(rows)
    return "<div>" + "\n".join([*parts, *more, _image(picture)]) + "</div>"


def table(head: Iterable[str], rows: Iterable[Iterable[Any]], folded: str = "") -> str:
    """Return a table as HTML; under a line of text that unfolds it, if that is given."""
    cells = "".join(f"<th {LEFT}>{escape(name)}</th>" for name in head)
    lines = (
        "<tr>" + "".join(f"<td {LEFT}>{escape(str(cell))}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    made = f"<table><thead><tr>{cells}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    return f"<details><summary>{escape(folded)}</summary>{made}</details>" if folded else made


def percent(value: float | None) -> str | None:
    """Write a share: 0.9832 -> "98.32%"; None stays None."""
    return None if value is None else f"{value:.2%}"


def _image(picture: bytes | Path | None) -> str:
    if picture is None or (isinstance(picture, Path) and not picture.is_file()):
        return ""
    data = picture.read_bytes() if isinstance(picture, Path) else picture
    encoded = base64.b64encode(data).decode()
    return f'<img style="max-width:100%" src="data:image/png;base64,{encoded}">'
