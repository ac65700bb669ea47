"""Bands against the loss on logits that are enlarged as a whole."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from gradients import MODES, compiled_gradient, value_and_gradient

from kseg import losses
from kseg.layers import ResizeLike

WEIGHTS = [0.5, 2.0, 0.25, 1.25]
LOSSES = {
    "cross_entropy": losses.CrossEntropy(
        class_weights=WEIGHTS, label_smoothing=0.1, ignore_class=[0, 255]
    ),
    "focal": losses.FocalCrossEntropy(),
    "ohem": losses.OhemCrossEntropy(min_kept=0.4, thresh=0.1, label_smoothing=0.1),
    "tversky": losses.Tversky(class_weights=WEIGHTS),
    "dice": losses.Dice(classes="all"),
    "sum": losses.WeightedSum([losses.CrossEntropy(), losses.Jaccard()], [1, 0.5]),
}
SIZES = [
    ((8, 12), (32, 48)),
    ((5, 6), (33, 47)),
    ((1, 2), (1, 7)),
    ((10, 9), (6, 5)),
    ((6, 7), (6, 7)),
]


def draw(small, size, channels=4):
    rng = np.random.default_rng(0)
    masks = rng.integers(0, channels, (2, *size)).astype("uint8")
    masks[rng.random(masks.shape) < 0.2] = 255
    logits = rng.normal(0, 2, (2, *small, channels)).astype("float32")
    return masks, logits, rng.uniform(0, 3, masks.shape).astype("float32")


def whole(loss, masks, logits, factors, align_corners=False):
    reference = np.zeros((*masks.shape, 1), "float32")
    return value_and_gradient(
        lambda x: loss(masks, ResizeLike(align_corners)(x, reference), factors), logits
    )


def assert_same(actual, expected, tolerance=1e-6):
    for a, b in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * np.abs(b).max())


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(("small", "size"), SIZES)
@pytest.mark.parametrize("name", LOSSES)
def test_it_is_the_loss_on_enlarged_logits(name, small, size, align_corners):
    masks, logits, factors = draw(small, size)
    expected = whole(LOSSES[name], masks, logits, factors, align_corners)
    assert np.abs(expected[1]).max() > 1e-5
    loss = losses.Resized(LOSSES[name], align_corners, band_pixels=300)
    actual = value_and_gradient(lambda x: loss(masks, x, factors), logits)
    assert_same(actual, expected)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["ohem", "sum"])
def test_compiled_it_is_too(name, mode):
    masks, logits, factors = draw((5, 6), (33, 47))
    loss = losses.Resized(LOSSES[name], band_pixels=300)
    expected = whole(LOSSES[name], masks, logits, factors)
    actual = compiled_gradient(loss, mode, masks, logits, factors)
    assert_same(actual, expected)


def test_one_logit_is_enlarged_too():
    masks, logits, factors = draw((5, 6), (17, 19), channels=2)
    loss, logits = losses.ClassBalancedCrossEntropy(), logits[..., :1]
    resized = losses.Resized(loss, band_pixels=100)
    actual = value_and_gradient(lambda x: resized(masks, x, factors), logits)
    assert_same(actual, whole(loss, masks, logits, factors))


def test_weights_of_images_and_a_channel_of_the_masks():
    masks, logits, _ = draw((5, 6), (17, 19))
    loss = losses.CrossEntropy(reduction=None)
    resized = losses.Resized(loss, band_pixels=100, reduction=None)
    reference = np.zeros((*masks.shape, 1), "float32")
    expected = loss(masks, ResizeLike()(logits, reference), np.array([2.0, 0.5]))
    actual = resized(masks[..., None], logits, np.array([2.0, 0.5]))
    np.testing.assert_allclose(actual, expected, rtol=1e-6)
    masks[1, 3, 3] = 4
    assert np.isnan(resized(masks, logits)).tolist() == [False, True]


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_logits_give_a_float32_loss(policy):
    masks, logits, factors = draw((8, 12), (32, 48))
    loss = losses.Resized(LOSSES["cross_entropy"], band_pixels=300)
    half = tf.cast(logits, policy.removeprefix("mixed_"))
    rounded = tf.cast(half, "float32").numpy()
    expected = whole(LOSSES["cross_entropy"], masks, rounded, factors)
    keras.config.set_dtype_policy(policy)
    try:
        actual = value_and_gradient(lambda x: loss(masks, x, factors), half)
    finally:
        keras.config.set_dtype_policy("float32")
    assert actual[0].dtype == "float32"
    np.testing.assert_allclose(actual[0], expected[0], rtol=1e-6)
    gradient = actual[1].astype("float32")
    np.testing.assert_allclose(gradient, expected[1], rtol=1e-2, atol=1e-6)


def test_a_replica_of_a_strategy_computes_it():
    masks, logits, factors = draw((5, 6), (33, 47))
    loss = losses.Resized(LOSSES["cross_entropy"], band_pixels=300)
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    with strategy.scope():
        variable = tf.Variable(logits)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            value = loss(masks, variable, factors)
        return value, tape.gradient(value, variable)

    expected = whole(LOSSES["cross_entropy"], masks, logits, factors)
    assert_same(strategy.run(step), expected)


def test_no_tensor_is_as_large_as_the_enlarged_logits():
    masks, logits, factors = draw((8, 16), (64, 128))
    loss = losses.Resized(losses.CrossEntropy(), band_pixels=1024)

    @tf.function(autograph=False)
    def function(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = loss(masks, x, factors)
        return tape.gradient(value, x)

    graph = function.get_concrete_function(tf.constant(logits)).graph
    definition = graph.as_graph_def(add_shapes=True)
    nodes = list(definition.node)
    for inner in definition.library.function:
        nodes += inner.node_def
    sizes = []
    for node in nodes:
        for shape in node.attr["_output_shapes"].list.shape:
            sides = [dimension.size for dimension in shape.dim]
            sizes.append(np.prod(sides) if min(sides, default=0) > 0 else 0)
    assert masks.size <= max(sizes) < 2 * masks.size  # of the 4 times as many logits


def test_a_saved_loss_is_the_same_loss():
    loss = losses.Resized(LOSSES["sum"], True, 77, name="mine")
    restored = keras.losses.deserialize(keras.losses.serialize(loss))
    assert restored.get_config() == loss.get_config()
    masks, logits, factors = draw((5, 6), (33, 47))
    np.testing.assert_array_equal(
        restored(masks, logits, factors), loss(masks, logits, factors)
    )


@pytest.mark.parametrize(
    "loss",
    [
        losses.LovaszSoftmax(),
        losses.BoundaryLoss(),
        losses.WeightedSum([losses.CrossEntropy(), losses.LovaszSoftmax()]),
        keras.losses.CategoricalCrossentropy(),
    ],
)
def test_losses_of_the_whole_map_are_refused(loss):
    with pytest.raises(ValueError, match="of the whole map at once. Received: <"):
        losses.Resized(loss)


def test_a_band_has_a_pixel():
    with pytest.raises(ValueError, match="1 or more. Received: 0"):
        losses.Resized(losses.CrossEntropy(), band_pixels=0)
