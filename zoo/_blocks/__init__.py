"""What the families share: convolution + norm + activation, pooling, blocks, the classifier."""

from zoo._blocks.convolution import (
    activation,
    branch_end_initializer,
    conv,
    conv_norm,
    conv_pool,
    image_input,
    norm,
    separable_conv,
)
from zoo._blocks.downsampling import average, check_size, downsample, pool
from zoo._blocks.head import classifier, end_stage
from zoo._blocks.inception import inception, inception_stem
from zoo._blocks.mbconv import MBConv, mbconv, shrink, two_conv_stem
from zoo._blocks.residual import (
    block_places,
    conv_stem,
    drop_path,
    efficient_channel_attention,
    inverted_residual,
    make_divisible,
    projection,
    residual_stem,
    squeeze_excite,
)
from zoo._blocks.transformer import crop_like, mlp, pad_to_multiple

__all__ = [
    "MBConv",
    "activation",
    "average",
    "block_places",
    "branch_end_initializer",
    "check_size",
    "classifier",
    "conv",
    "conv_norm",
    "conv_pool",
    "conv_stem",
    "crop_like",
    "downsample",
    "drop_path",
    "efficient_channel_attention",
    "end_stage",
    "image_input",
    "inception",
    "inception_stem",
    "inverted_residual",
    "make_divisible",
    "mbconv",
    "mlp",
    "norm",
    "pad_to_multiple",
    "pool",
    "projection",
    "residual_stem",
    "separable_conv",
    "shrink",
    "squeeze_excite",
    "two_conv_stem",
]
