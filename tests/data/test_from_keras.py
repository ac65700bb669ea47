"""Layers of Keras and keras-cv as augmentations: which are right with masks.

`LAYERS` and `KERAS_CV` are the tables of `docs/augmentation.md`.
"""

import itertools
import pickle
import threading
import warnings

import keras
import numpy as np
import pytest
from painted import IDS, assert_same, inside, painted

from kseg.data import from_keras
from kseg.data.augment import RandomFlip
from kseg.data.from_keras import BROKEN, FromKeras, MixFromKeras
from kseg.data.geometry import NEUTRAL

MOVES, COLORS, HIDES = "moves", "colors", "hides"
FACTOR = {"factor": 0.2}
RANGE = {"value_range": (0, 255)}
LAYERS = {
    "AutoContrast": ({}, COLORS),
    "CenterCrop": ({"height": 50, "width": 60}, MOVES),
    "Equalization": ({}, COLORS),
    "RandAugment": ({}, MOVES),
    "RandomBrightness": (FACTOR, COLORS),
    "RandomColorDegeneration": (FACTOR, COLORS),
    "RandomColorJitter": (RANGE, COLORS),
    "RandomContrast": (FACTOR, COLORS),
    "RandomCrop": ({"height": 50, "width": 60}, MOVES),
    "RandomErasing": ({}, HIDES),
    "RandomFlip": ({}, MOVES),
    "RandomGaussianBlur": ({}, COLORS),
    "RandomHue": (FACTOR, COLORS),
    "RandomInvert": ({}, COLORS),
    "RandomPerspective": ({}, MOVES),
    "RandomPosterization": ({"factor": 4}, COLORS),
    "RandomRotation": ({"factor": 0.1, "fill_mode": "constant"}, MOVES),
    "RandomSaturation": (FACTOR, COLORS),
    "RandomSharpness": (FACTOR, COLORS),
    "RandomShear": ({"x_factor": 0.3, "y_factor": 0.3}, MOVES),
    "RandomTranslation": (
        {"height_factor": 0.2, "width_factor": 0.2, "fill_mode": "constant"},
        MOVES,
    ),
    "RandomZoom": ({"height_factor": 0.3, "fill_mode": "constant"}, MOVES),
    "Resizing": ({"height": 60, "width": 70}, MOVES),
    "Solarization": ({}, COLORS),
}
KERAS_CV = {
    "AutoContrast": (RANGE, COLORS),
    "ChannelShuffle": ({}, COLORS),
    "Equalization": (RANGE, COLORS),
    "Grayscale": ({"output_channels": 3}, COLORS),
    "GridMask": ({}, HIDES),
    "JitteredResize": (
        {"target_size": (96, 96), "scale_factor": (0.8, 1.25)},
        MOVES,
    ),
    "Posterization": ({"bits": 4, **RANGE}, COLORS),
    "RandAugment": (RANGE, MOVES),
    "RandomBrightness": (FACTOR, COLORS),
    "RandomChannelShift": ({**FACTOR, **RANGE}, COLORS),
    "RandomColorDegeneration": (FACTOR, COLORS),
    "RandomColorJitter": (
        {
            **RANGE,
            "brightness_factor": 0.2,
            "contrast_factor": 0.2,
            "saturation_factor": 0.2,
            "hue_factor": 0.1,
        },
        COLORS,
    ),
    "RandomContrast": ({**FACTOR, **RANGE}, COLORS),
    "RandomCropAndResize": (
        {
            "target_size": (60, 70),
            "crop_area_factor": (0.5, 1.0),
            "aspect_ratio_factor": (0.8, 1.2),
        },
        MOVES,
    ),
    "RandomCutout": ({"height_factor": 0.3, "width_factor": 0.3}, HIDES),
    "RandomFlip": ({}, MOVES),
    "RandomGaussianBlur": ({"kernel_size": 3, "factor": 1.0}, COLORS),
    "RandomHue": ({"factor": 0.1, **RANGE}, COLORS),
    "RandomJpegQuality": ({"factor": (50, 90)}, COLORS),
    "RandomSaturation": (FACTOR, COLORS),
    "RandomSharpness": ({**FACTOR, **RANGE}, COLORS),
    "RandomShear": ({"x_factor": 0.2, "y_factor": 0.2}, MOVES),
    "RandomTranslation": ({"height_factor": 0.2, "width_factor": 0.2}, MOVES),
    "RandomZoom": ({"height_factor": 0.3}, MOVES),
    "Resizing": ({"height": 60, "width": 70}, MOVES),
    "Solarization": (RANGE, COLORS),
}
WRONG = {
    "keras.RandomElasticTransform": {"factor": 1.0},
    "keras.AugMix": {},
    "keras.MixUp": {},
    "keras.CutMix": {},
    "keras.RandomGrayscale": {},
    "keras_cv.AugMix": RANGE,
    "keras_cv.RandomAspectRatio": {"factor": (0.8, 1.2)},
    "keras_cv.RandomCrop": {"height": 50, "width": 60},
    "keras_cv.RandomRotation": {"factor": 0.1},
    "keras_cv.MixUp": {},
    "keras_cv.CutMix": {},
    "keras_cv.FourierMix": {},
}
# Tracing a layer takes seconds: some are enough for every day.
QUICK = {
    "keras.RandomBrightness",
    "keras.RandomCrop",
    "keras.RandomTranslation",
    "keras.RandomGrayscale",
}


def marked(names):
    """The parameters of a test, those of other than the quick layers slow."""
    return [
        pytest.param(
            name, *values, marks=[] if name in QUICK else pytest.mark.slow, id=name
        )
        for name, *values in names
    ]


@pytest.fixture(scope="module")
def pair():
    return painted().each(lambda array: array[::2, ::2])


def layer_of(name, options):
    library, _, kind = name.rpartition(".")
    if library == "keras":
        return getattr(keras.layers, kind)(**options)
    if keras.backend.backend() != "tensorflow":
        pytest.skip("keras-cv needs TensorFlow")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        keras_cv = pytest.importorskip("keras_cv")
    return getattr(keras_cv.layers, kind)(**options)


def one_color(image, mask):
    """How many pixels away from borders have the commonest colour of their class."""
    # At the outermost pixels an image is blended with what it is filled with.
    image, mask = image[2:-2, 2:-2], mask[2:-2, 2:-2]
    apart = inside(mask, 2) & (mask != 222)
    found = [image[apart & (mask == kind)].astype(int) for kind in np.unique(mask)]
    near = [np.abs(c - np.median(c, axis=0)).max(-1) < 25 for c in found if len(c)]
    return np.concatenate(near).mean()


@pytest.mark.parametrize(
    ("name", "options", "kind"),
    marked(
        [
            *((f"keras.{name}", *rest) for name, rest in LAYERS.items()),
            *((f"keras_cv.{name}", *rest) for name, rest in KERAS_CV.items()),
        ]
    ),
)
def test_a_layer_is_right_with_masks(pair, name, options, kind):
    augment = FromKeras(layer_of(name, options), ignore_class=222)
    moved = []
    for seed in (0, 1, 2, 0, 1, 2):
        example = augment(pair, np.random.default_rng(seed))
        moved.append(example)
        image, mask, weights = example
        assert image.shape == (*mask.shape, 3)
        assert (image.dtype, mask.dtype) == (np.uint8, np.uint8)
        assert weights.dtype == np.float32
        assert set(np.unique(mask)) <= {*IDS, 222}
        np.testing.assert_array_equal(weights, np.where(mask == 222, 0, mask))
        assert (image[mask == 222] == NEUTRAL).all()
        if kind is MOVES:
            assert one_color(image, mask) > 0.99
        else:
            np.testing.assert_array_equal(mask, pair.mask)
    for one, two in zip(moved[:3], moved[3:], strict=True):
        assert_same(one, two)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_layer_is_refused_with_what_to_use_instead(name):
    layer = layer_of(name, WRONG[name])
    with pytest.raises(ValueError, match=rf"{name}, which .*Use `kseg.data.augment\."):
        FromKeras(layer)


@pytest.mark.parametrize("name", marked([name] for name in BROKEN))
def test_what_is_refused_is_wrong(pair, name, monkeypatch):
    keras.utils.set_random_seed(0)  # some choose when they are made or traced
    layer = layer_of(name, WRONG[name])
    monkeypatch.setattr(from_keras, "BROKEN", {})
    augment = FromKeras(layer, ignore_class=222)
    batch = name in ("keras.CutMix", "keras_cv.CutMix", "keras_cv.MixUp")
    try:
        if batch or name == "keras_cv.FourierMix":
            augment = MixFromKeras(layer, 1, ignore_class=222)
            flipped = RandomFlip(1.0)(pair, np.random.default_rng(0))
            results = [
                augment([pair, flipped], np.random.default_rng(s)) for s in [0] * 9
            ]
            if any((a.image != b.image).any() for a, b in itertools.pairwise(results)):
                return  # the same seed, but other examples
        else:
            results = [augment(pair, np.random.default_rng(s)) for s in range(4)]
    except (ValueError, NotImplementedError, AttributeError):
        return
    worst = min(one_color(result.image, result.mask) for result in results)
    assert worst < 0.985


def test_a_fill_value_that_is_a_class_is_refused():
    layer = keras.layers.RandomRotation(0.2, fill_mode="constant", fill_value=3.0)
    with pytest.raises(ValueError, match="`fill_value` .* must be 0.*Received: 3.0 of"):
        FromKeras(layer)


def test_a_layer_that_changes_ids_is_an_error(pair):
    class Doubles(keras.layers.Layer):
        def call(self, inputs):
            return {**inputs, "segmentation_masks": inputs["segmentation_masks"] * 1.5}

    with pytest.raises(ValueError, match="not change them. Received: Doubles, .* 0.5"):
        FromKeras(Doubles())(pair, np.random.default_rng(0))


def test_a_seed_of_keras_cv_is_refused():
    layer = layer_of("keras_cv.RandomFlip", {"seed": 3})
    with pytest.raises(ValueError, match="without a seed.*Received: seed=3"):
        FromKeras(layer)


def test_threads_do_not_disturb_one_another(pair):
    augment = FromKeras(keras.layers.RandomTranslation(0.3, 0.3))
    expected = [augment(pair, np.random.default_rng(seed)) for seed in range(8)]
    found = {}

    def work(seed):
        found[seed] = augment(pair, np.random.default_rng(seed))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed, example in enumerate(expected):
        assert_same(found[seed], example)


def test_it_can_be_sent_to_another_process(pair):
    augment = FromKeras(keras.layers.RandomRotation(0.3), 222, (1, 2, 3))
    again = pickle.loads(pickle.dumps(augment))
    for seed in range(2):
        one = augment(pair, np.random.default_rng(seed))
        assert_same(one, again(pair, np.random.default_rng(seed)))


@pytest.mark.slow
def test_keras_cvs_presets(pair):
    layer_of("keras_cv.RandomFlip", {})  # or skip
    augment = from_keras.rand_augment(0.5, ignore_class=222)
    image, mask, _ = augment(pair, np.random.default_rng(5))
    assert image.shape == pair.image.shape and one_color(image, mask) > 0.99
    mosaic = from_keras.mosaic(0.4, 222)
    assert (mosaic.partners, mosaic.probability) == (3, 0.4)
    other = RandomFlip(1.0)(pair, np.random.default_rng(0))
    one, two = (
        mosaic([pair, other, other, other], np.random.default_rng(1)) for _ in "ab"
    )
    assert_same(one, two)
    assert one_color(one.image, one.mask) > 0.99
    assert not np.array_equal(one.mask, pair.mask)


def test_a_refused_layer_is_found_inside_of_another():
    broken = keras.layers.RandomElasticTransform(factor=1.0)
    with pytest.raises(ValueError, match="RandomElasticTransform.*Use"):
        FromKeras(keras.layers.Pipeline([broken]))
