"""Keras's and keras-cv's augmentation layers as augmentations of examples.

`FromKeras(keras.layers.RandomPerspective(0.2))` is a function of `(example, rng)`, as
`kseg.data.augment` has them. What these layers get wrong with masks is put right:

- They fill image and mask with one value beyond the border, and 0 is a class. The ids
  are one higher inside of the layer, so what is 0 behind it is beyond the border: it
  becomes `ignore_class`, and the image gets a neutral colour there.
- They draw from a state of their own. It is set from `rng` before every call: the
  public `layer.variables` of Keras's layers hold it; keras-cv's draw from TensorFlow's
  global generator, which is reset, and their factors are made to do the same.
- Some move the mask otherwise than the image, or blend its ids. Those that are known
  to are refused (`BROKEN`), and ids that were not there before are an error.

keras-cv 0.9 (the extra `keras-cv`, Apache-2.0, no longer developed) needs TensorFlow.
Its layers wait for one another in all threads, as they share the global generator.
"""

import functools
import inspect
import itertools
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from kseg.data.geometry import NEUTRAL, Color, Example
from kseg.optional import import_optional

# What is wrong with a layer of Keras 3.15 or keras-cv 0.9, and what to use instead.
BROKEN = {
    "keras.RandomElasticTransform": (
        "deforms image and mask by different displacements",
        "kseg.data.augment.ElasticDeformation",
    ),
    "keras.AugMix": ("interpolates the ids", "kseg.data.augment.SomeOf"),
    "keras.MixUp": ("blends the ids of two masks", "kseg.data.augment.MixUp"),
    "keras.CutMix": ("wants a batch, and fails on masks", "kseg.data.augment.CutMix"),
    "keras.RandomGrayscale": (
        "refuses a dictionary of image and mask",
        "kseg.data.augment.RandomGrayscale",
    ),
    "keras_cv.AugMix": ("interpolates the ids", "kseg.data.augment.SomeOf"),
    "keras_cv.MixUp": ("blends the ids of two masks", "kseg.data.augment.MixUp"),
    "keras_cv.CutMix": (
        "draws from a state that cannot be set anew",
        "kseg.data.augment.CutMix",
    ),
    "keras_cv.FourierMix": (
        "draws from a state that cannot be set anew",
        "kseg.data.augment.MixUp",
    ),
    "keras_cv.RandomAspectRatio": (
        "does not take masks",
        "kseg.data.augment.RandomAffine",
    ),
    "keras_cv.RandomCrop": ("does not take masks", "kseg.data.augment.RandomScaleCrop"),
    "keras_cv.RandomRotation": (
        "turns the ids into one-hot masks",
        "kseg.data.augment.RandomRotation",
    ),
}
# What applies other layers as they are.
_CONTAINERS = {
    "keras.Pipeline",
    "keras.Sequential",
    "keras_cv.Augmenter",
    "keras_cv.MaybeApply",
    "keras_cv.RandomApply",
    "keras_cv.RandomAugmentationPipeline",
    "keras_cv.RandomChoice",
}
# keras-cv's layers share TensorFlow's global generator.
_GLOBAL_GENERATOR = threading.Lock()


class FromKeras:
    """An augmentation that a Keras or keras-cv layer does.

    Args:
        layer: A layer that takes a dictionary of `images` and `segmentation_masks`,
            such as `keras.layers.RandomPerspective`; of keras-cv without a seed.
        ignore_class: What the mask gets beyond the border.
        fill: What the image gets there, a grey or a colour, 0 to 255.

    Raises:
        ValueError: If the layer is known to spoil masks, has a fill value that would
            be a class, or a seed that cannot be set anew.
    """

    partners = 0

    def __init__(
        self,
        layer: keras.layers.Layer,
        ignore_class: int = 255,
        fill: Color = NEUTRAL,
    ):
        """Checks the layer."""
        _check(layer)
        self.layer = layer
        self.ignore_class = ignore_class
        self.fill = fill
        self._prepare()

    def __call__(self, example: Example, rng: np.random.Generator) -> Example:
        """Returns the example augmented.

        Raises:
            ValueError: If the layer returns ids that were not there before.
        """
        return self._augmented([example], rng)

    def __getstate__(self) -> dict:
        """Returns what another process makes the same augmentation from."""
        layer = keras.saving.serialize_keras_object(self.layer)
        return {"layer": layer, "ignore_class": self.ignore_class, "fill": self.fill}

    def __setstate__(self, state: dict) -> None:
        """Makes the layer anew."""
        self.__dict__.update(state)
        self.layer = keras.saving.deserialize_keras_object(state["layer"])
        self._prepare()

    def _prepare(self) -> None:
        """Makes what cannot be pickled: a lock, and what calls the layer."""
        self._lock = threading.Lock()
        if _library(self.layer) == "keras_cv":
            self._lock = _GLOBAL_GENERATOR
            for layer in _layers(self.layer):
                _draw_from_global_generator(layer)
        takes = inspect.signature(self.layer.call).parameters
        options = {"training": True} if "training" in takes else {}
        self._call = functools.partial(self.layer, **options)
        on_tensorflow = keras.backend.backend() == "tensorflow"
        if on_tensorflow or _library(self.layer) == "keras_cv":
            import tensorflow as tf

            # A graph for each size of image: behind the crop there is one.
            self._call = tf.function(self._call)

    def _seed(self, seed: int) -> None:
        """Sets the states that the layer draws from."""
        if _library(self.layer) == "keras_cv":
            import tensorflow as tf

            tf.random.get_global_generator().reset_from_seed(seed)
            return
        for number, variable in enumerate(self.layer.variables):
            variable.assign(np.array([seed, number], "uint32"))

    def _augmented(
        self, examples: Sequence[Example], rng: np.random.Generator
    ) -> Example:
        """Calls the layer on a batch, and returns its first example."""
        images = np.stack([example.image for example in examples]).astype("float32")
        masks = np.stack([_channels(example) for example in examples])
        with self._lock:
            self._seed(int(rng.integers(2**31)))
            moved = self._call({"images": images, "segmentation_masks": masks})
            image = keras.ops.convert_to_numpy(moved["images"][0])
            channels = keras.ops.convert_to_numpy(moved["segmentation_masks"][0])
        ids = channels[..., 0]
        found, before = np.unique(ids), np.unique(masks[..., 0])
        if not set(found.tolist()) <= {0.0, *before.tolist()}:
            raise ValueError(
                "A layer must move the ids of a mask, not change them. Received: "
                f"{type(self.layer).__name__}, which made ids such as "
                f"{sorted(set(found.tolist()) - set(before.tolist()))[0] - 1:g}."
            )
        beyond = ids == 0
        mask = np.where(beyond, self.ignore_class, ids - 1)
        image = np.clip(image + 0.5, 0, 255).astype(np.uint8)
        image[beyond] = self.fill
        weights = None
        if channels.shape[-1] == 2:
            weights = np.where(beyond, 0, channels[..., 1]).astype("float32")
        return Example(image, mask.astype(examples[0].mask.dtype), weights)


class MixFromKeras(FromKeras):
    """A mix that a layer does on a batch, such as `keras_cv.layers.Mosaic`.

    Args:
        layer: As in `FromKeras`; it gets `1 + partners` examples, and what it makes of
            the first is the mix.
        partners: Examples beside the first.
        probability: How often it is applied, 0 to 1.
        ignore_class: What the mask gets beyond the border.
        fill: What the image gets there, a grey or a colour, 0 to 255.

    Raises:
        ValueError: As `FromKeras` does.
    """

    def __init__(
        self,
        layer: keras.layers.Layer,
        partners: int = 3,
        probability: float = 0.5,
        ignore_class: int = 255,
        fill: Color = NEUTRAL,
    ):
        """Checks the layer."""
        super().__init__(layer, ignore_class, fill)
        self.partners = partners
        self.probability = probability

    def __call__(self, examples, rng: np.random.Generator) -> Example:
        """Returns the mix of `1 + partners` examples of one size."""
        return self._augmented(examples, rng)

    def __getstate__(self) -> dict:
        """Returns what another process makes the same mix from."""
        kept = {"partners": self.partners, "probability": self.probability}
        return {**super().__getstate__(), **kept}


def rand_augment(
    magnitude: float = 0.3,
    count: int = 2,
    ignore_class: int = 255,
    fill: Color = NEUTRAL,
) -> FromKeras:
    """Returns keras-cv's RandAugment: 2 of 10 operations, of colour and geometry.

    The preset `"randaugment"` of `kseg.data.presets` has the operations too, without
    TensorFlow and several times faster.

    Args:
        magnitude: Strength of the operations, 0 to 1.
        count: Operations for an example.
        ignore_class: What the mask gets beyond the border.
        fill: What the image gets there, a grey or a colour, 0 to 255.

    Raises:
        ImportError: If keras-cv is not installed.
    """
    layers = import_optional("keras_cv", "keras-cv").layers
    layer = layers.RandAugment(
        (0, 255), augmentations_per_image=count, magnitude=magnitude
    )
    return FromKeras(layer, ignore_class, fill)


def mosaic(probability: float = 0.5, ignore_class: int = 255) -> MixFromKeras:
    """Returns keras-cv's Mosaic of four examples; `kseg.data.augment.Mosaic` is faster.

    Args:
        probability: How often it is applied, 0 to 1.
        ignore_class: What the mask gets beyond the border.

    Raises:
        ImportError: If keras-cv is not installed.
    """
    layer = import_optional("keras_cv", "keras-cv").layers.Mosaic()
    return MixFromKeras(layer, 3, probability, ignore_class)


def _check(layer: keras.layers.Layer) -> None:
    """Raises if a layer cannot be used."""
    for name in _applied(layer):
        if name in BROKEN:
            reason, instead = BROKEN[name]
            raise ValueError(
                "A layer must move image and mask alike, and the same way again. "
                f"Received: {name}, which {reason}. Use `{instead}`."
            )
    name = _name(layer)
    for each in _layers(layer):
        if getattr(each, "fill_value", None) not in (None, 0):
            raise ValueError(
                "The `fill_value` of a layer must be 0, which `FromKeras` replaces: "
                "any other is an id in the mask. Received: "
                f"{each.fill_value} of {name}."
            )
        if _library(each) == "keras_cv" and getattr(each, "seed", None) is not None:
            raise ValueError(
                "A layer of keras-cv must be made without a seed: it comes from `rng`. "
                f"Received: seed={each.seed} of {name}."
            )


def _applied(layer: keras.layers.Layer) -> Iterator[str]:
    """Yields the names of a layer and, where it only applies others, of those."""
    yield _name(layer)
    if _name(layer) in _CONTAINERS:
        for each in itertools.islice(_layers(layer), 1, None):
            yield from _applied(each)


def _name(layer: keras.layers.Layer) -> str:
    """Returns the package and the class of a layer."""
    return f"{_library(layer)}.{type(layer).__name__}"


def _library(layer: keras.layers.Layer) -> str:
    """Returns the package that a layer is from."""
    return type(layer).__module__.split(".")[0]


def _layers(layer: keras.layers.Layer) -> Iterator[Any]:
    """Yields a layer and the layers that are its attributes, or in lists of them."""
    yield layer
    for value in vars(layer).values():
        inner = value if isinstance(value, list | tuple) else [value]
        for each in inner:
            if isinstance(each, keras.layers.Layer):
                yield from _layers(each)


def _draw_from_global_generator(layer: keras.layers.Layer) -> None:
    """Makes the factors of a keras-cv layer draw from what is reset for every call."""
    core = import_optional("keras_cv", "keras-cv").core
    import tensorflow as tf

    class Sampler(core.FactorSampler):
        """Draws as another sampler does, from the global generator."""

        def __init__(self, sampler):
            self.sampler = sampler

        def __call__(self, shape=(), dtype="float32"):
            generator, of = tf.random.get_global_generator(), self.sampler
            if isinstance(of, core.UniformFactorSampler):
                return generator.uniform(shape, of.lower, of.upper, dtype)
            drawn = generator.normal(shape, of.mean, of.stddev, dtype)
            return tf.clip_by_value(drawn, of.min_value, of.max_value)

        def get_config(self):
            return self.sampler.get_config()

    known = core.UniformFactorSampler, core.NormalFactorSampler
    for name, value in list(vars(layer).items()):
        if isinstance(value, known):
            setattr(layer, name, Sampler(value))


def _channels(example: Example) -> np.ndarray:
    """Returns ids that are one higher, and weights if there are any, as float32."""
    planes = [example.mask.astype("float32") + 1]
    if example.weights is not None:
        planes.append(example.weights)
    return np.stack(planes, axis=-1)
