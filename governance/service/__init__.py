"""Who governance is: the Catalog that labels, the Governor that guards reads, Lineage that remembers what ran."""

from governance.service.catalog import Catalog, LabelChange
from governance.service.governor import Governor
from governance.service.lineage import Lineage

__all__ = ["Catalog", "Governor", "LabelChange", "Lineage"]
