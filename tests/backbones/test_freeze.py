import keras
import numpy as np

from kseg import backbones
from kseg.layers import BatchNormalization


def test_frozen_norms_do_not_move_and_the_rest_does():
    image = keras.Input((4, 4, 3))
    x = keras.layers.Conv2D(2, 1, name="conv")(image)
    x = BatchNormalization(name="ours")(x)
    inner = keras.Sequential([keras.layers.BatchNormalization(name="keras")])
    model = keras.Model(image, inner(x))
    assert backbones.freeze_batch_norm(model) is model
    assert [v.path.split("/")[0] for v in model.trainable_variables] == ["conv"] * 2

    model.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(3, 2, (2, 4, 4, 3))
    conv, before = model.get_layer("conv").get_weights()[0], model.get_weights()[2:]
    expected = model(x, training=False)
    np.testing.assert_array_equal(model(x, training=True), expected)
    model.train_on_batch(x, np.ones((2, 4, 4, 2)))
    assert np.any(model.get_layer("conv").get_weights()[0] != conv)
    for value, after in zip(before, model.get_weights()[2:], strict=True):
        np.testing.assert_array_equal(after, value)
