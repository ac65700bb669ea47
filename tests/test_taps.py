"""Convolutions as sums over taps, on the backend that the tests are run with."""

import itertools
import threading

import keras
import numpy as np
import pytest
from keras import layers, ops

import kseg
from kseg import taps
from kseg.taps import sums_of_taps

ON_JAX = keras.backend.backend() == "jax"
KERNELS = [1, 2, 3, (4, 1)]
STRIDES_AND_RATES = [(1, 1), (2, 1), (3, 1), (1, 2), (1, (3, 5)), (1, 12)]
# What a tap meets is the same on JAX, which takes long to compile it.
SIZES = [(13, 18)] if ON_JAX else [(13, 18), (25, 8)]


def random(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def convolution(kind, **options):
    if kind == "depthwise":
        return layers.DepthwiseConv2D(depth_multiplier=2, **options)
    return layers.Conv2D(7, **options)


def model_of(*stack, size, channels=5):
    return keras.Sequential([keras.Input((*size, channels)), *stack])


def values_and_gradients(model, images):
    """Returns the results, and the gradients to images and weights of a random sum."""
    weighted = random(*model.output_shape[1:])
    if ON_JAX:
        import jax

        def loss(variables, images):
            result, _ = model.stateless_call(variables, [], images)
            return (result * weighted).sum(), result

        variables = [x.value for x in model.trainable_variables]
        both = jax.jit(jax.value_and_grad(loss, (0, 1), has_aux=True))
        (_, result), gradients = both(variables, images)
        gradients = [*gradients[0], gradients[1]]
    else:
        import tensorflow as tf

        images = tf.constant(images)
        with tf.GradientTape() as tape:
            tape.watch(images)
            result = model(images)
            loss = tf.reduce_sum(result * weighted)
        variables = [x.value for x in model.trainable_variables]
        gradients = tape.gradient(loss, [*variables, images])
    return [np.asarray(x) for x in (result, *gradients)]


def is_whole(options, size):
    """Says whether a `valid` kernel fits into the map."""
    kernel = np.broadcast_to(options["kernel_size"], 2)
    return np.all((kernel - 1) * options["dilation_rate"] < size)


@pytest.mark.parametrize("kind", ["all channels", "depthwise"])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("kernel", KERNELS)
def test_a_sum_over_taps_is_the_convolution(monkeypatch, kind, padding, kernel):
    monkeypatch.setattr(taps, "_is_one", lambda layer, by_xla: layer.name == "one")
    monkeypatch.setattr(taps, "_MOST", 1)
    tried = 0
    for size, (strides, rate) in itertools.product(SIZES, STRIDES_AND_RATES):
        options = dict(
            kernel_size=kernel, strides=strides, dilation_rate=rate, padding=padding
        )
        if padding == "valid" and not is_whole(options, size):
            continue
        layer = convolution(
            kind, activation="tanh", bias_initializer="normal", name="one", **options
        )
        model = model_of(layer, size=size)
        images = random(2, *size, 5)
        expected = values_and_gradients(model, images)
        with sums_of_taps(model):
            assert layer.__dict__.keys() & {"call", "convolution_op"}
            found = values_and_gradients(model, images)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=2e-5)
        tried += 1
    assert tried >= 4 * len(SIZES)


def operators(model, images):
    """Returns the operators that a model is traced to."""
    if ON_JAX:
        import jax

        return str(jax.make_jaxpr(lambda x: model(x))(images))
    import tensorflow as tf

    traced = tf.function(model).get_concrete_function(tf.constant(images))
    return " ".join(x.type for x in traced.graph.get_operations())


def convolves(model, images):
    found = operators(model, images)
    return any(name in found for name in ("Conv2D", "Depthwise", "conv_general"))


@pytest.mark.parametrize(
    ("options", "gains"),
    [
        ({"kernel_size": 3, "dilation_rate": 6}, True),
        ({"kernel_size": 3, "dilation_rate": 2}, False),  # 0.77 of the map is met
        ({"kernel_size": 3}, False),
        ({"kernel_size": 3, "strides": 2}, False),
        ({"kernel_size": 1}, ON_JAX),
        ({"kernel_size": 1, "strides": 2}, ON_JAX),
        ({"kind": "depthwise", "kernel_size": 3}, ON_JAX),
        ({"kind": "depthwise", "kernel_size": 3, "dilation_rate": 6}, ON_JAX),
    ],
)
def test_what_is_quicker_is_summed(options, gains):
    options = {"kind": "all channels", "padding": "same", **options}
    model = model_of(convolution(**options), size=(16, 16))
    images = random(1, 16, 16, 5)
    with sums_of_taps(model):
        assert convolves(model, images) is not gains
    assert convolves(model, images)


def test_maps_of_any_size_are_convolved():
    layer = layers.Conv2D(4, 3, dilation_rate=9, padding="same")
    model = model_of(layer, layers.DepthwiseConv2D(3), size=(None, None))
    images = random(1, 16, 16, 5)
    expected = np.asarray(model(images))
    with sums_of_taps(model):
        # JAX knows the size of every image; TensorFlow is asked to trace without.
        np.testing.assert_allclose(model(images), expected, atol=1e-5)
        if not ON_JAX:
            import tensorflow as tf

            any_size = tf.TensorSpec((None, None, None, 5))
            traced = tf.function(model).get_concrete_function(any_size)
            assert "Conv2D" in {x.type for x in traced.graph.get_operations()}


class Doubled(layers.Conv2D):
    def convolution_op(self, inputs, kernel):
        return 2 * super().convolution_op(inputs, kernel)


@pytest.mark.parametrize(
    "layer",
    [
        Doubled(6, 3, dilation_rate=9, padding="same"),
        layers.Conv2D(6, 3, dilation_rate=9, padding="same", groups=2),
        layers.Conv2D(6, 3, dilation_rate=9, data_format="channels_first"),
        layers.Conv2DTranspose(6, 1),
    ],
)
def test_what_is_left_alone(layer):
    model = model_of(layer, size=(24, 24), channels=24)
    before = layer.__dict__.copy()
    with sums_of_taps(model):
        assert layer.__dict__ == before


def test_half_precision_is_summed_in_float32():
    layer = layers.Conv2D(
        4, 3, dilation_rate=6, padding="same", use_bias=False, dtype="mixed_bfloat16"
    )
    model = model_of(layer, size=(16, 16), channels=64)
    images = random(1, 16, 16, 64)
    exact = np.asarray(
        ops.conv(images, layer.kernel, padding="same", dilation_rate=6), "float32"
    )
    with sums_of_taps(model):
        found = model(images)
    assert keras.backend.standardize_dtype(found.dtype) == "bfloat16"
    np.testing.assert_allclose(
        np.asarray(found, "float32"), exact, atol=0.01 * np.abs(exact).max()
    )


def test_layers_are_what_they_were_afterwards():
    model = kseg.build("deeplabv3", num_classes=3, input_shape=(64, 64, 3))
    outer = keras.Sequential([model])
    before = [layer.__dict__.copy() for layer in outer._flatten_layers()]
    with pytest.raises(RuntimeError, match="in between"), sums_of_taps(outer):
        changed = [x for x in model.layers if "convolution_op" in x.__dict__]
        assert {x.name for x in changed} >= {"aspp_rate6", "aspp_rate12"}
        with sums_of_taps(outer):
            pass
        assert all("convolution_op" in x.__dict__ for x in changed)
        raise RuntimeError("in between")
    assert [layer.__dict__ for layer in outer._flatten_layers()] == before


def test_threads_do_not_mind_each_other():
    model = model_of(
        layers.Conv2D(3, 3, dilation_rate=6, padding="same"), size=(16, 16)
    )
    both, errors = threading.Barrier(2), []

    def change():
        try:
            for _ in range(200):
                both.wait()
                with sums_of_taps(model):
                    pass
        except Exception as error:  # of a thread, which no test sees otherwise
            errors.append(error)

    threads = [threading.Thread(target=change) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert "convolution_op" not in model.layers[-1].__dict__
