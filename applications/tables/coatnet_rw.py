"""Names of the arrays of timm's own CoAtNets in its checkpoints."""

from applications.tables.coatnet import COMPUTED, timm
from applications.tables.coatnet import TABLES as COATNET
from applications.tables.rules import Table

TABLES = [*COATNET, Table("timm", timm("se_early"), COMPUTED)]
