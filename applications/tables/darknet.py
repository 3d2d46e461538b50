"""Names of DarkNet's arrays in the checkpoints of timm: those of CSPNet."""

from applications.tables.cspnet import TABLES

__all__ = ["TABLES"]
