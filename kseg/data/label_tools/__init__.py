"""Data sets as label tools export them, and masks as they import them."""

from kseg.data.label_tools.annotations import AnnotationSource, Object
from kseg.data.label_tools.coco import coco, write_coco
from kseg.data.label_tools.cvat import cvat
from kseg.data.label_tools.labelme import labelme, write_labelme
from kseg.data.label_tools.supervisely import supervisely
from kseg.data.label_tools.yolo import write_yolo, yolo

__all__ = [
    "AnnotationSource",
    "Object",
    "coco",
    "cvat",
    "labelme",
    "supervisely",
    "write_coco",
    "write_labelme",
    "write_yolo",
    "yolo",
]
