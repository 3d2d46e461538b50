"""Names of ResNet-C, D, S and T's arrays in the checkpoints of timm: those of ResNet."""

from applications.tables.resnet import TIMM

TABLES = TIMM
