"""The files of `inference.py`: what kseg exports of its networks."""

from pathlib import Path

import numpy as np

CLASSES = 21
CALIBRATION_IMAGES = 8
# The network of Google's published file, and the size that it is for.
SAME, SAME_SIZE = "same.tflite", (513, 513)


def write_files(folder: Path, files: set[str], size, images: Path | None) -> None:
    """Writes kseg's files of the networks.

    Args:
        folder: Where to.
        files: Names of those that are wanted.
        size: Height and width of the images.
        images: Folder of images to calibrate on; `None` for random ones.
    """
    import keras

    import kseg
    from kseg import export

    keras.utils.set_random_seed(0)
    options = {"backbone": "mobilenet_v2", "num_classes": CLASSES}
    model = kseg.build("smp_deeplabv3plus", **options)

    def write_litert(name, model, size, precision):
        typical = calibration(size, images) if precision == "int8" else None
        path = folder / name
        export.export_litert(model, path, size, precision, "class_map", typical)

    for name in files:
        if name == "model.keras":
            model.save(folder / name)
        elif name == "saved_model":
            export.export_saved_model(model, folder / name)
        elif name == "model.onnx":
            export.export_onnx(model, folder / name)
        elif name == SAME:
            same = kseg.build("deeplabv3", **options)
            write_litert(name, same, SAME_SIZE, "int8")
        else:
            write_litert(name, model, size, name.removesuffix(".tflite"))


def calibration(size, folder: Path | None) -> list[np.ndarray]:
    """Returns some images of a size, uint8: those of a folder, or random ones."""
    if folder is None:
        rng = np.random.default_rng(0)
        return [
            rng.integers(0, 256, (*size, 3), np.uint8)
            for _ in range(CALIBRATION_IMAGES)
        ]
    from PIL import Image

    paths = sorted(path for path in folder.iterdir() if path.is_file())
    return [
        np.asarray(Image.open(path).convert("RGB").resize(size[::-1]))
        for path in paths[:CALIBRATION_IMAGES]
    ]
