"""Models made ready to be served."""

from collections.abc import Sequence

import keras
import numpy as np

from kseg.inference.one_pass import batch_logits, check_model, fixed_size
from kseg.labels import Labels
from kseg.lite.one_image import (
    finite,
    fit,
    ids_of,
    resize,
    resize_channels,
)
from kseg.serving.model import Run, ServedModel

# Height and width of the first image, where the model takes any.
_FIRST_SIDE = 256


def prepare(name: str, models: Sequence, labels: Labels) -> ServedModel:
    """Runs a model once, so that the first client need not wait.

    Args:
        name: What clients call it.
        models: The model that `kseg.predict` runs; or copies of it, which then run
            at the same time.
        labels: What the class ids mean.

    Raises:
        ValueError: If it makes no map of an image.
    """
    first = models[0]
    check_model(first)
    if isinstance(first, keras.Model):
        output, batches = "logits", True
        runs = [_keras_run(model) for model in models]
    else:
        output, batches = first.output, getattr(first, "takes_batches", False)
        runs = [_file_run(model, batches) for model in models]
    height, width = (side or _FIRST_SIDE for side in fixed_size(first))
    sample, *_ = [run(np.zeros((1, height, width, 3), np.uint8))[0] for run in runs]
    channels = None if output == "class_map" else sample.shape[-1]
    runs, ids = tuple(runs), _IDS[output]
    return ServedModel(name, labels, output, channels, batches, runs, ids)


# Of what models give.
_IDS = {
    "class_map": lambda ids: ids,
    "probabilities": ids_of,
    "logits": ids_of,
}


def _keras_run(model: keras.Model) -> Run:
    """Returns how a Keras model runs."""
    return lambda images: batch_logits(model, images)


def _file_run(model, batches: bool) -> Run:
    """Returns how a `LiteRTModel` or an `ExportedModel` runs."""

    def run(images):
        size = images.shape[1:3]
        seen = [fit(image, model.input_size, model.output_size) for image in images]
        if batches:
            found = model.predict_batch(np.stack(seen))
        else:
            found = [model.predict(image) for image in seen]
        if model.output == "class_map":
            return [resize(ids, size) for ids in found]
        return [resize_channels(finite(scores), size) for scores in found]

    return run
