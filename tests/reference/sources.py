"""The reference implementations: which of their models are ours, and running them."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]
import golden
from cases import CASES

from applications.weights.matching import renumbered


@dataclass(frozen=True)
class Reference:
    """A model of a reference implementation.

    Attributes:
        name: Theirs.
        size: Of the images, where it takes only one.
        options: What our builder is to be given, beyond its defaults.
        arguments: What their builder is to be given.
        bgr: Trained on images with the channels turned round.
        also: Other models of theirs that ours is too, given other options.
    """

    name: str
    size: tuple[int, int] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=dict)
    bgr: bool = False
    also: tuple[Reference, ...] = ()


SQUARE = (224, 224)
TENSORFLOW = {"padding": "tensorflow", "norm_epsilon": 1e-3}
PYTORCH = {"padding": "symmetric", "norm_epsilon": 1e-5}
TIMM = {
    **{
        f"efficientnet_lite{i}": Reference(
            f"tf_efficientnet_lite{i}", options={"padding": "tensorflow"}
        )
        for i in range(5)
    },
    **{f"vgg{depth}{norm}": Reference(f"vgg{depth}{norm}")
       for depth in (11, 13, 16, 19) for norm in ("", "_bn")},
    **{case.name: Reference(case.name)
       for case in CASES
       if case.module in ("inception_v3", "inception_v4", "cspnet", "darknet", "ghostnet")},
    **{case.name: Reference(case.name, (160, 96)) for case in CASES if case.module == "hrnet"},
    "inception_resnet_v2": Reference("inception_resnet_v2"),
    "xception": Reference(
        "legacy_xception", options={"padding": "symmetric", "norm_epsilon": 1e-5}
    ),
    **{f"densenet{depth}": Reference(f"densenet{depth}") for depth in (121, 161, 169, 201)},
    **{f"mobilenet_v2{size}": Reference(f"mobilenetv2{size or '_100'}")
       for size in ("_035", "_050", "_075", "", "_140", "_110d", "_120d")},
    "mnasnet1_0": Reference("mnasnet_100"),
    **{f"mobilenet_v1{size}": Reference(f"mobilenetv1{size or '_100'}", options=PYTORCH)
       for size in ("", "_125")},
    **{name: Reference(name)
       for name in ("convmixer_768_32", "convmixer_1024_20_ks9_p14", "convmixer_1536_20")},
    **{f"mixer_{size}{patch}": Reference(f"mixer_{size}{patch}_224", SQUARE)
       for size in "sbl" for patch in (16, 32)},
    **{name: Reference(name)
       for name in ("res2net50_48w_2s", "res2net50_26w_4s", "res2net50_14w_8s", "res2net50_26w_6s",
                    "res2net50_26w_8s", "res2net101_26w_4s", "res2next50", "res2net50d",
                    "res2net101d", "resnest14d", "resnest26d", "resnest50d", "resnest101e",
                    "resnest200e", "resnest269e", "resnest50d_1s4x24d", "resnest50d_4s2x40d")},
    **{f"repvgg_{size}": Reference(f"repvgg_{size}")
       for size in ("a0", "a1", "a2", "b0", "b1", "b1g4", "b2", "b2g4", "b3", "b3g4")},
}  # fmt: skip
TIMM |= {
    case.name: Reference(case.name)
    for case in CASES
    if case.module in ("resnet_d", "seresnet", "resnet_rs") or case.name == "resnext101_32x4d"
}
TIMM |= {
    # noise is much the same everywhere: of a large map of it, version 2's mean tells too little
    case.name: Reference(case.name.replace("_v2", "v2"), (61, 45) if "_v2" in case.name else None)
    for case in CASES
    if case.module == "convnext"
}
EFFICIENTNET_PYTORCH = {
    f"efficientnet_lite{i}": Reference(f"efficientnet-lite{i}") for i in range(5)
}
OWN = ("small_050", "small_075", "small_100", "large_100")
PORTED = ("small_075", "small_minimal_100", "small_100")
PORTED += ("large_075", "large_minimal_100", "large_100")
for size in dict.fromkeys(OWN + PORTED):
    first, *also = [
        Reference(f"{prefix}mobilenetv3_{size}", options=options)
        for prefix, options, sizes in (("", PYTORCH, OWN), ("tf_", TENSORFLOW, PORTED))
        if size in sizes
    ]
    TIMM[f"mobilenet_v3_{size.removesuffix('_100')}"] = replace(first, also=tuple(also))
KERAS = {
    **{  # whose port pads images of odd sizes in its own way
        f"mobilenet_v1{size}": Reference("MobileNet", (160, 128), {}, {"alpha": alpha})
        for size, alpha in {"_025": 0.25, "_050": 0.5, "_075": 0.75, "": 1.0}.items()
    },
    **{
        f"mobilenet_v2{size}": Reference("MobileNetV2", None, TENSORFLOW, {"alpha": alpha})
        for size, alpha in {
            "_035": 0.35,
            "_050": 0.5,
            "_075": 0.75,
            "": 1.0,
            "_130": 1.3,
            "_140": 1.4,
        }.items()
    },
    **{
        f"mobilenet_v3_{size.lower()}{suffix}": Reference(
            f"MobileNetV3{size}",
            None,
            TENSORFLOW,
            {"include_preprocessing": False, **arguments},
        )
        for size in ("Small", "Large")
        for suffix, arguments in {
            "_075": {"alpha": 0.75},
            "": {},
            "_minimal": {"minimalistic": True},
        }.items()
    },
    "vgg16": Reference("VGG16", SQUARE, bgr=True),
    "vgg19": Reference("VGG19", SQUARE, bgr=True),
    **{f"densenet{depth}": Reference(f"DenseNet{depth}") for depth in (121, 169, 201)},
    "inception_v3": Reference("InceptionV3", options={"count_padding": False}),
    "inception_resnet_v2": Reference("InceptionResNetV2"),
    "xception": Reference("Xception"),
    "nasnet_mobile": Reference("NASNetMobile"),
    "nasnet_large": Reference("NASNetLarge"),
    "resnet50_v2": Reference("ResNet50V2"),
    "resnet101_v2": Reference("ResNet101V2"),
    "resnet152_v2": Reference("ResNet152V2"),
}
KERAS |= {f"resnet{depth}_v1": Reference(f"ResNet{depth}", bgr=True) for depth in (50, 101, 152)}
KERAS |= {
    f"convnext_{size.lower()}": Reference(
        f"ConvNeXt{size}", arguments={"include_preprocessing": False}
    )
    for size in ("Tiny", "Small", "Base", "Large", "XLarge")
}


for i in range(8):
    name = f"efficientnet_b{i}"
    own, ported = {"norm_epsilon": 1e-5}, Reference(f"tf_{name}", options=TENSORFLOW)
    TIMM[name] = Reference(name, options=own if i > 4 else {}, also=(ported,))
    KERAS[name] = Reference(f"EfficientNetB{i}", options=TENSORFLOW)
TIMM |= {
    f"regnet_{kind}_{ours}": Reference(f"regnet{kind}_{theirs}")
    for kind, sizes in {
        "x": {"400mf": "004_tv", "800mf": "008", "8gf": "080"},
        "y": {"400mf": "004", "800mf": "008_tv", "8gf": "080_tv", "128gf": "1280"},
    }.items()
    for ours, theirs in {
        "200mf": "002",
        "600mf": "006",
        "1_6gf": "016",
        "3_2gf": "032",
        "4gf": "040",
        "6_4gf": "064",
        "12gf": "120",
        "16gf": "160",
        "32gf": "320",
        **sizes,
    }.items()
}
for size in ("b0", "b1", "b2", "b3", "s", "m", "l", "xl"):
    name, padding = f"efficientnet_v2_{size}", {"padding": "tensorflow"}
    TIMM[name] = Reference(f"tf_efficientnetv2_{size}", options=padding)
    if size != "xl":
        KERAS[name] = Reference(
            f"EfficientNetV2{size.upper()}", None, padding, {"include_preprocessing": False}
        )

TIMM |= {
    case.name: Reference(case.name.replace("_v2", "v2"))
    for case in CASES
    if case.module in ("mobilevit", "mobilevit_v2")
}

# Those that are built for one size of images, a square.
TORCHVISION = {
    "googlenet": Reference("googlenet", arguments={"init_weights": False}),
    "inception_v3": Reference("inception_v3", arguments={"init_weights": False}),
    **{
        f"vit_{size}": Reference(f"vit_{size}", (side, side), arguments={"image_size": side})
        for size, side in {"b_16": 80, "b_32": 96, "l_16": 80, "l_32": 96, "h_14": 56}.items()
    },
}
TORCHVISION["maxvit_t"] = Reference("maxvit_t", SQUARE)
for case in CASES:
    if case.module == "maxvit" and case.name.endswith("_tf"):
        own, larger = (f"{case.name}_{side}" for side in (224, 384))
        options, arguments = {"window_size": 12}, {"num_classes": 1000}
        also = (Reference(larger, (384, 384), options, arguments),)
        TIMM[case.name] = Reference(own, SQUARE, arguments=arguments, also=also)
    elif case.module in ("coatnet", "coatnet_rw") and case.name != "coatnet_5":
        # timm's has heads of another size; its paper's networks pool otherwise by default
        paper = {f"{part}_pool_type": "max2" for part in ("conv", "transformer")}
        paper |= {"conv_stride_mode": "1x1"}
        arguments = {"img_size": (96, 160), **({} if "rw" in case.name else paper)}
        TIMM[case.name] = Reference(f"{case.name}_224", (96, 160), arguments=arguments)
SWIN = {"t": "tiny", "s": "small", "b": "base", "l": "large"}
classes = {"num_classes": 1000}
for size, theirs in SWIN.items():  # timm's windows are no larger than the map, ours are
    first, *also = [
        Reference(f"swin_{theirs}_patch4_window{window}_{side}", (side, side), options, classes)
        for window, side, options in ((7, 224, {}), (12, 384, {"window_size": 12}))
        if window == 7 or size in "bl"
    ]
    TIMM[f"swin_{size}"] = replace(first, also=tuple(also))
    first, *also = [
        Reference(f"swinv2_{theirs}_window{window}_{side}", (side, side), options, classes)
        for window, side, options in (
            (8, 256, {}),
            (16, 256, {"window_size": (16, 16, 16, 8)}),
            (12, 192, {"window_size": (12, 12, 12, 6)}),
        )
        if (size in "bl" if window == 12 else size != "l")
    ]
    TIMM[f"swin_v2_{size}"] = replace(first, also=tuple(also))
VIT = {"ti": "tiny", "s": "small", "m": "medium", "b": "base"}
VIT |= {"l": "large", "h": "huge", "g": "giant"}
LARGER = ("vit_b_16", "vit_l_32", "deit_b_16", "deit_b_16_distilled")
DINOV2 = {}
for case in CASES:
    if case.module in ("vit", "deit", "dinov2"):  # timm's can be told the size
        family, size, patch, *kind = case.name.split("_")
        shape = case.fitting(80, 112, 3)[:2]
        distilled = "_distilled" if "distilled" in kind else ""
        name = f"{family}_{VIT[size]}{distilled}_patch{patch}"
        if case.module == "dinov2":
            names = [f"{name}_reg4_dinov2" if "reg" in kind else f"{name}_dinov2"]
        else:
            names = [f"{name}_{side}" for side in (224, *[384] * (case.name in LARGER))]
        arguments = {"img_size": shape, "num_classes": 1000}
        first, *also = [Reference(name, shape, arguments=arguments) for name in names]
        TIMM[case.name] = replace(first, also=tuple(also))
        if "reg" in kind or case.name == "vit_g_14_dinov2":  # the others' names are the same
            DINOV2[case.name] = first


def references(source: str) -> dict[str, Reference]:
    """Our names -> theirs, of all that a source has."""
    if source != "torchvision":
        return globals()[source.upper()]
    models = _torchvision().models
    names = [case.name for case in CASES if hasattr(models, case.name)]
    return {name: TORCHVISION.get(name, Reference(name)) for name in names}


def answer(source: str, reference: Reference, x: np.ndarray) -> tuple[dict, np.ndarray, str]:
    """Give the reference the drawn values; their shapes, its logits for x, and its version."""
    run = _run_keras if source == "keras" else _run_torch
    shapes, logits, version = run(source, reference, x)
    assert np.isfinite(logits).all(), reference.name
    assert np.ptp(logits, axis=0).max() > 1e-3 * np.abs(logits).max(), "it does not see the image"
    return shapes, logits, version


def _run_torch(source: str, reference: Reference, x: np.ndarray) -> tuple[dict, np.ndarray, str]:
    import torch

    model, version = globals()[f"_build_{source}"](reference, x.shape[1:3])
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    state = model.state_dict()
    for key, value in state.items():
        computed = key.endswith("relative_coords_table")
        if (value.is_floating_point() and not computed) or "batches" in key:
            state[key] = torch.tensor(golden.draw(key, shapes[key], source))
    model.load_state_dict(state)
    images = torch.tensor(x).permute(0, 3, 1, 2)
    with torch.no_grad():
        return shapes, model.eval().to(images.dtype)(images).numpy(), version


def _torchvision() -> Any:
    from torchvision_stub import declare_operators

    declare_operators()
    import torchvision

    return torchvision


def _build_torchvision(reference: Reference, size: tuple[int, int]) -> tuple[Any, str]:
    torchvision = _torchvision()
    model = getattr(torchvision.models, reference.name)(**reference.arguments)
    return model, f"torchvision {torchvision.__version__}"


def _build_timm(reference: Reference, size: tuple[int, int]) -> tuple[Any, str]:
    _torchvision()
    import timm

    model = timm.create_model(reference.name, **reference.arguments)
    return model, f"timm {timm.__version__}"


def _build_dinov2(reference: Reference, size: tuple[int, int]) -> tuple[Any, str]:
    """The network of timm, with the names of Meta, whose files it reads."""
    import torch

    network, version = _build_timm(reference, size)
    from timm.models.vision_transformer import checkpoint_filter_fn

    class Meta(torch.nn.Module):
        def state_dict(self) -> dict[str, Any]:
            state = network.state_dict()
            if "reg_token" in state:
                state["register_tokens"] = state.pop("reg_token")
                state["pos_embed"] = torch.cat([state["cls_token"], state["pos_embed"]], dim=1)
            if network.blocks[0].mlp.fc1.out_features != network.blocks[0].mlp.fc2.in_features:
                for old, new in (("fc1", "w12"), ("fc2", "w3")):
                    state = {key.replace(f"mlp.{old}", f"mlp.{new}"): state[key] for key in state}
            return {**state, "mask_token": state["cls_token"][0]}

        def load_state_dict(self, state: dict[str, Any]) -> None:
            network.load_state_dict(checkpoint_filter_fn(state, network))

        def forward(self, images: Any) -> Any:
            return network.eval().to(images.dtype)(images)

    return Meta(), version


def _build_efficientnet_pytorch(reference: Reference, size: tuple[int, int]) -> tuple[Any, str]:
    from efficientnet_lite_pytorch import EfficientNet

    model = EfficientNet.from_name(reference.name, image_size=None)
    return model, "efficientnet_lite_pytorch 0.1.0"


def _run_keras(source: str, reference: Reference, x: np.ndarray) -> tuple[dict, np.ndarray, str]:
    import keras

    keras.config.set_dtype_policy(x.dtype.name)
    builder = getattr(keras.applications, reference.name)
    model = builder(
        weights=None,
        classifier_activation=None,
        input_shape=x.shape[1:],
        **reference.arguments,
    )
    shapes = {}
    numbers = renumbered(layer.name for layer in model.layers)
    for layer in model.layers:
        for i, weight in enumerate(layer.weights):
            name = f"{numbers.get(layer.name, layer.name)}/{i}"
            shapes[name] = tuple(weight.shape)
            weight.assign(golden.draw(name, tuple(weight.shape), source))
        if isinstance(layer, keras.layers.Normalization):  # images are normalised already
            model = keras.Model(layer.output, model.output)
    logits = np.asarray(model(x[..., ::-1] if reference.bgr else x))
    return shapes, logits, f"keras.applications {keras.__version__}"
