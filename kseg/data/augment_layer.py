"""Augmentations of examples as a Keras layer."""

import itertools
import sys
from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np

from kseg.data import presets
from kseg.data.augment.scale_crop import RandomScaleCrop
from kseg.data.geometry import Example

KEYS = ("images", "segmentation_masks", "weights")


@keras.saving.register_keras_serializable("kseg")
class Augment(keras.layers.Layer):
    """Augments images with their masks, in `tf.data` or by itself.

    It runs on the CPU, by NumPy and OpenCV, whatever the backend is: in a `tf.data`
    map, in a TensorFlow function, in a compiled function of JAX, and eagerly. Each
    call draws anew from `seed`; a parallel map calls in any order, so that only
    `Examples` give the same examples in every run.

    Args:
        augmentations: Functions of `(example, rng)`, as `kseg.data.augment` has them,
            or their descriptions, as `kseg.data.presets` has them, in their order.
        size: Height and width of a described `scale_crop`, and of what others leave
            that change an image's; `None` if none does.
        seed: What is drawn from; `None` for another one in every run.
        **options: Options of a Keras layer, such as `name`.

    Example:
    >>> layer = Augment([{"name": "flip", "probability": 1.0}])
    >>> mask = np.uint8([[[0, 1, 2]]])
    >>> image = np.stack([mask] * 3, axis=-1)
    >>> moved = layer({"images": image, "segmentation_masks": mask})
    >>> keras.ops.convert_to_numpy(moved["segmentation_masks"]).tolist()
    [[[2, 1, 0]]]
    """

    def __init__(
        self,
        augmentations: Sequence[Callable | Mapping],
        size: tuple[int, int] | None = None,
        seed: int | None = None,
        **options,
    ):
        """Makes the augmentations that are described."""
        # Ids of masks do not survive a cast to half precision.
        super().__init__(autocast=False, **options)
        self.augmentations = [
            presets.make(each, {"size": size} if size else {})
            if isinstance(each, Mapping)
            else each
            for each in augmentations
        ]
        for each in self.augmentations:
            size = each.size if isinstance(each, RandomScaleCrop) else size
        self.size = None if size is None else (int(size[0]), int(size[1]))
        self.seed = seed
        self.entropy = int(np.random.default_rng(seed).integers(2**63))
        self.calls = itertools.count()

    def __call__(self, inputs, training=True):
        """Returns the inputs augmented; they are tensors of the backend, or arrays.

        Args:
            inputs: Dictionary of `images`, uint8 or floats of 0 to 255,
                `([batch,] height, width, 3)`, `segmentation_masks`, whole numbers
                `([batch,] height, width[, 1])`, and perhaps `weights` of that shape.
            training: Whether to augment; otherwise the inputs come back.

        Returns:
            A dictionary of the same keys, types and ranks. In a TensorFlow function
            they are TensorFlow's tensors on every backend.

        Raises:
            ValueError: If a key or a shape is another.
        """
        _check(inputs)
        if training and _in_tensorflow_graph(inputs):
            return self._in_tensorflow(inputs)
        return super().__call__(inputs, training=training)

    def call(self, inputs, training=True):
        """Augments tensors of the backend."""
        if not training:
            return inputs
        if keras.backend.backend() == "jax":
            import jax
            from jax.experimental import io_callback

            if any(isinstance(each, jax.core.Tracer) for each in inputs.values()):
                # It draws anew in every call, so it is not a pure function.
                shapes = {
                    key: jax.ShapeDtypeStruct(
                        self._shape(value, _batched(inputs)), value.dtype
                    )
                    for key, value in inputs.items()
                }
                return io_callback(self._augment, shapes, inputs)
        arrays = {k: keras.ops.convert_to_numpy(v) for k, v in inputs.items()}
        return {
            key: keras.ops.convert_to_tensor(array, arrays[key].dtype)
            for key, array in self._augment(arrays).items()
        }

    def compute_output_spec(self, inputs, training=True):
        """Returns the shapes and types of what `call` returns."""
        return {
            key: keras.KerasTensor(
                self._shape(value, _batched(inputs)) if training else value.shape,
                value.dtype,
            )
            for key, value in inputs.items()
        }

    def get_config(self) -> dict:
        """Returns what the layer is made from again.

        Raises:
            ValueError: If an augmentation is not one of kseg's.
        """
        return {
            **super().get_config(),
            "augmentations": [presets.describe(each) for each in self.augmentations],
            "size": self.size,
            "seed": self.seed,
        }

    def _in_tensorflow(self, inputs) -> dict:
        """Augments TensorFlow's tensors in a graph."""
        import tensorflow as tf

        inputs = {key: tf.convert_to_tensor(value) for key, value in inputs.items()}

        def augment(*arrays):
            return list(self._augment(dict(zip(inputs, arrays, strict=True))).values())

        outputs = tf.numpy_function(
            augment, list(inputs.values()), [value.dtype for value in inputs.values()]
        )
        return {
            key: tf.ensure_shape(output, self._shape(value, _batched(inputs)))
            for (key, value), output in zip(inputs.items(), outputs, strict=True)
        }

    def _shape(self, value, batched: bool) -> tuple[int | None, ...]:
        """Returns the static shape of what a tensor becomes."""
        shape = list(value.shape)
        if self.size is not None:
            shape[batched : batched + 2] = self.size
        return tuple(shape)

    def _augment(self, inputs: Mapping) -> dict[str, np.ndarray]:
        """Augments arrays, a batch or one example."""
        inputs = {key: np.asarray(value) for key, value in inputs.items()}
        batched = _batched(inputs)
        call, count = next(self.calls), len(inputs["images"]) if batched else 1
        moved = [
            self._one(
                {key: value[i] if batched else value for key, value in inputs.items()},
                np.random.default_rng((self.entropy, call, i)),
            )
            for i in range(count)
        ]
        outputs = {
            key: np.stack([each[key] for each in moved]) if batched else moved[0][key]
            for key in inputs
        }
        return outputs

    def _one(self, inputs: Mapping, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Augments one example."""
        image, mask = inputs["images"], inputs["segmentation_masks"]
        planes = [mask, inputs["weights"]] if "weights" in inputs else [mask]
        planes = [plane.reshape(plane.shape[:2]) for plane in planes]
        ids = planes[0] if planes[0].dtype.itemsize < 4 else planes[0].astype("int32")
        if image.dtype != np.uint8:
            image = np.clip(image.astype("float32") + 0.5, 0, 255).astype("uint8")
        weights = planes[1].astype("float32") if "weights" in inputs else None
        example = Example(image, ids, weights)
        for function in self.augmentations:
            example = function(example, rng)
        outputs = {}
        for key, array in zip(KEYS, example, strict=True):
            if key in inputs and array is not None:
                extra = inputs[key].ndim - array.ndim
                array = array.reshape(array.shape + (1,) * extra)
                outputs[key] = array.astype(inputs[key].dtype)
        return {key: outputs[key] for key in inputs}


def _check(inputs) -> None:
    """Raises unless inputs are images and masks of shapes that fit."""
    known = isinstance(inputs, Mapping) and set(inputs) <= set(KEYS)
    if not known or not set(KEYS[:2]) <= set(inputs):
        got = sorted(inputs) if isinstance(inputs, Mapping) else type(inputs).__name__
        raise ValueError(
            "`Augment` takes a dictionary of `images`, `segmentation_masks` and maybe "
            f"`weights`. Received: {got}."
        )
    rank = len(inputs["images"].shape)
    for key in set(inputs) - {"images"}:
        if rank not in (3, 4) or len(inputs[key].shape) not in (rank - 1, rank):
            raise ValueError(
                "Images must be ([batch,] height, width, 3), masks and weights "
                "([batch,] height, width[, 1]). Received: "
                f"{ {k: tuple(v.shape) for k, v in inputs.items()} }."
            )


def _in_tensorflow_graph(inputs: Mapping) -> bool:
    """Returns whether inputs are tensors of a graph of TensorFlow."""
    tf = sys.modules.get("tensorflow")
    return tf is not None and any(map(tf.is_symbolic_tensor, inputs.values()))


def _batched(inputs: Mapping) -> bool:
    """Returns whether inputs have a batch axis."""
    return len(inputs["images"].shape) == 4
