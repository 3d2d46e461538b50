"""Pictures, drawn on one canvas: learning curves, comparisons of runs, contact sheets.

`history` reads and describes the record of a training run; `curves` draws one run, `compare`
overlays several, `sheet` shows images with captions, and `save` writes any figure.
"""

from zoo.plots.compare import compare
from zoo.plots.curves import curves
from zoo.plots.figure import blank, check_path, draw_or_save, render, save, style, write
from zoo.plots.history import best_epoch, read_history
from zoo.plots.sheet import sheet

__all__ = [
    "best_epoch",
    "blank",
    "check_path",
    "compare",
    "curves",
    "draw_or_save",
    "read_history",
    "render",
    "save",
    "sheet",
    "style",
    "write",
]
