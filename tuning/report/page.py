"""The frame of the HTML report: its style, its script, and tables and pictures as HTML."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from zoo.common.files import MARK
from zoo.plots import render

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LARGE = 800_000  # bytes; larger SVG pictures are embedded as PNG
PIXELS = 66  # per inch of a picture, at least

STYLE = """
:root { color-scheme: light dark; --text: #1f2933; --faint: #5f6b7a; --line: #dfe3e8;
  --page: #ffffff; --card: #f5f7fa; --accent: #123f7a; --bad: #b3263f; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e4e7eb; --faint: #9aa5b1; --line: #323f4b; --page: #14181d; --card: #1d232a;
    --accent: #8fbcf0; --bad: #f08a9b; }
  figure img { filter: invert(0.92) hue-rotate(180deg); }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1100px; padding: 1rem; background: var(--page);
  color: var(--text); font: 16px/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.5rem; margin: 0.5rem 0 0; }
h2 { font-size: 1.15rem; margin: 2rem 0 0.5rem; }
p.facts, caption, .note { color: var(--faint); font-size: 0.9rem; }
p.facts { margin: 0; }
p.advice { background: var(--card); border-left: 4px solid var(--accent); margin: 1rem 0;
  padding: 0.8rem 1rem; font-size: 1.05rem; }
figure { margin: 1.2rem 0; overflow-x: auto; background: #fff; border: 1px solid var(--line);
  border-radius: 6px; }
figure img { display: block; width: 100%; }
@media (prefers-color-scheme: dark) { figure { background: #14181d; } }
.pair { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 500px), 1fr)); }
.pair figure { margin: 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.85rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 0.25rem 0.7rem 0.25rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; white-space: nowrap; }
.number { text-align: right; }
td.long { white-space: normal; min-width: 16rem; }
th button { all: unset; cursor: pointer; font-weight: 600; }
th button:focus-visible { outline: 2px solid var(--accent); }
th[aria-sort=ascending] button::after { content: " \\2191"; }
th[aria-sort=descending] button::after { content: " \\2193"; }
tr.best td { font-weight: 600; color: var(--accent); }
tr.failed td { color: var(--bad); }
tr.skipped td, tr.running td { color: var(--faint); }
pre { background: var(--card); padding: 0.8rem 1rem; overflow-x: auto; border-radius: 6px;
  font-size: 0.85rem; }
"""

SCRIPT = """
for (const table of document.querySelectorAll("table.sortable")) {
  table.tHead.addEventListener("click", event => {
    const head = event.target.closest("th");
    if (!head) return;
    const up = head.getAttribute("aria-sort") !== "ascending";
    for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const key = row => row.cells[head.cellIndex].dataset.sort;
    const rows = [...table.tBodies[0].rows];
    const compare = (a, b) => {
      const [x, y] = [key(a), key(b)];
      if (x === "" || y === "") return (x === "") - (y === "");
      const order = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
      return up ? order : -order;
    };
    table.tBodies[0].append(...rows.sort(compare));
  });
}
"""

Cell = tuple[str, str | float | None]  # text and sort key


def page(title: str, body: Iterable[str]) -> str:
    """Return a complete HTML file that needs no other file."""
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta name="generator" content="{MARK}">',
            f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>",
            *body,
            f"<script>{SCRIPT}</script>\n</body>\n</html>\n",
        ]
    )


def element(tag: str, text: str, kind: str = "") -> str:
    """Return an element that holds plain text."""
    attribute = f' class="{escape(kind)}"' if kind else ""
    return f"<{tag}{attribute}>{escape(text)}</{tag}>"


def picture(figure: Figure) -> str:
    """Return a figure as an embedded image, with its heading as the alternative text."""
    kind, data = "svg+xml", render(figure, "svg")
    if len(data) > LARGE:
        kind, data = "png", render(figure, "png")
    text = ". ".join(text.get_text() for text in figure.texts[:2] if text.get_text())
    code = base64.b64encode(data).decode()
    least = f"min-width: {PIXELS * figure.get_figwidth():.0f}px"  # a phone scrolls
    source = f"data:image/{kind};base64,{code}"
    return f'<figure><img alt="{escape(text)}" style="{least}" src="{source}"></figure>'


def table(
    heads: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    kinds: Sequence[str] = (),
    sortable: bool = False,
) -> str:
    """Return a table.

    Args:
        heads: Headings of the columns.
        rows: Cells: (text, sort key); the key is a number, a text or None.
        kinds: A CSS class per row.
        sortable: Whether a click on a heading sorts by that column.
    """
    lines = ['<div class="scroll"><table' + (' class="sortable"' if sortable else "") + ">"]
    lines.append("<thead><tr>")
    for i, head in enumerate(heads):
        keys = [row[i][1] for row in rows if row[i][1] is not None]
        kind = ' class="number"' if keys and all(map(_is_number, keys)) else ""
        name = f'<button type="button">{escape(head)}</button>' if sortable else escape(head)
        lines.append(f"<th{kind}>{name}</th>")
    lines.append("</tr></thead>")
    lines.append("<tbody>")
    for i, row in enumerate(rows):
        kind = f' class="{escape(kinds[i])}"' if kinds and kinds[i] else ""
        lines.append(f"<tr{kind}>{''.join(map(_cell, row))}</tr>")
    return "\n".join([*lines, "</tbody></table></div>"])


def _cell(cell: Cell) -> str:
    text, key = cell
    kind = ' class="number"' if _is_number(key) else ' class="long"' if len(text) > 40 else ""
    sort = "" if key is None else str(key)
    return f'<td{kind} data-sort="{escape(sort)}">{escape(text)}</td>'


def _is_number(key: object) -> bool:
    return isinstance(key, (int, float)) and not isinstance(key, bool)
