"""The published networks at the size of their papers, as files that do the same."""

import keras
import numpy as np
import pytest

import kseg
from kseg.export import LiteRTModel, export_litert

# The published networks, 21 classes, where their papers' test sizes are these.
CROP = (473, 473)
NETWORKS = [
    ("deeplabv1", {}, CROP),
    ("deeplabv1_msc", {}, CROP),
    ("deeplabv2", {"backbone": "vgg16"}, CROP),
    ("deeplabv2", {"backbone": "resnet101"}, CROP),
    ("deeplabv3", {"backbone": "resnet50"}, CROP),
    ("deeplabv3plus", {"backbone": "xception65"}, CROP),
    ("pspnet", {"backbone": "resnet50"}, CROP),
    ("refinenet", {"backbone": "resnet50"}, CROP),
    ("hrnet", {"backbone": "hrnet_w18"}, (512, 1024)),
    ("ocrnet", {"backbone": "hrnet_w18"}, (512, 1024)),
    ("lraspp", {}, (512, 1024)),
    ("segformer", {}, (512, 512)),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options", "size"),
    NETWORKS,
    ids=["_".join([name, *options.values()]) for name, options, _ in NETWORKS],
)
def test_a_published_network_converts_at_full_size(name, options, size, tmp_path):
    keras.utils.set_random_seed(0)
    model = kseg.build(name, num_classes=21, **options)
    pixels = np.random.default_rng(0).integers(0, 256, (2, *size, 3), dtype="uint8")
    expected = keras.ops.convert_to_numpy(model(pixels[:1].astype("float32")))[0]
    # With the weights of chance 8 bits hold less than of a trained network.
    for precision, correlation in (("float32", 0.9999), ("int8", 0.85)):
        path = tmp_path / f"{precision}.tflite"
        calibration = list(pixels) if precision == "int8" else None
        export_litert(model, path, size, precision, calibration=calibration)
        actual = LiteRTModel(path).predict(pixels[0])
        assert actual.shape == (*size, 21)
        pair = actual.ravel(), expected.ravel()
        assert np.corrcoef(*pair)[0, 1] > correlation, precision
