"""Augmentations by their names."""

import json

import numpy as np
import pytest
from painted import IDS, assert_same, painted

from kseg.data import augment, presets

OURS = [name for name in presets.PRESETS if name != "keras_cv"]


@pytest.mark.parametrize("name", OURS)
def test_a_preset_makes_examples_of_its_size(name):
    chain = presets.preset(name, (48, 64), ignore_class=77)
    again = [presets.make(presets.describe(each), {}) for each in chain]
    assert again == chain
    voids = 0
    for seed in range(12):
        one, two = painted(), painted()
        rngs = np.random.default_rng(seed), np.random.default_rng(seed)
        for function, other in zip(chain, again, strict=True):
            one, two = function(one, rngs[0]), other(two, rngs[1])
        assert_same(one, two)
        assert one.image.shape == (48, 64, 3) and one.weights.shape == (48, 64)
        assert 255 not in one.mask
        voids += (one.mask == 77).sum()
    assert (voids > 0) == (name in ("strong", "randaugment"))


@pytest.mark.slow
def test_the_preset_of_keras_cv_keeps_the_size_and_the_ids():
    pytest.importorskip("keras_cv")
    chain = presets.preset("keras_cv", (48, 64), ignore_class=222)
    for seed in range(4):
        example, rng = painted(), np.random.default_rng(seed)
        for function in chain:
            example = function(example, rng)
        assert example.image.shape == (48, 64, 3)
        assert set(np.unique(example.mask)) <= {*IDS, 222}


def test_descriptions_survive_json():
    chain = presets.preset("randaugment", (8, 9))
    text = json.dumps([presets.describe(each) for each in chain])
    again = [presets.make(each, {}) for each in json.loads(text)]
    assert again == chain


def test_every_augmentation_takes_a_probability():
    blur = presets.make({"name": "gaussian_blur", "probability": 0.2}, {})
    assert blur == augment.Sometimes(augment.GaussianBlur(), 0.2)
    assert presets.describe(blur) == {
        "name": "gaussian_blur",
        "sigma": (0.3, 2.0),
        "probability": 0.2,
    }
    flip = presets.make({"name": "flip", "probability": 0.2}, {})
    assert flip == augment.RandomFlip(0.2)


def test_what_is_not_given_is_filled_in():
    filled = {"ignore_class": 7, "border": "mirror", "size": (3, 4)}
    assert presets.make({"name": "rotation", "border": "void"}, filled) == (
        augment.RandomRotation(border="void", ignore_class=7)
    )
    assert presets.make_mix({"name": "class_mix"}, 9) == augment.ClassMix(9)
    assert presets.make_mix("mosaic") == augment.Mosaic()


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({"name": "gausian_blur"}, "augmentation must be one of .*'gaussian_blur'"),
        ({"name": "jpeg", "qualty": 3}, "argument of 'jpeg' must be .*'quality'"),
        ({"name": "jpeg", "quality": 3}, "`quality` must be two numbers.*Received: "),
        ({"name": "jpeg", "quality": (0, 3)}, "1 to 100"),
        ({"name": "scale_crop", "probability": 0.5}, "argument of 'scale_crop'"),
        ({"name": "scale_crop"}, "arguments of 'scale_crop' must be .*missing"),
        ({"sigma": 3}, "dictionary with a `name`"),
        ("jpeg", "dictionary with a `name`"),
    ],
)
def test_wrong_descriptions_are_an_error(description, message):
    with pytest.raises(ValueError, match=message):
        presets.make(description, {})


def test_wrong_names_are_an_error():
    with pytest.raises(ValueError, match="mix must be one of .*Did you mean 'cut_mix'"):
        presets.make_mix("cutmix")
    with pytest.raises(ValueError, match="preset of augmentations must be one of"):
        presets.preset("mild", (8, 8))
    with pytest.raises(ValueError, match="Only augmentations of kseg"):
        presets.describe(lambda example, rng: example)


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("gaussian_blur", {"sigma": (0, 0)}),
        ("gaussian_blur", {"sigma": 1.0}),
        ("gaussian_noise", {"sigma": (3, 2)}),
        ("flip", {"probability": 5}),
        ("grayscale", {"probability": -1}),
        ("color_jitter", {"brightness": 3.0}),
        ("photometric", {"contrast": (0.5,)}),
        ("photometric", {"each": 2}),
        ("clahe", {"clip_limit": (0, 1)}),
        ("sharpness", {"factor": (-1, 1)}),
        ("solarize", {"threshold": (0, 300)}),
        ("gamma", {"gamma": (0, 1)}),
        ("affine", {"scale": [0.5]}),
        ("cutout", {"sides": (0.1,)}),
    ],
)
def test_wrong_arguments_are_told_before_the_first_example(name, argument):
    with pytest.raises(ValueError, match=f"{next(iter(argument))}.*Received"):
        presets.make({"name": name, **argument}, {})


def test_a_probability_of_a_probability_has_no_description():
    twice = augment.Sometimes(augment.RandomFlip(), 0.3)
    with pytest.raises(ValueError, match="one probability"):
        presets.describe(twice)
    often = augment.Sometimes(augment.PhotometricDistortion(each=0.9), 0.3)
    assert presets.make(presets.describe(often), {}) == often
