import functools

import keras
import numpy as np
import pytest
from small_network import LABELS, SIZE, build, draw

from kseg.export import export_litert


@pytest.fixture(scope="session")
def model():
    """The network after a few seconds of training."""
    model = build()
    images, masks = draw(96, seed=1)
    weights = (masks != 255).astype("float32")
    model.compile(
        keras.optimizers.Adam(0.02),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    labels = np.where(masks == 255, 0, masks)
    model.fit(images.astype("float32"), labels, 8, 4, verbose=0, sample_weight=weights)
    return model


@pytest.fixture(scope="session")
def examples():
    """Ten images that the network has not seen, and their masks."""
    return list(zip(*draw(10, seed=2), strict=True))


@pytest.fixture(scope="session")
def exported(model, tmp_path_factory):
    """A function that exports the trained network, once for each kind of file."""
    folder = tmp_path_factory.mktemp("exported")
    calibration, _ = draw(16, seed=3)

    @functools.cache
    def export(precision="float32", output="logits"):
        path = folder / f"{precision}_{output}.tflite"
        return export_litert(model, path, SIZE, precision, output, calibration, LABELS)

    return export
