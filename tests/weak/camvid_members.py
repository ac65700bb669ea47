"""Single images of CamVid out of the reference data."""

import io
import tarfile

import numpy as np
from PIL import Image


def read_camvid(reference, names):
    """Returns images and masks of the training split, void as 255."""
    found = []
    with tarfile.open(reference / "data" / "camvid_trainval.tar") as archive:
        for name in names:
            image, mask = (
                np.asarray(Image.open(io.BytesIO(archive.extractfile(path).read())))
                for path in (f"train/images/{name}.png", f"train/labels/{name}.png")
            )
            found.append((image[..., :3], np.where(mask == 11, 255, mask)))
    return found
