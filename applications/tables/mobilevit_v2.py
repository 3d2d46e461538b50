"""Names of MobileViT v2's arrays in the checkpoints of timm."""

from applications.tables.mobilevit import timm
from applications.tables.rules import CONV, DEPTHWISE, Table

TABLES = [Table("timm", timm(DEPTHWISE, CONV, "qkv_proj", "out_proj"))]
