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
    scale: int = 1  # how much larger the images of the tests must be, if sizes are rounded far

    def __str__(self) -> str:
        return self.name

    def fitting(
        self, height: int | None, width: int | None, channels: int
    ) -> tuple[int | None, int | None, int]:
        """The next larger shape that the model takes."""
        sizes = [size and size * self.scale for size in (height, width)]
        up = [size and -(-size // self.multiple) * self.multiple for size in sizes]
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
# timm 1.0, the model's `sum(p.numel() for p in model.parameters())`
TIMM = "timm"
# keras.applications 3.15, `sum(w.size for w in model.trainable_weights)`
KERAS = "keras.applications"
# He et al. 2016, table 6, rounded there: 0.27M 0.46M 0.66M 0.85M 1.7M; exact from its section 4.2
CIFAR = "arXiv:1512.03385, section 4.2"
# Torchvision holds biases for the keys of Swin v2, and takes them as 0; times the sum of widths.
KEY_BIASES = 96
# timm's CoAtNet-5 has heads of 32 channels, and twice as many columns in its tables of positions.
HEADS_OF_64 = "timm, with transformer_dim_head=64"

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
    Case("resnet", "resnext101_32x4d", 44_177_704, TIMM),
    Case("resnet", "resnext101_32x8d", 88_791_336, TORCHVISION, 16.414),
    Case("resnet", "resnext101_64x4d", 83_455_272, TORCHVISION, 15.460),
    Case("resnet", "wide_resnet50_2", 68_883_240, TORCHVISION, 11.398),
    Case("resnet", "wide_resnet101_2", 126_886_696, TORCHVISION, 22.753),
    Case("resnet_cifar", "resnet20", 269_722, CIFAR, numerics=True),
    Case("resnet_cifar", "resnet32", 464_154, CIFAR),
    Case("resnet_cifar", "resnet44", 658_586, CIFAR),
    Case("resnet_cifar", "resnet56", 853_018, CIFAR),
    Case("resnet_cifar", "resnet110", 1_727_962, CIFAR),
    Case("resnet", "resnet50_v1", 25_583_592, KERAS, numerics=True),
    Case("resnet", "resnet101_v1", 44_601_832, KERAS),
    Case("resnet", "resnet152_v1", 60_268_520, KERAS),
    Case("resnet_v2", "resnet50_v2", 25_568_360, KERAS, numerics=True),
    Case("resnet_v2", "resnet101_v2", 44_577_896, KERAS),
    Case("resnet_v2", "resnet152_v2", 60_236_904, KERAS),
    Case("densenet", "densenet121", 7_978_856, TORCHVISION, 2.834, numerics=True),
    Case("densenet", "densenet161", 28_681_000, TORCHVISION, 7.728),
    Case("densenet", "densenet169", 14_149_480, TORCHVISION, 3.360),
    Case("densenet", "densenet201", 20_013_928, TORCHVISION, 4.291),
    Case("googlenet", "googlenet", 6_624_904, TORCHVISION, 1.498, numerics=True),
    Case("regnet", "regnet_x_200mf", 2_684_792, TIMM, numerics=True),
    Case("regnet", "regnet_x_400mf", 5_495_976, TORCHVISION, 0.414),
    Case("regnet", "regnet_x_600mf", 6_196_040, TIMM),
    Case("regnet", "regnet_x_800mf", 7_259_656, TORCHVISION, 0.800),
    Case("regnet", "regnet_x_1_6gf", 9_190_136, TORCHVISION, 1.603),
    Case("regnet", "regnet_x_3_2gf", 15_296_552, TORCHVISION, 3.177),
    Case("regnet", "regnet_x_4gf", 22_118_248, TIMM),
    Case("regnet", "regnet_x_6_4gf", 26_209_256, TIMM),
    Case("regnet", "regnet_x_8gf", 39_572_648, TORCHVISION, 7.995),
    Case("regnet", "regnet_x_12gf", 46_106_056, TIMM),
    Case("regnet", "regnet_x_16gf", 54_278_536, TORCHVISION, 15.941),
    Case("regnet", "regnet_x_32gf", 107_811_560, TORCHVISION, 31.736),
    Case("regnet", "regnet_y_200mf", 3_162_996, TIMM, numerics=True),
    Case("regnet", "regnet_y_400mf", 4_344_144, TORCHVISION, 0.402),
    Case("regnet", "regnet_y_600mf", 6_055_160, TIMM),
    Case("regnet", "regnet_y_800mf", 6_432_512, TORCHVISION, 0.834),
    Case("regnet", "regnet_y_1_6gf", 11_202_430, TORCHVISION, 1.612),
    Case("regnet", "regnet_y_3_2gf", 19_436_338, TORCHVISION, 3.176),
    Case("regnet", "regnet_y_4gf", 20_646_656, TIMM),
    Case("regnet", "regnet_y_6_4gf", 30_583_252, TIMM),
    Case("regnet", "regnet_y_8gf", 39_381_472, TORCHVISION, 8.473),
    Case("regnet", "regnet_y_12gf", 51_822_544, TIMM),
    Case("regnet", "regnet_y_16gf", 83_590_140, TORCHVISION, 15.912),
    Case("regnet", "regnet_y_32gf", 145_046_770, TORCHVISION, 32.280),
    Case("regnet", "regnet_y_128gf", 644_812_894, TORCHVISION, 127.518),
    Case("efficientnet", "efficientnet_b0", 5_288_548, TORCHVISION, 0.386, numerics=True),
    Case("efficientnet", "efficientnet_b1", 7_794_184, TORCHVISION, 0.687),
    Case("efficientnet", "efficientnet_b2", 9_109_994, TORCHVISION, 1.088),
    Case("efficientnet", "efficientnet_b3", 12_233_232, TORCHVISION, 1.827),
    Case("efficientnet", "efficientnet_b4", 19_341_616, TORCHVISION, 4.394),
    Case("efficientnet", "efficientnet_b5", 30_389_784, TORCHVISION, 10.266),
    Case("efficientnet", "efficientnet_b6", 43_040_704, TORCHVISION, 19.068),
    Case("efficientnet", "efficientnet_b7", 66_347_960, TORCHVISION, 37.746),
    Case("efficientnet_v2", "efficientnet_v2_b0", 7_139_704, TIMM, numerics=True),
    Case("efficientnet_v2", "efficientnet_v2_b1", 8_141_052, TIMM),
    Case("efficientnet_v2", "efficientnet_v2_b2", 10_096_086, TIMM),
    Case("efficientnet_v2", "efficientnet_v2_b3", 14_358_406, TIMM),
    Case("efficientnet_v2", "efficientnet_v2_s", 21_458_488, TORCHVISION, 8.366),
    Case("efficientnet_v2", "efficientnet_v2_m", 54_139_356, TORCHVISION, 24.582),
    Case("efficientnet_v2", "efficientnet_v2_l", 118_515_272, TORCHVISION, 56.080),
    Case("efficientnet_v2", "efficientnet_v2_xl", 208_119_808, TIMM),
    Case("efficientnet_lite", "efficientnet_lite0", 4_652_008, TIMM, numerics=True),
    Case("efficientnet_lite", "efficientnet_lite1", 5_416_680, TIMM),
    Case("efficientnet_lite", "efficientnet_lite2", 6_092_072, TIMM),
    Case("efficientnet_lite", "efficientnet_lite3", 8_197_096, TIMM),
    Case("efficientnet_lite", "efficientnet_lite4", 13_006_568, TIMM),
    Case("inception_v3", "inception_v3", 23_834_568, TIMM, 5.713, numerics=True, scale=2),
    Case("nasnet", "nasnet_mobile", 5_289_978, KERAS, numerics=True),
    Case("nasnet", "nasnet_large", 88_753_150, KERAS),
    Case("xception", "xception", 22_855_952, KERAS, numerics=True, scale=2),
    Case("inception_resnet_v2", "inception_resnet_v2", 55_843_464, TIMM, numerics=True, scale=2),
    Case("inception_v4", "inception_v4", 42_679_816, TIMM, numerics=True, scale=2),
    Case("ghostnet", "ghostnet_050", 2_587_292, TIMM, numerics=True),
    Case("ghostnet", "ghostnet_100", 5_182_508, TIMM),
    Case("ghostnet", "ghostnet_130", 7_358_820, TIMM),
    Case("hrnet", "hrnet_w18_small", 13_187_464, TIMM, numerics=True),
    Case("hrnet", "hrnet_w18_small_v2", 15_597_464, TIMM),
    Case("hrnet", "hrnet_w18", 21_299_004, TIMM),
    Case("hrnet", "hrnet_w30", 37_712_220, TIMM),
    Case("hrnet", "hrnet_w32", 41_232_680, TIMM),
    Case("hrnet", "hrnet_w40", 57_557_160, TIMM),
    Case("hrnet", "hrnet_w44", 67_064_984, TIMM),
    Case("hrnet", "hrnet_w48", 77_469_864, TIMM),
    Case("hrnet", "hrnet_w64", 128_059_944, TIMM),
    Case("cspnet", "cspresnet50", 21_616_168, TIMM, numerics=True),
    Case("cspnet", "cspresnext50", 20_569_896, TIMM),
    Case("cspnet", "cspdarknet53", 27_642_184, TIMM, numerics=True),
    Case("darknet", "darknet53", 41_609_928, TIMM),
    Case("darknet", "darknetaa53", 36_022_984, TIMM, numerics=True),
    Case("cspnet", "cs3darknet_m", 9_310_240, TIMM, numerics=True),
    Case("cspnet", "cs3darknet_l", 21_164_168, TIMM),
    Case("cspnet", "cs3darknet_x", 35_046_320, TIMM),
    Case("cspnet", "cs3darknet_focus_m", 9_304_360, TIMM),
    Case("cspnet", "cs3darknet_focus_l", 21_151_720, TIMM),
    Case("cspnet", "cs3sedarknet_l", 21_913_592, TIMM),
    Case("cspnet", "cs3sedarknet_x", 35_397_904, TIMM),
    Case("cspnet", "cs3edgenet_x", 47_821_120, TIMM),
    Case("cspnet", "cs3se_edgenet_x", 50_721_584, TIMM),
    Case("mobilenet", "mobilenet_v1_025", 470_072, KERAS, numerics=True),
    Case("mobilenet", "mobilenet_v1_050", 1_331_592, KERAS),
    Case("mobilenet", "mobilenet_v1_075", 2_585_560, KERAS),
    Case("mobilenet", "mobilenet_v1", 4_231_976, KERAS),
    Case("mobilenet", "mobilenet_v1_125", 6_270_840, TIMM),
    Case("mobilenet_v2", "mobilenet_v2_035", 1_677_128, TIMM, numerics=True),
    Case("mobilenet_v2", "mobilenet_v2_050", 1_968_680, TIMM),
    Case("mobilenet_v2", "mobilenet_v2_075", 2_636_424, TIMM),
    Case("mobilenet_v2", "mobilenet_v2", 3_504_872, TORCHVISION, 0.301),
    Case("mobilenet_v2", "mobilenet_v2_130", 5_386_792, KERAS),
    Case("mobilenet_v2", "mobilenet_v2_140", 6_108_776, TIMM),
    Case("mobilenet_v2", "mobilenet_v2_110d", 4_516_520, TIMM),
    Case("mobilenet_v2", "mobilenet_v2_120d", 5_831_144, TIMM),
    Case("mobilenet_v3", "mobilenet_v3_small_050", 1_593_224, TIMM, numerics=True),
    Case("mobilenet_v3", "mobilenet_v3_small_075", 2_041_872, KERAS),
    Case("mobilenet_v3", "mobilenet_v3_small", 2_542_856, TORCHVISION, 0.057),
    Case("mobilenet_v3", "mobilenet_v3_small_minimal", 2_044_736, KERAS),
    Case("mobilenet_v3", "mobilenet_v3_large_075", 3_993_528, KERAS),
    Case("mobilenet_v3", "mobilenet_v3_large", 5_483_032, TORCHVISION, 0.217),
    Case("mobilenet_v3", "mobilenet_v3_large_minimal", 3_924_288, KERAS),
    Case("mnasnet", "mnasnet0_5", 2_218_512, TORCHVISION, 0.104, numerics=True),
    Case("mnasnet", "mnasnet0_75", 3_170_208, TORCHVISION, 0.215),
    Case("mnasnet", "mnasnet1_0", 4_383_312, TORCHVISION, 0.314),
    Case("mnasnet", "mnasnet1_3", 6_282_256, TORCHVISION, 0.526),
    Case("squeezenet", "squeezenet1_0", 1_248_424, TORCHVISION, 0.819),
    Case("squeezenet", "squeezenet1_1", 1_235_496, TORCHVISION, 0.349, numerics=True),
    Case("shufflenet_v2", "shufflenet_v2_x0_5", 1_366_792, TORCHVISION, 0.040, numerics=True),
    Case("shufflenet_v2", "shufflenet_v2_x1_0", 2_278_604, TORCHVISION, 0.145),
    Case("shufflenet_v2", "shufflenet_v2_x1_5", 3_503_624, TORCHVISION, 0.296),
    Case("shufflenet_v2", "shufflenet_v2_x2_0", 7_393_996, TORCHVISION, 0.583),
    Case("convmixer", "convmixer_768_32", 21_110_248, TIMM, numerics=True),
    Case("convmixer", "convmixer_1024_20_ks9_p14", 24_383_464, TIMM),
    Case("convmixer", "convmixer_1536_20", 51_625_960, TIMM),
    Case("mixer", "mixer_s32", 19_104_624, TIMM, multiple=32),
    Case("mixer", "mixer_s16", 18_528_264, TIMM, numerics=True, multiple=16),
    Case("mixer", "mixer_b32", 60_293_428, TIMM, multiple=32),
    Case("mixer", "mixer_b16", 59_880_472, TIMM, multiple=16),
    Case("mixer", "mixer_l32", 206_939_264, TIMM, multiple=32),
    Case("mixer", "mixer_l16", 208_196_168, TIMM, multiple=16),
    Case("resnet_d", "resnet50c", 25_576_264, TIMM),
    Case("resnet_d", "resnet101c", 44_568_392, TIMM),
    Case("resnet_d", "resnet152c", 60_212_040, TIMM),
    Case("resnet_d", "resnet18d", 11_708_744, TIMM),
    Case("resnet_d", "resnet26d", 16_014_408, TIMM),
    Case("resnet_d", "resnet34d", 21_816_904, TIMM),
    Case("resnet_d", "resnet50d", 25_576_264, TIMM),
    Case("resnet_d", "resnet101d", 44_568_392, TIMM),
    Case("resnet_d", "resnet152d", 60_212_040, TIMM),
    Case("resnet_d", "resnet200d", 64_693_064, TIMM),
    Case("resnet_d", "resnet50s", 25_680_808, TIMM),
    Case("resnet_d", "resnet101s", 44_672_936, TIMM),
    Case("resnet_d", "resnet152s", 60_316_584, TIMM),
    Case("resnet_d", "resnet10t", 5_435_488, TIMM, numerics=True),
    Case("resnet_d", "resnet14t", 10_081_632, TIMM),
    Case("resnet_d", "resnet26t", 16_011_872, TIMM),
    Case("resnet_d", "resnet50t", 25_573_728, TIMM),
    Case("resnet_d", "resnext50d_32x4d", 25_048_136, TIMM),
    Case("resnet_d", "resnetblur50", 25_557_032, TIMM),
    Case("seresnet", "seresnet18", 11_779_624, TIMM, numerics=True),
    Case("seresnet", "seresnet34", 21_960_416, TIMM),
    Case("seresnet", "seresnet50", 28_088_024, TIMM),
    Case("seresnet", "seresnet101", 49_326_872, TIMM),
    Case("seresnet", "seresnet152", 66_821_848, TIMM),
    Case("seresnet", "seresnet152d", 66_841_080, TIMM),
    Case("seresnet", "seresnext26d_32x4d", 16_809_512, TIMM),
    Case("seresnet", "seresnext26t_32x4d", 16_806_976, TIMM),
    Case("seresnet", "seresnext50_32x4d", 27_559_896, TIMM),
    Case("seresnet", "seresnext101_32x4d", 48_955_416, TIMM),
    Case("seresnet", "seresnext101_32x8d", 93_569_048, TIMM),
    Case("seresnet", "seresnext101_64x4d", 88_232_984, TIMM),
    Case("seresnet", "seresnext101d_32x8d", 93_588_280, TIMM),
    Case("seresnet", "ecaresnet26t", 16_011_916, TIMM, numerics=True),
    Case("seresnet", "ecaresnet50d", 25_576_350, TIMM),
    Case("seresnet", "ecaresnet50t", 25_573_814, TIMM),
    Case("seresnet", "ecaresnet101d", 44_568_563, TIMM),
    Case("seresnet", "ecaresnet269d", 102_093_077, TIMM),
    Case("seresnet", "ecaresnetlight", 30_162_046, TIMM),
    Case("resnet_rs", "resnetrs50", 35_691_912, TIMM, numerics=True),
    Case("resnet_rs", "resnetrs101", 63_618_696, TIMM),
    Case("resnet_rs", "resnetrs152", 86_621_576, TIMM),
    Case("resnet_rs", "resnetrs200", 93_209_992, TIMM),
    Case("resnet_rs", "resnetrs270", 129_861_448, TIMM),
    Case("resnet_rs", "resnetrs350", 163_956_168, TIMM),
    Case("resnet_rs", "resnetrs420", 191_891_656, TIMM),
    Case("convnext", "convnext_atto", 3_695_520, TIMM, numerics=True),
    Case("convnext", "convnext_femto", 5_217_784, TIMM),
    Case("convnext", "convnext_pico", 9_045_672, TIMM),
    Case("convnext", "convnext_nano", 15_593_560, TIMM),
    Case("convnext", "convnext_tiny", 28_589_128, TORCHVISION, 4.456),
    Case("convnext", "convnext_small", 50_223_688, TORCHVISION, 8.684),
    Case("convnext", "convnext_base", 88_591_464, TORCHVISION, 15.355),
    Case("convnext", "convnext_large", 197_767_336, TORCHVISION, 34.361),
    Case("convnext", "convnext_xlarge", 350_196_968, KERAS),
    Case("convnext", "convnext_v2_atto", 3_708_400, TIMM, numerics=True),
    Case("convnext", "convnext_v2_femto", 5_233_240, TIMM),
    Case("convnext", "convnext_v2_pico", 9_066_280, TIMM),
    Case("convnext", "convnext_v2_nano", 15_623_800, TIMM),
    Case("convnext", "convnext_v2_tiny", 28_635_496, TIMM),
    Case("convnext", "convnext_v2_base", 88_717_800, TIMM),
    Case("convnext", "convnext_v2_large", 197_956_840, TIMM),
    Case("convnext", "convnext_v2_huge", 660_289_640, TIMM),
    Case("vit", "vit_ti_16", 5_717_416, TIMM, numerics=True, multiple=16),
    Case("vit", "vit_s_16", 22_050_664, TIMM, multiple=16),
    Case("vit", "vit_s_32", 22_878_952, TIMM, multiple=32),
    Case("vit", "vit_b_16", 86_567_656, TORCHVISION, 17.564, multiple=16),
    Case("vit", "vit_b_32", 88_224_232, TORCHVISION, 4.409, multiple=32),
    Case("vit", "vit_l_16", 304_326_632, TORCHVISION, 61.555, multiple=16),
    Case("vit", "vit_l_32", 306_535_400, TORCHVISION, 15.378, multiple=32),
    Case("vit", "vit_h_14", 632_045_800, TORCHVISION, 167.295, multiple=14),
    Case("deit", "deit_ti_16", 5_717_416, TIMM, multiple=16),
    Case("deit", "deit_s_16", 22_050_664, TIMM, multiple=16),
    Case("deit", "deit_b_16", 86_567_656, TIMM, multiple=16),
    Case("deit", "deit_ti_16_distilled", 5_910_800, TIMM, numerics=True, multiple=16),
    Case("deit", "deit_s_16_distilled", 22_436_432, TIMM, multiple=16),
    Case("deit", "deit_b_16_distilled", 87_338_192, TIMM, multiple=16),
    Case("deit", "deit3_s_16", 22_059_496, TIMM, multiple=16),
    Case("deit", "deit3_m_16", 38_849_512, TIMM, multiple=16),
    Case("deit", "deit3_b_16", 86_585_320, TIMM, multiple=16),
    Case("deit", "deit3_l_16", 304_374_760, TIMM, multiple=16),
    Case("deit", "deit3_h_14", 632_126_440, TIMM, multiple=14),
    Case("dinov2", "vit_s_14_dinov2", 22_441_192, TIMM, multiple=14),
    Case("dinov2", "vit_b_14_dinov2", 87_348_712, TIMM, multiple=14),
    Case("dinov2", "vit_l_14_dinov2", 305_392_616, TIMM, multiple=14),
    Case("dinov2", "vit_g_14_dinov2", 1_138_016_232, TIMM, multiple=14),
    # Timm adds the position of the class token to the token itself.
    Case("dinov2", "vit_s_14_dinov2_reg", 22_442_344 + 384, TIMM, numerics=True, multiple=14),
    Case("dinov2", "vit_b_14_dinov2_reg", 87_351_016 + 768, TIMM, multiple=14),
    Case("dinov2", "vit_l_14_dinov2_reg", 305_395_688 + 1024, TIMM, multiple=14),
    Case("dinov2", "vit_g_14_dinov2_reg", 1_138_020_840 + 1536, TIMM, multiple=14),
    Case("res2net", "res2net50_48w_2s", 25_287_304, TIMM),
    Case("res2net", "res2net50_26w_4s", 25_699_120, TIMM, numerics=True),
    Case("res2net", "res2net50_14w_8s", 25_059_816, TIMM),
    Case("res2net", "res2net50_26w_6s", 37_051_448, TIMM),
    Case("res2net", "res2net50_26w_8s", 48_403_776, TIMM),
    Case("res2net", "res2net101_26w_4s", 45_206_688, TIMM),
    Case("res2net", "res2next50", 24_671_464, TIMM),
    Case("res2net", "res2net50d", 25_718_352, TIMM),
    Case("res2net", "res2net101d", 45_225_920, TIMM),
    Case("resnest", "resnest14d", 10_611_688, TIMM, numerics=True),
    Case("resnest", "resnest26d", 17_069_448, TIMM),
    Case("resnest", "resnest50d", 27_483_240, TIMM),
    Case("resnest", "resnest101e", 48_275_016, TIMM),
    Case("resnest", "resnest200e", 70_201_544, TIMM),
    Case("resnest", "resnest269e", 110_929_480, TIMM),
    Case("resnest", "resnest50d_1s4x24d", 25_677_000, TIMM),
    Case("resnest", "resnest50d_4s2x40d", 30_417_592, TIMM),
    Case("swin", "swin_t", 28_288_354, TORCHVISION, 4.491, numerics=True),
    Case("swin", "swin_s", 49_606_258, TORCHVISION, 8.741),
    Case("swin", "swin_b", 87_768_224, TORCHVISION, 15.431),
    Case("swin", "swin_l", 196_532_476, TIMM),
    Case("swin", "swin_v2_t", 28_351_570 - KEY_BIASES * 46, TORCHVISION, 5.94, numerics=True),
    Case("swin", "swin_v2_s", 49_737_442 - KEY_BIASES * 94, TORCHVISION, 11.546),
    Case("swin", "swin_v2_b", 87_930_848 - KEY_BIASES * 94 * 4 // 3, TORCHVISION, 20.325),
    Case("swin", "swin_v2_l", 196_739_932, TIMM),
    Case("repvgg", "repvgg_a0", 9_108_968, TIMM, numerics=True),
    Case("repvgg", "repvgg_a1", 14_092_264, TIMM),
    Case("repvgg", "repvgg_a2", 28_210_600, TIMM),
    Case("repvgg", "repvgg_b0", 15_817_960, TIMM),
    Case("repvgg", "repvgg_b1", 57_415_016, TIMM),
    Case("repvgg", "repvgg_b1g4", 39_966_056, TIMM),
    Case("repvgg", "repvgg_b2", 89_022_376, TIMM),
    Case("repvgg", "repvgg_b2g4", 61_758_376, TIMM),
    Case("repvgg", "repvgg_b3", 123_085_288, TIMM),
    Case("repvgg", "repvgg_b3g4", 83_825_128, TIMM),
    Case("maxvit", "maxvit_t", 30_919_624, TORCHVISION, 5.558, numerics=True),
    Case("maxvit", "maxvit_tiny_tf", 30_916_528, TIMM, numerics=True),
    Case("maxvit", "maxvit_small_tf", 68_927_956, TIMM),
    Case("maxvit", "maxvit_base_tf", 119_467_708, TIMM),
    Case("maxvit", "maxvit_large_tf", 211_785_560, TIMM),
    Case("maxvit", "maxvit_xlarge_tf", 474_951_952, TIMM),
    Case("coatnet", "coatnet_0", 25_036_820, TIMM, numerics=True),
    Case("coatnet", "coatnet_1", 42_225_776, TIMM),
    Case("coatnet", "coatnet_2", 74_684_744, TIMM),
    Case("coatnet", "coatnet_3", 166_966_264, TIMM),
    Case("coatnet", "coatnet_4", 275_425_288, TIMM),
    Case("coatnet", "coatnet_5", 687_472_008 - 20 * (28 * 27**2) - 32 * (2 * 13**2), HEADS_OF_64),
    Case("coatnet_rw", "coatnet_nano_rw", 15_141_244, TIMM),
    Case("coatnet_rw", "coatnet_0_rw", 27_435_562, TIMM, numerics=True),
    Case("coatnet_rw", "coatnet_1_rw", 41_721_502, TIMM),
    Case("coatnet_rw", "coatnet_2_rw", 73_868_400, TIMM),
    Case("coatnet_rw", "coatnet_bn_0_rw", 27_435_562, TIMM),
    Case("coatnet_rw", "coatnet_rmlp_nano_rw", 15_145_116, TIMM, numerics=True),
    Case("coatnet_rw", "coatnet_rmlp_1_rw", 41_691_982, TIMM),
    Case("coatnet_rw", "coatnet_rmlp_2_rw", 73_881_264, TIMM),
    Case("mobilevit", "mobilevit_xxs", 1_272_024, TIMM, numerics=True),
    Case("mobilevit", "mobilevit_xs", 2_317_848, TIMM),
    Case("mobilevit", "mobilevit_s", 5_578_632, TIMM),
    Case("mobilevit_v2", "mobilevit_v2_050", 1_370_593, TIMM, numerics=True, scale=2),
    Case("mobilevit_v2", "mobilevit_v2_075", 2_866_009, TIMM),
    Case("mobilevit_v2", "mobilevit_v2_100", 4_901_841, TIMM),
    Case("mobilevit_v2", "mobilevit_v2_125", 7_478_089, TIMM),
    Case("mobilevit_v2", "mobilevit_v2_150", 10_594_753, TIMM),
    Case("mobilevit_v2", "mobilevit_v2_175", 14_251_833, TIMM),
    Case("mobilevit_v2", "mobilevit_v2_200", 18_449_329, TIMM),
]

NO_BRANCHES = {("drop_path_rate", 0.3): "no residual branches"}
TRANSFORMER = {
    "strides": "one resolution",
    "output_stride": "one resolution",
    "downsample": "reads the pixels",
    "spatial_dropout": "class token does not read the map",
    ("input_shape", (None, None, 3)): "needs a fixed image size",
    ("input_shape", (70, None, 1)): "needs a fixed image size",
    ("input_shape", (80, None, 1)): "needs a fixed image size",
}
POSITION_TABLE = {
    ("input_shape", (None, None, 3)): "needs a fixed image size",
    ("input_shape", (65, None, 1)): "needs a fixed image size",
}
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
    "mobilenet": NO_BRANCHES,
    "shufflenet_v2": NO_BRANCHES,
    "squeezenet": {("pooling", "flatten"): "logits of all pixels", **NO_BRANCHES},
    "densenet": NO_BRANCHES,
    "googlenet": NO_BRANCHES,
    "inception_v3": NO_BRANCHES,
    "inception_v4": NO_BRANCHES,
    "convmixer": dict.fromkeys(
        ("strides", "output_stride", "downsample"), "a ConvMixer has one resolution"
    ),
    "mixer": {
        "strides": "a Mixer has one resolution",
        "output_stride": "a Mixer has one resolution",
        "downsample": "a Mixer has one resolution",
        ("input_shape", (None, None, 3)): "needs a fixed image size",
        ("input_shape", (80, None, 1)): "needs a fixed image size",
    },
    "vit": TRANSFORMER,
    "deit": TRANSFORMER,
    "dinov2": TRANSFORMER,
    "coatnet": POSITION_TABLE,
    "coatnet_0_rw": POSITION_TABLE,
    "resnet_cifar": {
        ("output_stride", 16): "cannot be reached",
        ("output_stride", 8): "cannot be reached",
    },
}
TOKENS: tuple[str, ...] = ("vit", "deit", "dinov2")  # modules of networks with a class token
DEFAULTS = {"output_stride": (32,), "downsample": ("paper",)}  # never refused

NUMERICS = [case for case in CASES if case.numerics]
# One of each family and block is enough for the table of options.
SAME_BLOCKS = (
    "vit_s_14_dinov2_reg",
    "mnasnet0_5",
    "regnet_x_200mf",
    "ecaresnet26t",
    "resnet50_v1",
    "cspdarknet53",
    "convnext_atto",
    "vgg11_bn",
    "resnext50_32x4d",
    "maxvit_tiny_tf",
)
FAMILIES = [case for case in NUMERICS if case.name not in SAME_BLOCKS]
# Together they have every layer of the zoo that a model can hold.
EVERY_LAYER = (
    *("resnet20", "regnet_y_200mf", "nasnet_mobile", "shufflenet_v2_x0_5", "res2net50_26w_4s"),
    *("convnext_v2_atto", "swin_t", "swin_v2_t", "maxvit_tiny_tf", "coatnet_rmlp_nano_rw"),
    *("vit_s_14_dinov2_reg", "mobilevit_xxs", "mobilevit_v2_050"),
)
