"""Models on disk: by path, or by the name they have under `saved_models/`.

A model is a `.keras`, `.tflite` or `.onnx` file, or the folder of a SavedModel, and a
JSON file of the same name beside it that says what it is: its classes, their colours,
the size it is made for.
"""

import json
from pathlib import Path

import keras

from kseg import layers, losses, metrics  # noqa: F401  (registers their classes)
from kseg.labels import Labels
from kseg.registry import unknown


def find(model: str | Path) -> Path:
    """Returns the file of a model.

    Args:
        model: Path of a `.keras`, `.tflite` or `.onnx` file, or of a SavedModel; a
            folder that holds a file of the folder's name; or the name of a folder in
            `saved_models/`, here or where kseg's repository lies.

    Returns:
        The path of the file, or of the SavedModel; the `.keras` file where a folder
        holds several.

    Raises:
        ValueError: If there is no such model; the message lists the named ones.
    """
    path = Path(model)
    if path.is_file() or is_saved_model(path):
        return path
    for folder in (path, *(home / str(model) for home in _homes())):
        if files := _files(folder):
            return files[0]
    raise ValueError(
        unknown("model", str(model), names())
        + " The path of a .keras, .tflite or .onnx file or of a SavedModel is right "
        "too."
    )


def is_saved_model(path: Path) -> bool:
    """Returns whether a path is the folder of a SavedModel.

    Args:
        path: The path.
    """
    return (path / "saved_model.pb").is_file()


def names() -> list[str]:
    """Returns the names of the models under `saved_models/`, sorted."""
    found = {
        folder.name for home in _homes() for folder in home.glob("*/") if _files(folder)
    }
    return sorted(found)


def load(model: str | Path) -> keras.Model:
    """Loads a Keras model; no `custom_objects` are needed.

    Args:
        model: As in `find`.

    Returns:
        The model, not compiled.

    Raises:
        ValueError: If there is no such model, or the file is no Keras model.
    """
    path = find(model)
    if path.suffix != ".keras":
        raise ValueError(
            f"`kseg.load` reads .keras files. Received: {path}. `kseg.export` has "
            "`LiteRTModel`, `open_saved_model` and `open_onnx` for others."
        )
    return keras.saving.load_model(path, compile=False)


def read_info(path: Path) -> dict:
    """Returns what the JSON file beside a model says, or an empty dictionary.

    Args:
        path: The file, or the SavedModel, which lies beside the `.keras` file in a
            folder that has the name of both.
    """
    info = path.with_suffix(".json")
    if is_saved_model(path):
        info = path.parent / f"{path.parent.name}.json"
    return json.loads(info.read_text()) if info.is_file() else {}


def read_labels(path: Path, num_classes: int) -> Labels:
    """Returns the classes of a model; numbered ones where nothing names them.

    Args:
        path: The `.keras` or `.tflite` file.
        num_classes: How many classes the model has.
    """
    info = read_info(path)
    return Labels.from_dict(info["labels"]) if info else Labels.numbered(num_classes)


def _files(folder: Path) -> list[Path]:
    """Returns the models of a folder, the one to use first."""
    names = (f"{folder.name}.keras", f"{folder.name}_int8.tflite")
    return [folder / name for name in names if (folder / name).is_file()]


def _homes() -> list[Path]:
    """Returns where named models are: here, and where the repository lies."""
    return [Path("saved_models"), Path(__file__).parents[1] / "saved_models"]
