"""One pass: any size comes back, whatever sizes the network takes."""

import tracemalloc

import keras
import numpy as np
import pytest

import kseg
from kseg.inference import predict_logits


def test_a_valid_network_sees_mirrored_borders():
    network = kseg.build("unet", num_classes=2, filters=2, depth=2, padding="valid")
    image = np.random.default_rng(2).integers(0, 256, (31, 44, 3), np.uint8)
    logits = predict_logits(network, image)
    assert logits.shape == (31, 44, 2)
    # 8 pixels are lost at every side; the sizes that fit are 20 + 2 m.
    padded = np.pad(image, ((8, 9), (8, 8), (0, 0)), mode="reflect")
    whole = network(padded[np.newaxis].astype("float32"), training=False)
    np.testing.assert_allclose(logits, np.asarray(whole)[0, :31], rtol=1e-4, atol=1e-5)


def test_logits_are_those_of_the_network():
    network = kseg.build("unet", num_classes=2, filters=2, depth=2)
    image = np.random.default_rng(0).integers(0, 256, (13, 22, 3), np.uint8)
    expected = network(image[np.newaxis].astype("float32"), training=False)
    np.testing.assert_allclose(predict_logits(network, image), expected[0], atol=1e-6)
    with pytest.raises(ValueError, match=r"uint8 array \(height, width, 3\)"):
        predict_logits(network, image[..., 0])


@pytest.mark.parametrize("num_classes", [1, 48])
def test_classes_are_enlarged_one_at_a_time(num_classes):
    """What a network of a fixed size says of a large image is a class map alone."""
    keras.utils.set_random_seed(0)
    network = kseg.build(
        "unet",
        num_classes=max(num_classes, 2),
        filters=2,
        depth=2,
        input_shape=(16, 16, 3),
    )
    if num_classes == 1:
        network = keras.Model(
            network.input, network.output[..., 1:] - network.output[..., :1]
        )
    blocks = np.random.default_rng(0).integers(0, 256, (10, 8, 3), np.uint8)
    image = blocks.repeat(50, axis=0).repeat(50, axis=1)
    logits = predict_logits(network, image)
    expected = logits.argmax(-1) if num_classes > 1 else logits[..., 0] > 0
    tracemalloc.start()
    ids = kseg.predict(network, image)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(ids, expected)
    assert len(np.unique(ids)) > 1
    assert most < 8e6  # the logits of 48 classes have 38 MB
