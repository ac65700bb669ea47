"""The loss and the metric by bands on JAX, in an environment without TensorFlow."""

import importlib.util
import os

import numpy as np
import pytest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is not None
    or os.environ.get("KERAS_BACKEND") != "jax",
    reason="wants KERAS_BACKEND=jax and an environment without TensorFlow",
)


def draw(small=(5, 6), size=(33, 47)):
    rng = np.random.default_rng(0)
    masks = rng.integers(0, 4, (2, *size)).astype("uint8")
    masks[rng.random(masks.shape) < 0.2] = 255
    logits = rng.normal(0, 2, (2, *small, 4)).astype("float32")
    return masks, logits, rng.uniform(0, 3, masks.shape).astype("float32")


def both_ways(loss, align_corners, band_pixels):
    """Returns the compiled value and gradient, of enlarged logits and by bands."""
    import jax

    from kseg import losses
    from kseg.layers import ResizeLike

    layer = ResizeLike(align_corners)

    def whole(masks, logits, factors):
        return loss(masks, layer(logits, masks[..., None]), factors)

    bands = losses.Resized(loss, align_corners, band_pixels)
    return [jax.jit(jax.value_and_grad(f, argnums=1)) for f in (whole, bands)]


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("name", ["smooth", "ohem", "sum"])
def test_it_is_the_loss_on_enlarged_logits(name, align_corners):
    from kseg import losses

    loss = {
        "smooth": losses.CrossEntropy(class_weights=[1, 2, 3, 4], label_smoothing=0.1),
        "ohem": losses.OhemCrossEntropy(min_kept=0.4, thresh=0.1),
        "sum": losses.WeightedSum([losses.FocalCrossEntropy(), losses.Dice()]),
    }[name]
    whole, bands = both_ways(loss, align_corners, band_pixels=300)
    for a, b in zip(bands(*draw()), whole(*draw()), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-6 * np.abs(b).max())
        assert np.abs(b).max() > 1e-3


def test_xla_sets_aside_less_than_half():
    from kseg import losses

    batch = draw((32, 64), (256, 512))
    whole, bands = (
        function.lower(*batch).compile().memory_analysis().temp_size_in_bytes
        for function in both_ways(losses.CrossEntropy(), False, 4096)
    )
    assert bands < 0.5 * whole


def test_the_metric_counts_what_it_does_of_enlarged_logits():
    from kseg import metrics
    from kseg.layers import ResizeLike

    masks, logits, _ = draw()
    expected = metrics.MeanIoU(4)
    expected.update_state(masks, ResizeLike()(logits, masks[..., None]))
    metric = metrics.Resized(metrics.MeanIoU(4), band_pixels=300)
    metric.update_state(masks, logits)
    np.testing.assert_array_equal(
        metric.metric.confusion_matrix(), expected.confusion_matrix()
    )
