"""A network whose activations are computed again, and that learns the same."""

import keras
import numpy as np
import pytest

import kseg
from kseg.training.devices import all_devices
from kseg.training.recompute import recomputed


def unet():
    return kseg.build("unet", num_classes=3, filters=4, depth=2, dropout=0.3)


def learn(cut, steps=3):
    """Trains a network with dropout and batch norms; its losses and all variables."""
    keras.utils.set_random_seed(0)
    with all_devices():
        network = unet()
        trained = cut(keras.Model(network.inputs[0], network.outputs[0]))
        trained.compile(keras.optimizers.Adam(1e-2), kseg.losses.CrossEntropy())
        rng = np.random.default_rng(0)
        images = rng.uniform(0, 255, (4, 16, 16, 3)).astype("float32")
        masks = rng.integers(0, 3, (4, 16, 16))
        history = trained.fit(images, masks, 2, steps, 0, shuffle=False).history
    values = [keras.ops.convert_to_numpy(v) for v in network.variables]
    return history["loss"], values, trained.predict(images, verbose=0)


@pytest.fixture(scope="module")
def kept():
    return learn(lambda model: model)


@pytest.mark.parametrize("parts", [1, None])
def test_it_learns_the_same(kept, parts):
    """Weights, statistics, which move once a step, and the state of the dropout."""
    losses, values, predicted = learn(lambda model: recomputed(model, parts))
    np.testing.assert_allclose(losses, kept[0], rtol=1e-5)
    for ours, theirs in zip(values, kept[1], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(predicted, kept[2], rtol=1e-3, atol=1e-4)


def test_outputs_and_variables_are_those_of_the_network():
    network = unet()
    heads = {
        "logits": network.outputs[0],
        "low": network.get_layer("encoder2_bn2").output,
    }
    model = keras.Model(network.inputs[0], heads)
    cut = recomputed(model, 3)
    assert {id(v) for v in cut.variables} == {id(v) for v in model.variables}
    assert sum(type(layer).__name__ == "Recomputed" for layer in cut.layers) == 3
    image = np.random.default_rng(0).uniform(0, 255, (1, 16, 16, 3))
    expected = model(image)
    for name, output in cut(image).items():
        np.testing.assert_allclose(output, expected[name], rtol=1e-5, atol=1e-5)


def test_what_cannot_be_cut_is_refused():
    image = keras.Input((4, 4, 3))
    shared = keras.layers.Conv2D(3, 1, name="shared")
    model = keras.Model(image, shared(shared(image)))
    with pytest.raises(ValueError, match="which calls 'shared' again"):
        recomputed(model)
    with pytest.raises(ValueError, match="has 1 to "):
        recomputed(unet(), 999)
