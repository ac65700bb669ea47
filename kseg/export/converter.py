"""LiteRT's converter, opened on a network."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from kseg.export.device_form import in_device_form, in_float32
from kseg.export.outputs import served
from kseg.export.saved_model import SIGNATURE, image_shape, write_signature
from kseg.quiet import quiet


@contextlib.contextmanager
def open_converter(
    model: keras.Model, input_size: tuple[int, int], output: str, integer: bool
) -> Iterator[Any]:
    """Gives a silent `tf.lite.TFLiteConverter` of a network for images of one size.

    Args:
        model: A model from one image tensor to one tensor of logits.
        input_size: Height and width of the images in pixels.
        output: What the file returns, one of `kseg.export.outputs.OUTPUTS`.
        integer: Whether the file computes in integers.
    """
    import tensorflow as tf

    shape = (1, *input_size, image_shape(model)[-1])
    seen = in_device_form(in_float32(model), input_size, integer)
    with tempfile.TemporaryDirectory() as folder, quiet():
        write_signature(seen, served(seen, output, input_size), shape, Path(folder))
        yield tf.lite.TFLiteConverter.from_saved_model(
            folder, signature_keys=[SIGNATURE]
        )
