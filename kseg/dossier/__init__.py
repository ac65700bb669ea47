"""What the files of a model cost on a device, measured: as JSON and as a page."""

from kseg.dossier.measure import measure, table_of
from kseg.dossier.write import write_dossier

__all__ = ["measure", "table_of", "write_dossier"]
