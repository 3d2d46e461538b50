"""The few layers that the zoo needs and Keras lacks; registered, so that saved models load."""

from zoo.layers.activations import gelu_tanh
from zoo.layers.channels import (
    GlobalResponseNorm,
    LayerScale,
    ShuffleChannels,
    SplitChannels,
    ZeroPadChannels,
)
from zoo.layers.convolution import GroupedConv2D
from zoo.layers.normalization import BatchNormalization
from zoo.layers.padding import CropLike, PadToMultiple, SamePadding2D
from zoo.layers.patches import (
    PatchAttention,
    ResizeLike,
    ResizeToMultiple,
    SeparablePatchAttention,
)
from zoo.layers.pooling import BlurPool2D, GeneralizedMeanPooling2D
from zoo.layers.resizing import ResizeAndCrop, cubic, middle, resized
from zoo.layers.tokens import (
    ClassToken,
    PositionEmbedding,
    Registers,
    SelfAttention,
    TakeClassToken,
)
from zoo.layers.windows import (
    CosineWindowAttention,
    MLPWindowAttention,
    Neighbours2D,
    WindowAttention,
)

__all__ = [
    "BatchNormalization",
    "BlurPool2D",
    "ClassToken",
    "CosineWindowAttention",
    "CropLike",
    "GeneralizedMeanPooling2D",
    "GlobalResponseNorm",
    "GroupedConv2D",
    "LayerScale",
    "MLPWindowAttention",
    "Neighbours2D",
    "PadToMultiple",
    "PatchAttention",
    "PositionEmbedding",
    "Registers",
    "ResizeAndCrop",
    "ResizeLike",
    "ResizeToMultiple",
    "SamePadding2D",
    "SelfAttention",
    "SeparablePatchAttention",
    "ShuffleChannels",
    "SplitChannels",
    "TakeClassToken",
    "WindowAttention",
    "ZeroPadChannels",
    "cubic",
    "gelu_tanh",
    "middle",
    "resized",
]
