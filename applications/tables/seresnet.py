"""Names of SE-ResNet and ECA-ResNet's arrays in the checkpoints of timm: those of ResNet."""

from applications.tables.resnet import TIMM

TABLES = TIMM
