"""One pass: any size comes back, whatever sizes the network takes."""

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
