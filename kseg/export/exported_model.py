"""SavedModel and ONNX files as models that `kseg.predict` and `kseg evaluate` run.

https://www.tensorflow.org/guide/saved_model, https://onnxruntime.ai/docs/
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from kseg.export.saved_model import SIGNATURE
from kseg.labels import Labels, id_dtype
from kseg.optional import import_optional
from kseg.quiet import quiet

# Where the metadata of an ONNX file has what class ids mean, as JSON.
LABELS_KEY = "labels"
_RULE = (
    "must map one tensor of RGB images, (batch, height, width, 3) in 0 to 255, to one "
    "of logits or probabilities (batch, height, width, num_classes), or of class ids "
    "(batch, height, width)"
)


class ExportedModel:
    """A file of another runtime, of one image to one map.

    What the output is follows from its rank and name: three axes are class ids, four
    are probabilities where the name says so, and logits otherwise.

    Args:
        run: From a batch of images, uint8, to what the file returns.
        image_shape: Height, width and channels of the images; `None` where open.
        output_shape: Of the output, batch first; `None` where open.
        output_name: What the file calls it.
        labels: What the class ids mean; `None` for numbers.

    Attributes:
        image_shape: As above.
        input_size: Height and width of the images in pixels, `None` where open.
        output_size: Height and width of what comes out, likewise.
        output: `"logits"`, `"probabilities"` or `"class_map"`.
        takes_batches: Whether the file takes any number of images at once.
        labels: What the class ids mean.

    Raises:
        ValueError: If the shapes are others, or a class map comes without labels.
    """

    def __init__(
        self,
        run: Callable[[np.ndarray], np.ndarray],
        image_shape: Sequence[int | None],
        output_shape: Sequence[int | None],
        output_name: str,
        labels: Labels | None,
    ):
        """Stores the arguments, and reads the kind of the output off them."""
        self._run = run
        self.image_shape = tuple(image_shape)
        self.input_size = self.image_shape[:2]
        self.output_size = tuple(output_shape)[1:3]
        self.takes_batches = tuple(output_shape)[0] is None
        self.output = "logits"
        if len(output_shape) == 3:
            self.output = "class_map"
        elif "prob" in output_name.lower():
            self.output = "probabilities"
        classes = output_shape[-1] if self.output != "class_map" else None
        if labels is None and classes is None:
            raise ValueError(
                "A file of class ids needs the JSON file with its `labels` beside it, "
                f"as `kseg export` writes it. Received: an output {output_name!r} of "
                f"shape {tuple(output_shape)}, and no labels."
            )
        # One logit is two classes.
        self.labels = labels or Labels.numbered(max(classes or 0, 2))
        if classes is not None and max(classes, 2) != self.labels.num_classes:
            raise ValueError(
                "A file must have the classes that its JSON file names. Received: "
                f"{classes} channels and the classes {list(self.labels.names)}."
            )

    def run(self, image: np.ndarray) -> np.ndarray:
        """Returns what the file gives for one image, as it comes.

        Args:
            image: uint8 `(height, width, 3)`, of a size that the file takes.
        """
        return np.asarray(self._run(image[np.newaxis]))[0]

    def predict(self, image: np.ndarray) -> np.ndarray:
        """Returns the file's output for one image.

        Args:
            image: uint8 `(height, width, 3)`, of a size that the file takes.

        Returns:
            float32 logits or probabilities `(height, width, num_classes)`, or class
            ids `(height, width)`, as `output` says. One probability becomes two.

        Raises:
            ValueError: If a file that takes any size returns a map of another one.
        """
        return self.predict_batch(image[np.newaxis])[0]

    def predict_batch(self, images: np.ndarray) -> np.ndarray:
        """Returns the file's output for several images, as `predict` does for one.

        Args:
            images: uint8 `(images, height, width, 3)`, as many as the file takes.
        """
        result = np.asarray(self._run(images))
        size, given = images.shape[1:3], result.shape[1:3]
        if None in self.output_size and given != size:
            raise ValueError(
                "A file that takes any size must return a map of the image's size. "
                f"Received: {given} for an image of {size}. Export the network at a "
                "fixed size."
            )
        if self.output == "class_map":
            return result.astype(id_dtype(self.labels.num_classes))
        if self.output == "probabilities" and result.shape[-1] == 1:
            result = np.concatenate([1 - result, result], axis=-1)
        return result.astype(np.float32)

    def predict_ids(self, image: np.ndarray) -> np.ndarray:
        """Returns the class ids of one image, uint8 or uint16 `(height, width)`.

        Args:
            image: As in `predict`.
        """
        result = self.predict(image)
        if self.output == "class_map":
            return result
        if result.shape[-1] == 1:
            return (result[..., 0] > 0).astype(np.uint8)
        return result.argmax(-1).astype(id_dtype(self.labels.num_classes))


def open_saved_model(path: str | Path, labels: Labels | None = None) -> ExportedModel:
    """Opens a SavedModel directory by its signature `serving_default`.

    Args:
        path: The directory.
        labels: What the class ids mean; `None` for numbers.

    Returns:
        The model.

    Raises:
        ValueError: If it has no such signature, or one of other tensors.
    """
    import tensorflow as tf

    with quiet():
        loaded = tf.saved_model.load(str(path))
    signatures = loaded.signatures
    if SIGNATURE not in signatures:
        raise ValueError(
            f"A SavedModel must have the signature {SIGNATURE!r}. Received: {path} "
            f"with {list(signatures)}."
        )
    signature = signatures[SIGNATURE]
    inputs = list(signature.structured_input_signature[1].items())
    outputs = list(signature.structured_outputs.items())
    shapes = [[_shape(spec.shape) for _, spec in side] for side in (inputs, outputs)]
    _check(path, *shapes)
    (argument, spec), (name, result) = inputs[0], outputs[0]

    def run(batch):
        tensor = tf.cast(batch, spec.dtype)
        # The signature holds what it needs no longer than the object it came from.
        return loaded.signatures[SIGNATURE](**{argument: tensor})[name].numpy()

    return ExportedModel(run, shapes[0][0][1:], _shape(result.shape), name, labels)


def open_onnx(path: str | Path, labels: Labels | None = None) -> ExportedModel:
    """Opens an ONNX file in ONNX Runtime, on the CPU.

    Args:
        path: The `.onnx` file. Images may have their channels last or first; the
            output then has them there too.
        labels: What the class ids mean; `None` for what the file says, or else numbers.

    Returns:
        The model.

    Raises:
        ValueError: If the file is broken, or of other tensors.
        ImportError: If ONNX Runtime is not installed.
    """
    runtime = import_optional("onnxruntime", "onnx")
    try:
        session = runtime.InferenceSession(
            str(path), providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # ONNX Runtime's own, of no common class
        raise ValueError(f"{path} must be an ONNX model: {error}") from error
    known = session.get_modelmeta().custom_metadata_map
    if labels is None and LABELS_KEY in known:
        labels = Labels.from_dict(json.loads(known[LABELS_KEY]))
    inputs, outputs = session.get_inputs(), session.get_outputs()
    shapes = [[_shape(node.shape) for node in side] for side in (inputs, outputs)]
    first = bool(shapes[0]) and len(shapes[0][0]) == 4 and shapes[0][0][1] == 3
    if first:  # channels first
        shapes = [[_last(shape) for shape in side] for side in shapes]
    _check(path, *shapes)
    kind = "uint8" if inputs[0].type == "tensor(uint8)" else "float32"

    def run(batch):
        batch = batch.astype(kind)
        batch = np.ascontiguousarray(np.moveaxis(batch, -1, 1)) if first else batch
        (result,) = session.run([outputs[0].name], {inputs[0].name: batch})
        return np.moveaxis(result, 1, -1) if first and result.ndim == 4 else result

    return ExportedModel(run, shapes[0][0][1:], shapes[1][0], outputs[0].name, labels)


def _shape(shape) -> tuple[int | None, ...]:
    """Returns a shape with `None` where it is open, whatever the runtime writes."""
    sides = shape.as_list() if hasattr(shape, "as_list") else shape
    return tuple(side if isinstance(side, int) else None for side in sides)


def _last(shape: tuple) -> tuple:
    """Moves the channels of a shape of four axes to its end."""
    return (shape[0], *shape[2:], shape[1]) if len(shape) == 4 else shape


def _check(path: str | Path, inputs: list[tuple], outputs: list[tuple]) -> None:
    """Raises if a file is not of one image to one map."""
    fits = len(inputs) == len(outputs) == 1 and len(inputs[0]) == 4
    if not fits or inputs[0][-1] != 3 or len(outputs[0]) not in (3, 4):
        raise ValueError(
            f"{path} {_RULE}. Received: inputs {inputs}, outputs {outputs}."
        )
