"""One row per public builder: what is known of it from elsewhere; common tests run every row."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """A builder, and its exact number of trainable parameters with the source of that number."""

    module: str
    name: str
    parameters: int
    source: str
    gmacs: float | None = None  # as published
    numerics: bool = False  # the smallest of its kind: also run, saved, trained
    multiple: int = 1  # of which height and width must be
    square: bool = False  # whether they must be the same

    def __str__(self) -> str:
        return self.name

    def fitting(
        self, height: int | None, width: int | None, channels: int
    ) -> tuple[int | None, int | None, int]:
        """The next larger shape that the model takes."""
        up = [size and -(-size // self.multiple) * self.multiple for size in (height, width)]
        if self.square and None not in up:
            up = [max(up), max(up)]
        return (*up, channels)

    @property
    def refuses(self) -> dict[str, str]:
        """Options that the family cannot take at all, and words of the error."""
        return REFUSED.get(self.module, {})

    def refusal(self, option: str, value: object) -> str | None:
        """Words of the error that a value of an option must raise; None if it must work."""
        rows = {**REFUSED.get(self.module, {}), **REFUSED.get(self.name, {})}
        if (option, value) in rows:
            return rows[option, value]
        if option == "pooling" and value == "token" and self.module not in TOKENS:
            return "no class token"
        return rows.get(option) if value not in DEFAULTS.get(option, ()) else None


# torchvision 0.28, `Weights.meta["num_params"]` and `["_ops"]`
TORCHVISION = "torchvision"
# timm's `tf_efficientnet_lite*`, `sum(p.numel() for p in model.parameters())`
TIMM = "timm"
# keras.applications 3.15, `sum(w.size for w in model.trainable_weights)`
KERAS = "keras.applications"
# He et al. 2016, table 6, rounded there: 0.27M 0.46M 0.66M 0.85M 1.7M; exact from its section 4.2
CIFAR = "arXiv:1512.03385, section 4.2"

CASES = [
    Case(
        "lenet",
        "lenet5",
        (25 + 1) * 6 + (150 + 1) * 16 + (400 + 1) * 120 + (120 + 1) * 84 + (84 + 1) * 10,
        "LeCun et al. 1998, section II.B, layers C1, C3, C5, F6 and output, all connected",
        numerics=True,
    ),
    Case(
        "cnn",
        "cnn",
        sum(9 * a * b + 2 * b for a, b in ((3, 32), (32, 32), (32, 64), (64, 128))) + 129 * 10,
        "arithmetic: 3x3 kernels, two per channel for batch norm, a dense layer",
        numerics=True,
    ),
    Case("alexnet", "alexnet", 61_100_840, TORCHVISION, 0.714, numerics=True),
    Case("vgg", "vgg11", 132_863_336, TORCHVISION, 7.609, numerics=True),
    Case("vgg", "vgg13", 133_047_848, TORCHVISION, 11.308),
    Case("vgg", "vgg16", 138_357_544, TORCHVISION, 15.470),
    Case("vgg", "vgg19", 143_667_240, TORCHVISION, 19.632),
    Case("vgg", "vgg11_bn", 132_868_840, TORCHVISION, 7.609, numerics=True),
    Case("vgg", "vgg13_bn", 133_053_736, TORCHVISION, 11.308),
    Case("vgg", "vgg16_bn", 138_365_992, TORCHVISION, 15.470),
    Case("vgg", "vgg19_bn", 143_678_248, TORCHVISION, 19.632),
    Case("resnet", "resnet18", 11_689_512, TORCHVISION, 1.814, numerics=True),
    Case("resnet", "resnet34", 21_797_672, TORCHVISION, 3.664),
    Case("resnet", "resnet50", 25_557_032, TORCHVISION, 4.089),
    Case("resnet", "resnet101", 44_549_160, TORCHVISION, 7.801),
    Case("resnet", "resnet152", 60_192_808, TORCHVISION, 11.514),
    Case("resnet", "resnext50_32x4d", 25_028_904, TORCHVISION, 4.230, numerics=True),
    Case("resnet", "resnext101_32x8d", 88_791_336, TORCHVISION, 16.414),
    Case("resnet", "resnext101_64x4d", 83_455_272, TORCHVISION, 15.460),
    Case("resnet", "wide_resnet50_2", 68_883_240, TORCHVISION, 11.398),
    Case("resnet", "wide_resnet101_2", 126_886_696, TORCHVISION, 22.753),
    Case("resnet", "resnet20", 269_722, CIFAR, numerics=True),
    Case("resnet", "resnet32", 464_154, CIFAR),
    Case("resnet", "resnet44", 658_586, CIFAR),
    Case("resnet", "resnet56", 853_018, CIFAR),
    Case("resnet", "resnet110", 1_727_962, CIFAR),
    Case("resnet", "resnet50_v2", 25_568_360, KERAS, numerics=True),
    Case("resnet", "resnet101_v2", 44_577_896, KERAS),
    Case("resnet", "resnet152_v2", 60_236_904, KERAS),
    Case("efficientnet_lite", "efficientnet_lite0", 4_652_008, TIMM, numerics=True),
    Case("efficientnet_lite", "efficientnet_lite1", 5_416_680, TIMM),
    Case("efficientnet_lite", "efficientnet_lite2", 6_092_072, TIMM),
    Case("efficientnet_lite", "efficientnet_lite3", 8_197_096, TIMM),
    Case("efficientnet_lite", "efficientnet_lite4", 13_006_568, TIMM),
]

NO_BRANCHES = {("drop_path_rate", 0.3): "no residual branches"}
# What a family (by module) or a model (by name) refuses: an option whatever its value, or one
# value of it, and words of the error.
REFUSED: dict[str, dict] = {
    "lenet": {
        ("output_stride", 16): "cannot be reached",
        ("output_stride", 8): "cannot be reached",
        # "flatten" is of a map of a fixed size, unless the family averages it to one first
        ("input_shape", (None, None, 3)): "needs a fixed image size",
        ("input_shape", (65, None, 1)): "needs a fixed image size",
        **NO_BRANCHES,
    },
    "cnn": {("output_stride", 16): "cannot be reached", **NO_BRANCHES},
    "alexnet": NO_BRANCHES,
    "vgg": NO_BRANCHES,
    "resnet20": {
        ("output_stride", 16): "cannot be reached",
        ("output_stride", 8): "cannot be reached",
    },
}
TOKENS: tuple[str, ...] = ()  # modules of networks with a class token
DEFAULTS = {"output_stride": (32,), "downsample": ("paper",)}  # never refused

NUMERICS = [case for case in CASES if case.numerics]
# One of each family and block is enough for the table of options.
SAME_BLOCKS = ("vgg11_bn", "resnext50_32x4d")
FAMILIES = [case for case in NUMERICS if case.name not in SAME_BLOCKS]
