import functools

import numpy as np
import pytest
from lite_files import SIZE, build

from kseg.export import export_litert
from kseg.labels import Labels


@pytest.fixture(scope="session")
def litert_file(tmp_path_factory):
    """A function that exports a network, once for each kind of file."""
    folder = tmp_path_factory.mktemp("lite")
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (*SIZE, 3), np.uint8) for _ in range(4)]

    @functools.cache
    def export(precision="float32", output="logits", kind="whole"):
        path = folder / f"{kind}_{precision}_{output}.tflite"
        labels = Labels.numbered(2 if kind == "one_logit" else 4)
        calibration = images if precision == "int8" else None
        model = build(kind)
        return export_litert(
            model, path, SIZE, precision, output, calibration, labels=labels
        )

    return export
