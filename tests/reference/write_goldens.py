"""Write `tests/goldens`: what the reference implementations answer.

    python tests/reference/write_goldens.py SOURCE [MODEL ...]

SOURCE is torchvision (needs torch and torchvision), timm and dinov2 (and timm),
efficientnet_pytorch (and efficientnet-lite-pytorch) or keras (needs Keras). Without names, all
models of the source.
"""

from __future__ import annotations

import sys

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
        "googlenet",
        "inception_v3",
        "densenet121",
        "mobilenet_v2",
        "mobilenet_v3_small",
        "mnasnet0_5",
        "squeezenet1_1",
        "shufflenet_v2_x0_5",
        "efficientnet_b0",
        "regnet_x_400mf",
        "regnet_y_400mf",
        "efficientnet_v2_s",
        "convnext_tiny",
        "swin_t",
        "swin_v2_t",
        "maxvit_t",
        "vit_b_32",
    ],
    "timm": [
        "inception_resnet_v2",
        "xception",
        "efficientnet_lite0",
        "efficientnet_b0",
        "regnet_y_200mf",
        "efficientnet_v2_b0",
        "mobilenet_v1",
        "mobilenet_v2_035",
        "mobilenet_v3_small",
        "mnasnet1_0",
        "inception_v4",
        "cspresnet50",
        "cspdarknet53",
        "cs3darknet_focus_m",
        "cs3se_edgenet_x",
        "darknet53",
        "darknetaa53",
        "ghostnet_050",
        "hrnet_w18_small",
        "vgg11",
        "vgg11_bn",
        "mixer_s32",
        "convmixer_1024_20_ks9_p14",
        "res2net50_26w_4s",
        "res2net50d",
        "res2next50",
        "resnest14d",
        "resnest50d_4s2x40d",
        "repvgg_a0",
        "repvgg_b1g4",
        "convnext_atto",
        "convnext_v2_atto",
        "resnet50c",
        "resnet10t",
        "seresnet18",
        "ecaresnet26t",
        "ecaresnetlight",
        "resnetrs50",
        "vit_ti_16",
        "swin_t",
        "swin_v2_t",
        "deit_ti_16_distilled",
        "deit3_s_16",
        "vit_s_14_dinov2",
        "vit_s_14_dinov2_reg",
        "maxvit_tiny_tf",
        "coatnet_0",
        "coatnet_nano_rw",
        "coatnet_bn_0_rw",
        "coatnet_rmlp_nano_rw",
        "mobilevit_xxs",
        "mobilevit_v2_050",
    ],
    "dinov2": ["vit_s_14_dinov2_reg"],
    "efficientnet_pytorch": ["efficientnet_lite0"],
    "keras": [
        "vgg16",
        "densenet121",
        "inception_v3",
        "inception_resnet_v2",
        "xception",
        "nasnet_mobile",
        "resnet50_v1",
        "resnet50_v2",
        "mobilenet_v1_025",
        "mobilenet_v2_035",
        "mobilenet_v3_small",
        "convnext_tiny",
        "efficientnet_b0",
        "efficientnet_v2_b0",
    ],
}


def main(source: str, *names: str) -> None:
    """Write the golden files of one source."""
    for name in names or GOLDENS[source]:
        reference = references(source)[name]
        size = reference.size or golden.SIZE
        x = golden.images(size)
        shapes, logits, version = answer(source, reference, x)
        _, exact, _ = answer(source, reference, x.astype("float64"))
        if abs(logits - exact).max() > 1e-5 * abs(exact).max():  # random values amplify rounding
            logits = exact
        golden.Golden(name, source, version, shapes, size, reference.options, logits).save()
        print(name, float(abs(logits).max()), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
