"""Draw the published accuracy of all models over what they cost.

    python examples/accuracy_over_macs.py docs/accuracy.png

A point is a model with the best of its published weights whose tag tells of no more data than
ImageNet-1k and that were tested at the size for which `zoo.info` counts the multiply-accumulates;
Keras's larger ConvNeXts saw ImageNet-21k all the same. A line joins the models of a file.
"""

from __future__ import annotations

import sys

from matplotlib.figure import Figure

import applications
import zoo

MORE_DATA = ("ig1b", "yfcc", "in21k", "in22k", "in12k", "jft", "swag", "clip", "dino")  # in tags

path = sys.argv[1] if len(sys.argv) > 1 else "accuracy.png"
families: dict[str, list[tuple[float, float, str]]] = {}
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
        families.setdefault(model.module, []).append((model.macs / 1e9, max(scores), name))

figure = Figure(figsize=(9, 6), layout="constrained")
axes = figure.add_subplot()
for i, (family, points) in enumerate(sorted(families.items())):
    points.sort()
    # the upper edge of each family: a larger model that is worse is left out of the line
    edge = [p for j, p in enumerate(points) if all(p[1] > q[1] for q in points[:j])]
    style = {"color": f"C{i % 10}", "marker": "osD^vP*X"[i // 10 % 8], "markersize": 5}
    axes.plot(*zip(*[p[:2] for p in edge], strict=True), **style, lw=1.2, label=family)
    rest = [p[:2] for p in points if p not in edge]
    if rest:
        axes.plot(*zip(*rest, strict=True), **style, ls="", alpha=0.3)
axes.set_xscale("log")
axes.xaxis.set_major_formatter("{x:g}")
axes.set_xlabel("multiply-accumulates for one image, 10⁹")
axes.set_ylabel("published top-1 on ImageNet-1k, %")
axes.grid(alpha=0.25, lw=0.6)
axes.spines[["top", "right"]].set_visible(False)
axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
figure.savefig(path, dpi=110)
print(path)
