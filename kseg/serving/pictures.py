"""What `POST /predict` answers: a mask, an overlay, or the classes' shares."""

import io
import json

import numpy as np
from PIL import Image

from kseg.labels import Labels
from kseg.raster.pictures import overlay
from kseg.raster.whole import mask_picture

OUTPUTS = ("mask", "overlay", "shares")


def write_output(
    output: str, image: np.ndarray, ids: np.ndarray, labels: Labels
) -> tuple[bytes, str]:
    """Returns an answer, and its media type.

    Args:
        output: One of `OUTPUTS`.
        image: uint8 `(height, width, 3)`.
        ids: Class ids `(height, width)`.
        labels: What they mean.
    """
    if output == "shares":
        return json.dumps(_shares(ids, labels)).encode(), "application/json"
    if output == "overlay":
        picture = overlay(image, ids, labels)
    elif labels.num_classes > 256:  # more than a palette holds
        picture = Image.fromarray(ids.astype(np.uint16))
    else:
        picture = mask_picture(ids, labels)
    file = io.BytesIO()
    picture.save(file, format="PNG")
    return file.getvalue(), "image/png"


def _shares(ids: np.ndarray, labels: Labels) -> dict:
    """Counts the pixels of each class."""
    counts = np.bincount(ids.ravel(), minlength=labels.num_classes).tolist()
    classes = [
        {"id": i, "name": name, "pixels": count, "share": count / ids.size}
        for i, (name, count) in enumerate(zip(labels.names, counts, strict=True))
    ]
    return {"height": ids.shape[0], "width": ids.shape[1], "classes": classes}
