"""Draw the published accuracy of all models over what they cost.

    python examples/accuracy_over_macs.py docs/accuracy.png

A point is a model with its best published weights, among those that were trained on ImageNet-1k
alone (as far as their tag says; Keras's larger ConvNeXts also saw ImageNet-21k) and tested at the
size for which `zoo.info` counts the multiply-accumulates. A line joins the models of a file from
which no other one is both cheaper and better.
"""

from __future__ import annotations

import math
import sys
from itertools import pairwise

import applications
import zoo
from zoo import plots
from zoo.plots.figure import EDGE, FAINT, SERIES, TEXT

MORE_DATA = ("ig1b", "yfcc", "in21k", "in22k", "in12k", "jft", "swag", "clip", "dino")  # in tags
KNOWN = ("resnet", "mobilenet_v3", "efficientnet", "vit", "convnext", "regnet")  # in colour
LETTER, LINE = 4.9, 9.0  # points: the width of a letter, and the height of a line


def families():
    """File -> (10^9 multiply-accumulates, top-1 in %) of its models, ascending."""
    found = {}
    for name in zoo.list_models():
        model = zoo.info(name)
        scores = [
            weights.top1
            for weights in applications.list_weights(name)
            if weights.top1
            and weights.preprocess.crop == model.input_shape[0]
            and not any(words in weights.tag for words in MORE_DATA)
        ]
        if scores:
            found.setdefault(model.module, []).append((model.macs / 1e9, max(scores)))
    return {name: sorted(points) for name, points in sorted(found.items())}


def free_place(at, text, taken):
    """The offset in points at which a label beside `at` covers least of what is taken."""
    width = LETTER * len(text)
    best = None
    for radius in (5, 10, 18, 28, 40, 54):
        for angle in range(0, 360, 30):
            x, y = radius * math.cos(math.radians(angle)), radius * math.sin(math.radians(angle))
            left = at[0] + x - width * (1 - math.cos(math.radians(angle))) / 2
            box = (left, at[1] + y - LINE / 2, left + width, at[1] + y + LINE / 2)
            covered = sum(box[0] < a < box[2] and box[1] < b < box[3] for a, b in taken)
            cost = 20 * covered + radius
            if best is None or cost < best[0]:
                best = cost, (left - at[0], y), box
    return best[1:]


@plots.style()
def draw(lines):
    """Lines in grey, some in colour, each with its name beside its last point."""
    figure = plots.blank((9, 6), layout="constrained")
    axes = figure.subplots()
    axes.set_xscale("log")
    axes.set_xlim(0.02, 150)
    axes.set_ylim(55, 88)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("multiply-accumulates for one image, 10⁹", color=FAINT)
    axes.set_ylabel("published top-1 on ImageNet-1k, %", color=FAINT)
    colours = dict(zip(KNOWN, SERIES, strict=False))
    figure.draw_without_rendering()  # the scales are final from here on
    to_points = lambda point: axes.transData.transform(point) * 72 / figure.dpi  # noqa: E731
    taken, ends = [], {}
    for name, points in lines.items():
        edge = [p for i, p in enumerate(points) if all(p[1] > q[1] for q in points[:i])]
        ends[name] = edge[-1]
        style = {"color": colours.get(name, EDGE), "zorder": 3 if name in colours else 2}
        axes.plot(*zip(*points, strict=True), "o", markersize=3, alpha=0.5, **style)
        axes.plot(*zip(*edge, strict=True), "o-", markersize=4, **style)
        places = [to_points(point) for point in edge]
        taken += [to_points(point) for point in points]
        for (a, b), (c, d) in pairwise(places):
            taken += [(a + (c - a) * i / 20, b + (d - b) * i / 20) for i in range(20)]
    for name, end in sorted(ends.items(), key=lambda item: item[0] not in colours):
        offset, box = free_place(to_points(end), name, taken)
        columns, rows = range(0, round(box[2] - box[0]), 3), (-4, 0, 4)
        taken += [(box[0] + dx, (box[1] + box[3]) / 2 + dy) for dx in columns for dy in rows]
        axes.annotate(
            name,
            end,
            xytext=offset,
            textcoords="offset points",
            va="center",
            color=colours.get(name, TEXT),
            fontweight="bold" if name in colours else "normal",
            arrowprops={"arrowstyle": "-", "color": EDGE, "linewidth": 0.5, "shrinkA": 0},
            zorder=4,
        )
    return figure


if __name__ == "__main__":
    path = sys.argv[1] if len(sys.argv) > 1 else "accuracy.png"
    plots.write(plots.check_path(path), plots.render(draw(families())))
    print(path)
