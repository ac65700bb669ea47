"""What TensorFlow Serving would do with kseg's SavedModel, without its binary.

Its REST interface makes one tensor of the signature's type of `instances`, runs the
signature, and returns its one output as lists: TensorFlow does that here, from the same
JSON that `kseg serve` gets over HTTP.
"""

import json

import numpy as np
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")
pytest.importorskip("prometheus_client")
pytest.importorskip("tensorflow")

from running import running

import kseg
from kseg.export import export_saved_model
from kseg.labels import Labels
from kseg.serving.limits import Limits
from kseg.serving.prepare import prepare


@pytest.fixture(scope="module")
def network():
    import keras

    keras.utils.set_random_seed(0)
    return kseg.build("unet", num_classes=3, filters=2, depth=2)


@pytest.fixture(scope="module")
def loaded(network, tmp_path_factory):
    import tensorflow as tf

    path = tmp_path_factory.mktemp("export") / "1"
    export_saved_model(network, path)
    return tf.saved_model.load(path)


@pytest.fixture(scope="module")
def client(network):
    served = prepare("street", [network], Labels.numbered(3))
    with running(served, Limits()) as client:
        yield client


@pytest.mark.parametrize("row", [True, False])
def test_one_body_has_one_answer(loaded, client, row):
    import tensorflow as tf

    images = np.random.default_rng(0).integers(0, 256, (2, 12, 20, 3))
    body = json.dumps({"instances" if row else "inputs": images.tolist()})
    (spec,) = (
        loaded.signatures["serving_default"].structured_input_signature[1].values()
    )
    values = json.loads(body)["instances" if row else "inputs"]
    tensor = tf.constant(values, spec.dtype)
    expected = loaded.signatures["serving_default"](**{spec.name: tensor})
    code, said = client.post("/v1/models/street:predict", body.encode())
    assert code == 200
    found = said["predictions" if row else "outputs"]
    np.testing.assert_allclose(found, expected["logits"].numpy(), atol=1e-4)
    assert np.ptp(found) > 0.01


def test_the_metadata_are_those_of_the_signature(loaded, client):
    _, said = client.get("/v1/models/street/metadata")
    described = said["metadata"]["signature_def"]["signature_def"]["serving_default"]
    signature = loaded.signatures["serving_default"]
    (image,) = signature.structured_input_signature[1].values()
    specs = {"inputs": {image.name: image}, "outputs": signature.structured_outputs}
    for side, tensors in specs.items():
        assert described[side].keys() == tensors.keys()
        for name, spec in tensors.items():
            entry = described[side][name]
            assert entry["dtype"] == "DT_" + {"float32": "FLOAT"}[spec.dtype.name]
            sides = [int(dim["size"]) for dim in entry["tensor_shape"]["dim"]]
            assert sides == [-1 if n is None else n for n in spec.shape]


def test_class_ids_are_those_of_predict(network, client):
    image = np.random.default_rng(1).integers(0, 256, (12, 20, 3)).astype(np.uint8)
    body = {"signature_name": "class_map", "instances": [image.tolist()]}
    _, said = client.post("/v1/models/street:predict", json.dumps(body).encode())
    assert (said["predictions"][0] == kseg.predict(network, image)).all()


def test_an_answer_of_too_many_numbers_is_refused(client):
    image = np.zeros((1200, 1200, 3), np.uint8).tolist()
    code, said = client.post("/v1/models/street:predict", {"instances": [image]})
    assert code == 413 and "'class_map'" in said["error"]
