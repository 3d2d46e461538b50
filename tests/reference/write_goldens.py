"""Write `tests/goldens`: what the reference implementations answer.

    python tests/reference/write_goldens.py SOURCE [MODEL ...]

SOURCE is torchvision (needs torch and torchvision), timm (and timm), efficientnet_pytorch (and
efficientnet-lite-pytorch) or keras (needs Keras). Without names, all models of the source.
"""

from __future__ import annotations

import sys

import numpy as np
from sources import answer, golden, references

# One of each block and of each table; `compare.py` does all.
GOLDENS = {
    "torchvision": [
        "alexnet",
        "vgg11",
        "vgg11_bn",
        "resnet18",
        "resnet50",
        "resnext50_32x4d",
        "wide_resnet50_2",
    ],
    "timm": ["efficientnet_lite0", "vgg11", "vgg11_bn"],
    "efficientnet_pytorch": ["efficientnet_lite0"],
    "keras": ["vgg16", "resnet50_v2"],
}


def main(source: str, *names: str) -> None:
    """Write the golden files of one source."""
    for name in names or GOLDENS[source]:
        reference = references(source)[name]
        size = reference.size or golden.SIZE
        shapes, logits, version = answer(source, reference, golden.images(size))
        assert np.isfinite(logits).all(), name
        assert np.abs(np.diff(logits, axis=0)).max() > 1e-3 * np.abs(logits).max(), name
        golden.Golden(name, source, version, shapes, size, reference.options, logits).save()
        print(name, float(np.abs(logits).max()), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
