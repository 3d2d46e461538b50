"""Names of the arrays of timm's own CoAtNets in its checkpoints."""

from applications.coatnet import COMPUTED, timm
from applications.coatnet import TABLES as COATNET
from applications.rules import Table

TABLES = [*COATNET, Table("timm", timm("se_early"), COMPUTED)]
