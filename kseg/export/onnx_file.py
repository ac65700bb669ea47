"""ONNX: one file for runtimes of many makers, checked after it is written.

https://onnx.ai, https://github.com/onnx/tensorflow-onnx
"""

import json
import logging
from pathlib import Path

import keras
import numpy as np

from kseg.export.exported_model import LABELS_KEY, open_onnx
from kseg.export.saved_model import image_shape
from kseg.files import whole_file
from kseg.labels import Labels
from kseg.optional import import_optional
from kseg.quiet import quiet

# Of 2022, which runtimes in use have.
OPSET = 17
_TOLERANCE = 1e-3
# Where the largest of four values is a close call, rounding decides which one pooling
# with indices takes; its value then goes to another place.
_NEAR = 0.95


def export_onnx(
    model: keras.Model, path: str | Path, labels: Labels | None = None
) -> Path:
    """Writes a model as an ONNX file and compares the two.

    The input is `image`, float32 in the range 0 to 255, `(batch, height, width,
    channels)`; the output is `logits`, float32 `(batch, height, width, num_classes)`.
    Sizes that the model leaves open stay open. What the class ids mean is in the file,
    as JSON in its metadata under `labels`.

    Args:
        model: A model from one image tensor to one tensor of logits.
        path: The file to write, `*.onnx`, which appears whole or not at all; missing
            parents are made.
        labels: What the class ids mean; `None` numbers the classes.

    Returns:
        `path`.

    Raises:
        ValueError: If the model has not one image input and one logits output, Keras
            does not run on TensorFlow, or `path` is no such file.
        RuntimeError: If the written file's logits are not those of the model.
        ImportError: If a package of the extra `onnx` is missing.
    """
    path = Path(path)
    if path.suffix != ".onnx" or path.is_dir():
        raise ValueError(f"`path` must be a file *.onnx. Received: {str(path)!r}.")
    shape = image_shape(model)
    if labels is None:
        labels = Labels.numbered(max(model.outputs[0].shape[-1], 2))
    onnx, converter = (import_optional(name, "onnx") for name in ("onnx", "tf2onnx"))
    import tensorflow as tf

    image = tf.TensorSpec((None, *shape), tf.float32, name="image")
    function = tf.function(lambda image: {"logits": model(image, training=False)})
    # It lists what it optimises, and warns of what does not concern the result.
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    with quiet():
        proto, _ = converter.convert.from_function(
            function,
            input_signature=[image],
            opset=OPSET,
            custom_op_handlers={"Erfc": (_write_erfc, [])},
        )
    entry = proto.metadata_props.add()
    entry.key, entry.value = LABELS_KEY, json.dumps(labels.to_dict())
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as temporary:
        onnx.save(proto, str(temporary))
        _compare(model, shape, temporary)
    return path


def _write_erfc(graph, node, name: str, _) -> None:
    """Writes the complement of the error function, of which GELU is, as `1 - erf`.

    Args:
        graph: Of tf2onnx.
        node: The operator of TensorFlow.
        name: Of the operator.
        _: Nothing.
    """
    node.type = "Erf"
    minus = graph.insert_new_node_on_output("Neg", node.output[0], f"{name}_minus")
    one = graph.make_const(f"{name}_one", np.ones((), "float32"))
    plus = graph.insert_new_node_on_output("Add", minus.output[0], f"{name}_complement")
    graph.replace_inputs(plus, [minus.output[0], one.output[0]])


def _compare(
    model: keras.Model, shape: tuple[int | None, int | None, int], path: Path
) -> None:
    """Raises if a file's logits for random images are not the model's."""
    height, width, _ = shape
    opened = open_onnx(path)
    rng = np.random.default_rng(0)
    # Sides that a U-Net without padding takes too.
    for size in ((height or 188, width or 204), (height or 204, width or 188)):
        image = rng.integers(0, 256, (*size, 3), np.uint8)
        expected = np.asarray(model(image[np.newaxis].astype("float32")))[0]
        actual = opened.run(image)
        largest = np.abs(expected).max()
        near = (np.abs(actual - expected) <= _TOLERANCE * largest).mean()
        if not near >= _NEAR:
            raise RuntimeError(
                f"The ONNX file must give the model's logits to {_TOLERANCE:g} of the "
                f"largest one, {largest:.3g}, at {_NEAR:.0%} of the pixels. Received: "
                f"at {near:.1%}, for a random image of {size[0]}x{size[1]}."
            )
