"""SavedModel: the file format of TensorFlow Serving, checked after it is written.

https://www.tensorflow.org/guide/saved_model
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from kseg.quiet import quiet

SIGNATURE = "serving_default"
_TOLERANCE = 1e-4


def export_saved_model(
    model: keras.Model, path: str | Path, overwrite: bool = False
) -> Path:
    """Writes a model as a SavedModel directory and compares the two.

    The signature `serving_default` takes `image`, float32 in the range 0 to 255, of
    shape `(batch, height, width, channels)`, and returns `logits`, float32 of shape
    `(batch, height, width, num_classes)`. Sizes that the model leaves open stay open.
    The directory appears at `path` whole or not at all.

    Args:
        model: A model from one image tensor to one tensor of logits.
        path: The directory to write; missing parents are made.
        overwrite: Whether a SavedModel that is already at `path` is replaced.

    Returns:
        `path`.

    Raises:
        ValueError: If the model has not one image input and one logits output, Keras
            does not run on TensorFlow, or `path` exists and may not be replaced.
        RuntimeError: If the written file's logits are not those of the model.
    """
    path = Path(path)
    shape = image_shape(model)
    if path.exists() and not (overwrite and (path / "saved_model.pb").is_file()):
        raise ValueError(
            "`path` must be free, or hold a SavedModel and come with "
            f"`overwrite=True`. Received: path={str(path)!r}, overwrite={overwrite}."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".export-") as scratch:
        written = Path(scratch, "written")
        write_signature(
            model,
            lambda image: {"logits": model(image, training=False)},
            (None, *shape),
            written,
        )
        _compare(model, shape, written)
        _move(written, path, aside=Path(scratch, "previous"))
    return path


def image_shape(model: keras.Model) -> tuple[int | None, int | None, int]:
    """Returns the height, width and channels of a model's images, `None` where open.

    Args:
        model: A model from one image tensor to one tensor of logits.

    Raises:
        ValueError: If the model has not one image input and one logits output, or
            Keras does not run on TensorFlow.
    """
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "Export needs Keras to run on TensorFlow. Received: "
            f"{keras.backend.backend()!r}. Load the model in a process with "
            "KERAS_BACKEND=tensorflow."
        )
    shapes = [tuple(tensor.shape) for tensor in (*model.inputs, *model.outputs)]
    if len(shapes) != 2 or any(len(s) != 4 or s[-1] is None for s in shapes):
        raise ValueError(
            "The model must map one image tensor (batch, height, width, channels) to "
            "one tensor of logits (batch, height, width, num_classes). Received: "
            f"inputs {shapes[: len(model.inputs)]}, "
            f"outputs {shapes[len(model.inputs) :]}."
        )
    return shapes[0][1:]


def write_signature(
    model: keras.Model,
    function: Callable,
    shape: tuple[int | None, ...],
    path: Path,
) -> None:
    """Writes a SavedModel with one signature, `serving_default`, of one `image`.

    Args:
        model: The model whose weights `function` uses.
        function: From a float32 tensor `image` to a dictionary of tensors.
        shape: Shape of `image`, batch first; `None` where open.
        path: The directory to write.
    """
    import tensorflow as tf

    image = tf.TensorSpec(shape, tf.float32, name="image")
    with quiet():
        archive = keras.export.ExportArchive()
        archive.track(model)
        archive.add_endpoint(SIGNATURE, function, [image])
        archive.write_out(str(path), verbose=False)


def _compare(
    model: keras.Model, shape: tuple[int | None, int | None, int], path: Path
) -> None:
    """Raises if a SavedModel's logits for a random image are not the model's."""
    import tensorflow as tf

    height, width, channels = shape
    # Sides that a U-Net without padding takes too.
    size = (1, height or 188, width or 204, channels)
    image = np.random.default_rng(0).uniform(0, 255, size).astype("float32")
    expected = np.asarray(model(image, training=False))
    with quiet():
        signature = tf.saved_model.load(str(path)).signatures[SIGNATURE]
    actual = signature(image=tf.constant(image))["logits"].numpy()
    difference, largest = np.abs(actual - expected).max(), np.abs(expected).max()
    if not difference <= _TOLERANCE * largest:
        raise RuntimeError(
            f"The SavedModel must give the model's logits to {_TOLERANCE:g} of the "
            f"largest one, {largest:.3g}. Received: a difference of {difference:.3g} "
            "for a random image."
        )


def _move(new: Path, path: Path, aside: Path) -> None:
    """Renames `new` to `path`; what was there goes `aside`, or back on failure."""
    replaced = path.exists()
    if replaced:
        path.rename(aside)
    try:
        new.rename(path)
    except OSError:
        if replaced:
            aside.rename(path)
        raise
