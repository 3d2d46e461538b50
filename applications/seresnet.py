"""Names of SE-ResNet and ECA-ResNet's arrays in the checkpoints of timm: those of ResNet."""

from applications.resnet import TIMM

TABLES = TIMM
