"""Images and files of label tools, tiny but in the tools' true form."""

import base64
import io
import json
import zlib

import numpy as np
from PIL import Image

from kseg.labels import Labels

SIZE = (10, 14)


def image(path, size=SIZE):
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(array).save(path)
    return path


def png(bits):
    stream = io.BytesIO()
    Image.fromarray(np.asarray(bits, np.uint8) * 255).save(stream, "PNG")
    return stream.getvalue()


def base64_png(bits, packed=False):
    data = png(bits)
    return base64.b64encode(zlib.compress(data) if packed else data).decode()


def shape(label, points, kind="polygon", **more):
    flags = {"group_id": None, "description": "", "flags": {}, "mask": None}
    return {"label": label, "points": points, "shape_type": kind, **flags, **more}


def labelme_file(path, shapes, name=None, size=SIZE):
    """Writes what LabelMe 5 saves, and its image beside it."""
    name = name or f"{path.stem}.png"
    image(path.parent / name.replace("\\", "/").rsplit("/")[-1], SIZE)
    data = {
        "version": "5.5.0",
        "flags": {},
        "shapes": shapes,
        "imagePath": name,
        "imageData": None,
        "imageHeight": size[0],
        "imageWidth": size[1],
    }
    path.write_text(json.dumps(data, indent=2))
    return path


def square(left, top, right, bottom):
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


def filled(*boxes, size=SIZE, rest=0):
    """A mask of `(value, left, top, right, bottom)`."""
    mask = np.full(size, rest, np.uint8)
    for value, left, top, right, bottom in boxes:
        mask[top:bottom, left:right] = value
    return mask


class ArraySource:
    """Images and masks that are arrays."""

    def __init__(self, pairs, labels):
        self.pairs, self.labels = pairs, labels

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, index):
        return self.pairs[index]

    def mask(self, index):
        return self.pairs[index][1]

    def name(self, index):
        return str(index)


def random_source(names, count=4, ignore=True):
    rng = np.random.default_rng(3)
    labels = Labels.named(names)
    values = [*range(len(names)), *[255] * ignore]
    shares = np.where(np.arange(len(values)) == 1, 5.0, 1.0)
    pairs = []
    for _ in range(count):
        # Mostly of class 1, so that some regions have holes.
        ids = rng.choice(values, (15, 17), p=shares / shares.sum())
        mask = np.kron(ids, np.ones((1, 2))).astype(np.uint8)
        pairs.append((rng.integers(0, 256, (*mask.shape, 3), np.uint8), mask))
    return ArraySource(pairs, labels)
