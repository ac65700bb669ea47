import keras
import numpy as np
import pytest
import tensorflow as tf

from kseg.layers import (
    BatchNormalization,
    conv_bn_relu,
    fixed_padding,
    separable_conv_bn_relu,
)


def model_of(block, channels=3, **options):
    image = keras.Input((None, None, channels))
    return keras.Model(image, block(image, **options))


@pytest.mark.parametrize("block", [conv_bn_relu, separable_conv_bn_relu])
@pytest.mark.parametrize("size", [(1, 1), (7, 4)])
def test_a_block_keeps_the_size_and_ends_in_relu(block, size):
    model = model_of(block, filters=8, kernel_size=3, dilation_rate=2, name="a")
    image = np.random.default_rng(0).normal(size=(2, *size, 3))
    result = keras.ops.convert_to_numpy(model(image))
    assert result.shape == (2, *size, 8)
    assert result.min() >= 0


def test_a_plain_block_has_one_convolution_without_bias():
    model = model_of(conv_bn_relu, filters=8, kernel_size=3, name="a")
    assert [layer.name for layer in model.layers[1:]] == ["a", "a_bn", "a_relu"]
    assert model.count_params() == 3 * 3 * 3 * 8 + 4 * 8


def test_a_separable_block_normalises_after_each_half():
    model = model_of(separable_conv_bn_relu, filters=8, kernel_size=3, name="a")
    names = [layer.name for layer in model.layers[1:]]
    half = ["", "_bn", "_relu"]
    assert names == [
        f"a_{kind}{x}" for kind in ("depthwise", "pointwise") for x in half
    ]
    assert model.count_params() == (9 * 3 + 4 * 3) + (3 * 8 + 4 * 8)


@pytest.mark.parametrize("block", [conv_bn_relu, separable_conv_bn_relu])
def test_the_dilation_rate_is_the_distance_between_taps(block):
    model = model_of(block, filters=4, kernel_size=3, dilation_rate=5, name="a")
    for variable in model.trainable_variables:
        if variable.name == "kernel":
            variable.assign(keras.ops.ones_like(variable))
    image = np.zeros((1, 21, 21, 3), "float32")
    image[0, 10, 10] = 1
    reached = np.argwhere(keras.ops.convert_to_numpy(model(image))[0, ..., 0] > 0)
    expected = [(10 + i, 10 + j) for i in (-5, 0, 5) for j in (-5, 0, 5)]
    assert sorted(map(tuple, reached)) == expected


@pytest.mark.parametrize("size", [8, 9])
@pytest.mark.parametrize("kernel_size", [3, 7])
def test_fixed_padding_centres_a_strided_kernel_on_every_second_pixel(
    size, kernel_size
):
    image = keras.Input((None, None, 1))
    x = fixed_padding(image, kernel_size, name="pad")
    middle = np.zeros((kernel_size, kernel_size, 1, 1))
    middle[kernel_size // 2, kernel_size // 2] = 1
    convolution = keras.layers.Conv2D(1, kernel_size, strides=2, use_bias=False)
    model = keras.Model(image, convolution(x))
    convolution.set_weights([middle])
    pixels = np.random.default_rng(0).normal(size=(1, size, size, 1)).astype("float32")
    np.testing.assert_array_equal(model(pixels), pixels[:, ::2, ::2])


def test_batch_norm_is_that_of_keras_with_a_momentum_of_0_9():
    x = np.random.default_rng(0).normal(3, 2, (4, 5, 6, 7)).astype("float32")
    ours, theirs = BatchNormalization(), keras.layers.BatchNormalization(momentum=0.9)
    for training in (True, True, False):
        np.testing.assert_allclose(
            ours(x, training=training), theirs(x, training=training), atol=1e-5
        )
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def trained(layer, x):
    """What a step of training needs of a layer, and the types of its operators."""

    @tf.function(autograph=False)
    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            result = layer(x, training=True)
            # By a weight per value: the gradient of a plain sum is 0.
            total = tf.reduce_sum(tf.cast(result, "float32") ** 3)
        return result, tape.gradient(total, [x, *layer.trainable_weights])

    layer.build(x.shape)
    layer.gamma.assign(np.linspace(0.5, 2, x.shape[-1]))
    layer.beta.assign(np.linspace(-1, 1, x.shape[-1]))
    operations = step.get_concrete_function(x).graph.get_operations()
    types = {operation.type for operation in operations}
    found = [*tf.nest.flatten(step(x)), *layer.get_weights()]
    return [np.asarray(tf.cast(value, "float32")) for value in found], types


@pytest.mark.parametrize("shape", [(1, 1, 1, 7), (4, 5, 6, 7), (2, 13, 9, 32)])
@pytest.mark.parametrize(
    ("policy", "tolerance"), [("float32", 1e-5), ("mixed_bfloat16", 1e-2)]
)
def test_one_operator_trains_batch_norm_as_keras_does(shape, policy, tolerance):
    x = tf.constant(np.random.default_rng(0).normal(3, 2, shape), "float32")
    options = {"momentum": 0.7, "epsilon": 1e-3, "dtype": policy}
    expected, many = trained(keras.layers.BatchNormalization(**options), x)
    actual, few = trained(BatchNormalization(**options), x)
    assert {"FusedBatchNormV3", "FusedBatchNormGradV3"} <= few
    assert "FusedBatchNormV3" not in many
    for ours, theirs in zip(actual, expected, strict=True):
        scale = max(np.abs(theirs).max(), 1e-3)
        np.testing.assert_allclose(ours, theirs, atol=tolerance * scale)


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({"scale": False}, (2, 4, 4, 3)),
        ({"center": False}, (2, 4, 4, 3)),
        ({"axis": 1}, (2, 4, 4, 3)),
        ({"dtype": "float64"}, (2, 4, 4, 3)),
        ({}, (5, 3)),
    ],
)
def test_what_the_operator_cannot_do_is_done_by_keras(options, shape):
    x = np.random.default_rng(0).normal(3, 2, shape)
    ours = BatchNormalization(**options)
    theirs = keras.layers.BatchNormalization(momentum=0.9, **options)
    np.testing.assert_allclose(
        ours(x, training=True), theirs(x, training=True), atol=1e-4
    )
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4)


def test_a_frozen_batch_norm_keeps_its_statistics_in_training():
    layer = BatchNormalization()
    layer.trainable = False
    x = np.random.default_rng(0).normal(3, 2, (2, 4, 4, 3)).astype("float32")
    np.testing.assert_allclose(layer(x, training=True), x, rtol=1e-3)


def test_batch_norm_is_synchronised_here_and_saved_for_every_backend():
    layer = BatchNormalization(epsilon=1e-5, momentum=0.7, name="bn")
    assert layer.synchronized == (keras.backend.backend() == "tensorflow")
    config = layer.get_config()
    assert "synchronized" not in config
    restored = BatchNormalization.from_config(config)
    assert (restored.epsilon, restored.momentum) == (1e-5, 0.7)
    assert restored.synchronized == layer.synchronized
