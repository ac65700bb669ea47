import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from keras import layers

import kseg
from kseg.export.calibration import calibrate, quantise
from kseg.export.quantisation_aware import fake_quantised
from kseg.layers import FakeQuantisation, QuantisedKernel

SIZE = (24, 32)


def network():
    keras.utils.set_random_seed(0)
    image = keras.Input((*SIZE, 3), name="image")
    x = layers.Rescaling(1 / 255)(image)
    x = layers.Conv2D(8, 3, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU(6.0)(x)
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    y = layers.ReLU()(x)
    x = layers.Conv2D(8, 1, activation="relu")(y)
    x = layers.Dropout(0.2)(layers.Add()([x, y]))
    logits = layers.Conv2D(3, 1, name="logits")(x)
    model = keras.Model(image, logits, name="tiny")
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if "batch_norm" in weight.path:
            weight.assign(rng.uniform(0.5, 2, weight.shape))
    return model


@pytest.fixture(scope="module")
def images():
    images = np.random.default_rng(0).integers(0, 256, (6, *SIZE, 3), np.uint8)
    images[0, 0, 0], images[0, -1, -1] = 0, 255
    return images


def reference_kernels(content, images):
    """What an int8 file gives by LiteRT's kernels for checking, in float."""
    interpreter = Interpreter(
        model_content=content,
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
    )
    interpreter.allocate_tensors()
    target = interpreter.get_input_details()[0]["index"]
    source = interpreter.get_output_details()[0]
    scale, zero_point = source["quantization"]
    found = []
    for image in images:
        interpreter.set_tensor(target, image[np.newaxis])
        interpreter.invoke()
        found.append(interpreter.get_tensor(source["index"])[0].astype("float32"))
    return (np.stack(found) - zero_point) * scale


def test_it_computes_what_the_int8_file_computes(images):
    model = network()
    float_images = images.astype("float32")
    faked = fake_quantised(model)
    faked(float_images, training=True)  # the first batch is the range
    content = quantise(calibrate(model, SIZE, images))
    actual = reference_kernels(content, images)
    exact = np.asarray(model(float_images, training=False))
    close = np.asarray(faked(float_images, training=False))
    step = np.ptp(exact) / 255
    assert np.abs(close - actual).max() < 2 * step
    error = np.abs(close - actual).mean()
    assert error < 0.35 * step  # the last rounding alone is a quarter


def test_many_bits_or_no_training_change_nothing(images):
    model, batch = network(), images.astype("float32")
    exact = np.asarray(model(batch, training=False))
    faked = fake_quantised(model, bits=16)
    faked(batch, training=True)
    np.testing.assert_allclose(faked(batch), exact, atol=1e-3)
    new = np.asarray(fake_quantised(model)(batch))
    assert 1e-4 < np.abs(new - exact).max() < 0.1 * np.ptp(exact)  # kernels alone


def test_training_it_trains_the_network(images):
    model, batch = network(), images.astype("float32")
    faked = fake_quantised(model)
    assert {id(v) for v in faked.trainable_variables} == {
        id(v) for v in model.trainable_variables
    }
    before = [np.array(v) for v in model.weights]
    masks = np.random.default_rng(0).integers(0, 3, images.shape[:3])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    faked.compile(keras.optimizers.Adam(0.01), loss, jit_compile=False)
    history = faked.fit(batch, masks, 3, 5, verbose=0).history["loss"]
    assert history[-1] < history[0]
    for variable, value in zip(model.weights, before, strict=True):
        assert (np.array(variable) != value).any() == variable.trainable
    trained = np.asarray(model(batch, training=False))
    faked_now = np.asarray(faked(batch, training=False))
    assert np.abs(trained - faked_now).max() < 0.1 * np.ptp(trained)
    kinds = {type(layer) for layer in model.layers}
    assert not kinds & {FakeQuantisation, QuantisedKernel}


def test_it_rounds_where_the_file_does():
    faked = fake_quantised(network())
    found = [x.name for x in faked.layers if isinstance(x, FakeQuantisation)]
    kinds = [name.rsplit("_range")[0].rstrip("0123456789_") for name in found]
    # Behind operators, not inside them, and not behind a dropout or the output.
    assert kinds == ["rescaling", "re_lu", "re_lu", "conv2d", "add"]


@pytest.mark.parametrize("options", [{"name": "unet", "filters": 4, "depth": 2}])
def test_networks_with_heads_keep_their_outputs(options):
    model = kseg.build(**options, num_classes=3)
    middle = model.get_layer("encoder2_bn2").output
    both = keras.Model(model.inputs[0], {"logits": model.outputs[0], "low": middle})
    faked = fake_quantised(both)
    batch = np.random.default_rng(0).uniform(0, 255, (1, 16, 16, 3)).astype("float32")
    expected = both(batch, training=False)
    for name, value in faked(batch, training=False).items():
        tolerance = 0.1 * np.ptp(expected[name])
        np.testing.assert_allclose(value, expected[name], atol=tolerance)


def test_a_layer_that_is_called_twice_is_refused():
    image = keras.Input((8, 8, 3))
    shared = layers.Conv2D(3, 3, padding="same", name="shared")
    model = keras.Model(image, shared(shared(image)))
    with pytest.raises(ValueError, match="called once.*'shared'"):
        fake_quantised(model)
