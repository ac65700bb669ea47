"""What holds for every loss on a logit per class, on TensorFlow and on JAX."""

import functools

import by_hand
import keras
import numpy as np
import pytest
from gradients import BACKEND, MODES, compiled_gradient, slope, value_and_gradient

from kseg import losses

WEIGHTS = [0.5, 2.0, 0.25, 1.25]
LOSSES = {
    "cross_entropy": (losses.CrossEntropy, by_hand.cross_entropy, {}),
    "smooth": (losses.CrossEntropy, by_hand.cross_entropy, {"label_smoothing": 0.2}),
    "focal": (losses.FocalCrossEntropy, by_hand.focal, {}),
    "focal 0.5": (losses.FocalCrossEntropy, by_hand.focal, {"gamma": 0.5}),
    "ohem": (losses.OhemCrossEntropy, by_hand.ohem, {}),
    "ohem 9": (losses.OhemCrossEntropy, by_hand.ohem, {"thresh": 0.1, "min_kept": 9}),
    "ohem 40 %": (
        losses.OhemCrossEntropy, by_hand.ohem, {"thresh": 0.1, "min_kept": 0.4},
    ),
    "tversky": (losses.Tversky, by_hand.tversky, {"alpha": 0.2, "beta": 1.1}),
    "tversky all": (losses.Tversky, by_hand.tversky, {"classes": "all"}),
    "dice": (losses.Dice, by_hand.dice, {"smooth": 0.0}),
    "dice all": (losses.Dice, by_hand.dice, {"classes": "all", "smooth": 0.3}),
    "jaccard": (losses.Jaccard, by_hand.jaccard, {}),
    "lovasz": (losses.LovaszSoftmax, by_hand.lovasz, {}),
    "lovasz all": (losses.LovaszSoftmax, by_hand.lovasz, {"classes": "all"}),
    "boundary": (losses.BoundaryLoss, by_hand.boundary, {}),
    "boundary 2": (losses.BoundaryLoss, by_hand.boundary, {"max_distance": 2.0}),
}  # fmt: skip
every_loss = pytest.mark.parametrize("name", LOSSES)


def make(name, /, **options):
    return LOSSES[name][0](**{**LOSSES[name][2], **options})


def expected(name, labels, logits, factors=None, weights=(1, 1, 1, 1), **options):
    """Returns the loss of each image by hand, in float64."""
    function = functools.partial(LOSSES[name][1], **LOSSES[name][2], **options)
    factors = np.ones(labels.shape) if factors is None else factors
    images = zip(labels, logits, factors, strict=True)
    return np.array([function(*image, weights) for image in images])


def draw(seed=0, batch=3, size=(6, 5), void=0.2):
    """Masks of four classes, of which the last image lacks one, and logits."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, (batch, *size))
    labels[-1] = np.minimum(labels[-1], 2)
    labels[rng.random(labels.shape) < void] = 255
    logits = rng.normal(0, 2, (batch, *size, 4)).astype("float32")
    factors = rng.uniform(0, 3, labels.shape).astype("float32")
    return labels.astype("uint8"), logits, factors


@every_loss
def test_it_is_the_definition(name):
    labels, logits, factors = draw()
    each = np.asarray(make(name, reduction=None)(labels, logits))
    np.testing.assert_allclose(each, expected(name, labels, logits), rtol=2e-5)
    assert len(np.unique(each)) == 3
    loss = make(name, class_weights=WEIGHTS, reduction=None)
    by_definition = expected(name, labels, logits, factors, WEIGHTS)
    weighted = loss(labels[..., np.newaxis], logits, factors)
    np.testing.assert_allclose(weighted, by_definition, rtol=2e-5)
    whole = make(name, class_weights=WEIGHTS)(labels, logits, factors)
    np.testing.assert_allclose(whole, by_definition.mean(), rtol=2e-5)


@functools.cache
def small(name):
    """Returns arguments of a loss, and its value and slope by hand."""
    labels, logits, factors = draw(batch=2, size=(3, 3))
    logits = logits.astype("float64")

    def by_definition(x):
        return expected(name, labels, x, factors, WEIGHTS).mean()

    gradient = slope(by_definition, logits)
    assert np.abs(gradient).max() > 1e-3
    return labels, logits, factors, by_definition(logits), gradient


@every_loss
def test_the_gradient_is_that_of_the_definition(name):
    labels, logits, factors, _, by_definition = small(name)
    precise = BACKEND == "tensorflow"
    dtype = "float64" if precise else "float32"
    loss = make(name, class_weights=WEIGHTS, dtype=dtype)
    _, gradient = value_and_gradient(
        lambda x: loss(labels, x, factors), logits.astype(dtype)
    )
    # Central differences are right to about 1e-9 here.
    tolerance = 1e-7 if precise else 1e-5
    np.testing.assert_allclose(gradient, by_definition, atol=tolerance)


@pytest.mark.parametrize("mode", MODES)
@every_loss
def test_compiled_it_is_the_definition(name, mode):
    labels, logits, factors, value, by_definition = small(name)
    loss = make(name, class_weights=WEIGHTS)
    compiled = compiled_gradient(loss, mode, labels, logits, factors)
    np.testing.assert_allclose(compiled[0], value, rtol=2e-5)
    np.testing.assert_allclose(compiled[1], by_definition, atol=1e-5)


@every_loss
def test_ignored_pixels_change_nothing_and_have_no_gradient(name):
    labels, logits, _ = draw()
    labels[labels == 255] = 9
    labels[0, :2] = 77
    loss = make(name, ignore_class=[9, 77])
    value, gradient = value_and_gradient(lambda x: loss(labels, x), logits)
    by_definition = expected(name, labels, logits, ignored=(9, 77))
    np.testing.assert_allclose(value, by_definition.mean(), rtol=2e-5)
    ignored = labels > 4
    assert np.all(gradient[ignored] == 0) and np.any(gradient[~ignored] != 0)
    logits[ignored] = np.random.default_rng(0).choice([-1e4, 1e4], (ignored.sum(), 4))
    np.testing.assert_array_equal(loss(labels, logits), value)


@every_loss
def test_images_of_void_and_of_one_class_are_finite(name):
    labels, logits, _ = draw()
    labels[0] = 255
    labels[1] = 2
    logits[2] *= 1e3  # probabilities that are 0 and 1
    loss = make(name, reduction=None)
    each = np.asarray(loss(labels, logits))
    _, gradient = value_and_gradient(lambda x: keras.ops.sum(loss(labels, x)), logits)
    assert each[0] == 0 and np.all(gradient[0] == 0)
    assert np.all(np.isfinite(each)) and np.all(np.isfinite(gradient))
    by_definition = expected(name, labels[1:2], logits[1:2])
    np.testing.assert_allclose(each[1:2], by_definition, rtol=2e-5, atol=1e-7)


@every_loss
def test_the_gradient_does_not_depend_on_how_a_batch_is_split(name):
    labels, logits, factors = draw(batch=4)
    labels[0, 1:] = 255  # one half has far fewer valid pixels
    loss = make(name, class_weights=WEIGHTS)

    def gradient(part):
        return value_and_gradient(
            lambda x: loss(labels[part], x, factors[part]), logits[part]
        )

    value, whole = gradient(slice(None))
    parts = [gradient(slice(0, 2)), gradient(slice(2, 4))]
    np.testing.assert_allclose(np.mean([x for x, _ in parts]), value, rtol=1e-5)
    halves = np.concatenate([x for _, x in parts]) / 2
    np.testing.assert_allclose(halves, whole, atol=1e-7)


@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"boundary"}))
def test_half_precision_logits_give_a_finite_float32_loss(name):
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 4, (1, 32, 32))
    labels = np.kron(blocks, np.ones((1, 16, 16), int)).astype("uint8")
    logits = rng.uniform(-9, 9, (1, 512, 512, 4)).astype("float16")
    keras.config.set_dtype_policy("mixed_float16")
    try:
        loss = make(name)
        value, gradient = value_and_gradient(lambda x: loss(labels, x), logits)
    finally:
        keras.config.set_dtype_policy("float32")
    assert value.dtype == "float32" and gradient.dtype == "float16"
    assert np.isfinite(value) and np.all(np.isfinite(gradient))
    np.testing.assert_allclose(value, loss(labels, logits.astype("float32")))
    assert value > 1e-3


@every_loss
def test_a_saved_loss_is_the_same_loss(name):
    loss = make(name, ignore_class=[2, 255], class_weights=WEIGHTS, name="mine")
    restored = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(restored) is type(loss)
    assert restored.get_config() == loss.get_config()
    assert LOSSES[name][2].items() <= loss.get_config().items()
    labels, logits, _ = draw()
    np.testing.assert_array_equal(restored(labels, logits), loss(labels, logits))


@every_loss
def test_an_image_with_another_id_is_nan_and_the_others_are_not(name):
    labels, logits, _ = draw()
    labels[1, 0, 0] = 4
    each = np.asarray(make(name, reduction=None)(labels, logits))
    assert np.isnan(each).tolist() == [False, True, False]


@every_loss
def test_wrong_arguments_are_refused(name):
    labels, logits, _ = draw()
    with pytest.raises(ValueError, match="needs a logit for every class"):
        make(name)(labels, logits[..., :1])
    with pytest.raises(ValueError, match="per class, 4. Received: 3"):
        make(name, class_weights=[1, 1, 1])(labels, logits)
    with pytest.raises(ValueError, match="finite and not negative"):
        make(name, class_weights=[1.0, float("nan")])
    with pytest.raises(ValueError, match="must be an id, a list of ids, or None"):
        make(name, ignore_class=0.5)


def test_a_saved_loss_keeps_its_type():
    loss = losses.Dice(dtype="float64")
    copy = keras.losses.deserialize(keras.losses.serialize(loss))
    assert copy.dtype == "float64"


@pytest.mark.parametrize("weight", [2.0, [2.0], np.array([2.0])])
def test_a_weight_of_images_may_be_a_number(weight):
    mask = np.zeros((1, 2, 2), int)
    logits = np.zeros((1, 2, 2, 3), "float32")
    loss = losses.CrossEntropy()
    np.testing.assert_allclose(loss(mask, logits, weight), 2 * loss(mask, logits))
