"""The few layers that the zoo needs and Keras lacks; registered, so that saved models load."""

from zoo.layers.channels import (
    GlobalResponseNorm,
    LayerScale,
    ShuffleChannels,
    SplitChannels,
    ZeroPadChannels,
)
from zoo.layers.padding import CropLike, PadToMultiple, SamePadding2D
from zoo.layers.pooling import BlurPool2D, GeneralizedMeanPooling2D
from zoo.layers.resizing import ResizeAndCrop, cubic, middle, resized
from zoo.layers.tokens import ClassToken, PositionEmbedding, SelfAttention, TakeClassToken
from zoo.layers.windows import CosineWindowAttention, Neighbours2D, WindowAttention

__all__ = [
    "BlurPool2D",
    "ClassToken",
    "CosineWindowAttention",
    "CropLike",
    "GeneralizedMeanPooling2D",
    "GlobalResponseNorm",
    "LayerScale",
    "Neighbours2D",
    "PadToMultiple",
    "PositionEmbedding",
    "ResizeAndCrop",
    "SamePadding2D",
    "SelfAttention",
    "ShuffleChannels",
    "SplitChannels",
    "TakeClassToken",
    "WindowAttention",
    "ZeroPadChannels",
    "cubic",
    "middle",
    "resized",
]
