"""A data set checked before training: mistakes in masks, pairs and splits."""

from kseg.data.check.findings import Finding, exit_code, ranked
from kseg.data.check.records import check_source
from kseg.data.check.report import Report, check_data, table

__all__ = [
    "Finding",
    "Report",
    "check_data",
    "check_source",
    "exit_code",
    "ranked",
    "table",
]
