"""A classifier and its convolutional form give the same scores."""

import keras
import numpy as np
import pytest
from keras import layers

from kseg.inference import (
    convolutionalise,
    network_stride,
    slide_classifier,
    slide_convolutional,
)


def trunk(image, padding="valid"):
    x = layers.Rescaling(1 / 127.5, -1)(image)
    x = layers.Conv2D(6, 4, padding=padding, activation="relu")(x)
    x = layers.MaxPooling2D(padding=padding)(x)
    skip = layers.Conv2D(8, 2, strides=2, padding=padding)(x)
    x = layers.DepthwiseConv2D(2, strides=2, padding=padding)(x)
    x = layers.BatchNormalization()(layers.Conv2D(8, 1, padding=padding)(x))
    return layers.Add()([x, skip])


def flattened(x):
    x = layers.Dense(16, activation="relu", name="fc1")(layers.Flatten()(x))
    return layers.Dense(3, name="scores")(layers.Dropout(0.5)(x))


def averaged(x):
    x = layers.BatchNormalization()(layers.GlobalAveragePooling2D()(x))
    return layers.Dense(3, activation="softmax", use_bias=False)(x)


def largest(x):
    return layers.ReLU()(layers.Dense(3)(layers.GlobalMaxPooling2D()(x)))


def classifier(head, window=21, padding="valid", size=None):
    keras.utils.set_random_seed(1)
    side = window if size is None else None
    image = keras.Input((side, side, 3))
    model = keras.Model(image, head(trunk(image, padding)), name="patches")
    rng = np.random.default_rng(0)  # batch norms that do something
    model.set_weights([w + rng.uniform(0, 0.3, w.shape) for w in model.get_weights()])
    return model


def picture(size=(45, 62), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


@pytest.mark.parametrize("head", [flattened, averaged, largest])
@pytest.mark.parametrize("mirror", [False, True])
def test_a_valid_network_gives_the_scores_of_all_windows(head, mirror):
    model, image = classifier(head), picture()
    convolutional = convolutionalise(model)
    stride = network_stride(convolutional, 21)
    assert stride == 4
    windows = slide_classifier(model, image, 21, stride, mirror=mirror)
    at_once = slide_convolutional(convolutional, image, 21, mirror=mirror)
    assert windows.shape == at_once.shape
    assert windows.std(axis=(0, 1)).max() > 1e-3
    np.testing.assert_allclose(at_once, windows, rtol=1e-4, atol=1e-5)


def test_same_padding_differs_at_the_borders_of_windows():
    """Equal on one window alone; elsewhere its zeros are the image's pixels."""
    model, image = classifier(averaged, 20, "same"), picture((52, 60))
    convolutional = convolutionalise(model)
    assert network_stride(convolutional, 20) == 4
    windows = slide_classifier(model, image, 20, 4, mirror=False)
    at_once = slide_convolutional(convolutional, image, 20, mirror=False)
    assert windows.shape == at_once.shape
    apart = np.abs(windows - at_once).max()
    assert 1e-3 < apart < 0.2
    one = slide_convolutional(convolutional, image[:20, :20], 20, mirror=False)
    np.testing.assert_allclose(one[0, 0], windows[0, 0], rtol=1e-4)


def test_a_network_of_keras_applications():
    model = keras.applications.MobileNetV2(
        (32, 32, 3), alpha=0.35, weights=None, classes=4
    )
    convolutional = convolutionalise(model)
    assert convolutional.output_shape == (None, None, None, 4)
    assert convolutional.count_params() == model.count_params()
    assert network_stride(convolutional, 32) == 32


def test_nested_backbones_and_sequential_models_and_models_of_any_size():
    keras.utils.set_random_seed(0)
    inside = keras.Input((21, 21, 3))
    nested = keras.Sequential(
        [
            keras.Input((21, 21, 3)),
            keras.Model(inside, trunk(inside), name="backbone"),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    for model, window in ((nested, None), (classifier(averaged, size="any"), 21)):
        image = picture((29, 37))
        convolutional = convolutionalise(model, window)
        np.testing.assert_allclose(
            slide_convolutional(convolutional, image, 21, mirror=False),
            slide_classifier(model, image, 21, 4, mirror=False),
            rtol=1e-4,
            atol=1e-5,
        )


def test_weights_are_copies():
    model = classifier(flattened)
    before = [w.copy() for w in model.get_weights()]
    convolutional = convolutionalise(model)
    convolutional.set_weights([0 * w for w in convolutional.get_weights()])
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def normalised_map(x):
    return layers.Dense(2)(layers.BatchNormalization()(layers.Flatten()(x)))


def reshaped(x):
    x = layers.Dense(8)(layers.GlobalAveragePooling2D()(x))
    return layers.Flatten()(layers.Reshape((2, 4))(x))


def placed(x):
    x = layers.Dense(8)(layers.GlobalAveragePooling2D()(x))
    return layers.Reshape((2, 4))(x)


@pytest.mark.parametrize("head", [normalised_map, placed])
def test_what_has_a_notion_of_place_behind_the_map_is_refused(head):
    with pytest.raises(ValueError, match="Behind '(flatten|global_average).*Received"):
        convolutionalise(classifier(head))


def test_what_is_refused():
    image = keras.Input((8, 8, 3))
    no_end = keras.Model(image, layers.Conv2D(2, 3)(image))
    with pytest.raises(ValueError, match=r"one Flatten.*with 0, such as \[\]"):
        convolutionalise(no_end)
    with pytest.raises(ValueError, match="with 2, such as"):
        convolutionalise(classifier(reshaped))
    inside = keras.Input((8, 8, 3))
    whole = keras.Model(inside, layers.Dense(2)(layers.Flatten()(inside)))
    with pytest.raises(ValueError, match="include_top=False"):
        convolutionalise(keras.Model(image, whole(image)))
    with pytest.raises(ValueError, match="`window` must be given"):
        convolutionalise(classifier(averaged, size="any"))
