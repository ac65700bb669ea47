"""A model file as a worker of a batch runs it."""

import functools
import hashlib
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from kseg.labels import Labels
from kseg.lite.litert_model import LiteRTModel, file_sha256
from kseg.lite.one_image import predict


class Segmenter:
    """A model that runs an image at a time, whatever threads ask for it.

    LiteRT files without options run without Keras and TensorFlow.

    Args:
        path: As `find_model` gives it.
        options: Those of `kseg.predict`.

    Attributes:
        labels: What the class ids mean.

    Raises:
        ValueError: If the model cannot serve the options.
    """

    def __init__(self, path: str, options: Mapping):
        """Opens the file."""
        self._lock = threading.Lock()
        self._options = dict(options)
        self._model, self.labels = _open(path, options)
        self._predict = _predictor(self._model, options)

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Returns the class ids of an image."""
        with self._lock:
            return self._predict(image)

    def write_large(self, path: str, output: str) -> None:
        """Writes the class ids of an image that is read by windows.

        Args:
            path: The image file.
            output: A `.tif` file.
        """
        from kseg.inference import predict_file

        with self._lock:
            predict_file(self._model, path, output, self.labels, **self._options)


def find_model(name: str) -> str:
    """Returns the path of a model, which all workers must see.

    Args:
        name: As of `kseg predict`.

    Raises:
        ValueError: If there is no such model.
    """
    path = Path(name)
    if not (path.suffix == ".tflite" and path.is_file()):
        _import_backend()
        from kseg import models

        path = models.find(name)
    return str(path.absolute())


def digest(path: str) -> str:
    """Returns the SHA-256 of a model file, or of all files of a SavedModel.

    Args:
        path: The file or the folder.
    """
    if Path(path).is_file():
        return file_sha256(Path(path))
    files = sorted(file for file in Path(path).rglob("*") if file.is_file())
    parts = [f"{file.relative_to(path)} {file_sha256(file)}" for file in files]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _open(path: str, options: Mapping) -> tuple[object, Labels]:
    """Returns a model and its classes."""
    if path.endswith(".tflite") and not options:
        model = LiteRTModel(path)
        return model, model.labels
    _import_backend()
    from kseg.commands.arguments import open_model

    _, model, labels = open_model(path)
    return model, labels


def _predictor(model, options: Mapping) -> Callable[[np.ndarray], np.ndarray]:
    """Returns what predicts."""
    if isinstance(model, LiteRTModel) and not options:
        return functools.partial(predict, model)
    import kseg
    from kseg.inference.predict import check_options

    check_options(model, **options)
    return functools.partial(kseg.predict, model, **options)


def _import_backend() -> None:
    """Imports Keras as the command does, which LiteRT files do not need."""
    from kseg.backend import import_backend

    import_backend()
