"""Names of ResNet-RS's arrays in the checkpoints of timm: those of ResNet."""

from applications.tables.resnet import TIMM

TABLES = TIMM
