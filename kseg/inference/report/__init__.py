"""A report on a model: its scores, curves and pictures as one HTML page."""

from kseg.inference.report.judge import Judged, judge
from kseg.inference.report.page import write_report
from kseg.inference.report.precision_recall import PrecisionRecall
from kseg.inference.report.run_folder import RunFolder, read_run_folder

__all__ = [
    "Judged",
    "PrecisionRecall",
    "RunFolder",
    "judge",
    "read_run_folder",
    "write_report",
]
