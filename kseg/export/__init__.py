"""From a trained Keras model to the files that others run, and proof that they do."""

from kseg.export.card import write_card
from kseg.export.deploy import (
    CALIBRATION_IMAGES,
    FORMATS,
    USUAL_FORMATS,
    check_formats,
    deploy,
)
from kseg.export.exported_model import ExportedModel, open_onnx, open_saved_model
from kseg.export.litert import export_litert
from kseg.export.litert_check import check_litert, operators
from kseg.export.onnx_file import export_onnx
from kseg.export.placement import placement, targets
from kseg.export.saved_model import export_saved_model
from kseg.export.verify import markdown_table, verify
from kseg.lite import LiteRTModel, read_sidecar

__all__ = [
    "CALIBRATION_IMAGES",
    "FORMATS",
    "ExportedModel",
    "LiteRTModel",
    "USUAL_FORMATS",
    "check_formats",
    "check_litert",
    "deploy",
    "export_litert",
    "export_onnx",
    "export_saved_model",
    "markdown_table",
    "open_onnx",
    "open_saved_model",
    "operators",
    "placement",
    "read_sidecar",
    "targets",
    "verify",
    "write_card",
]
