import numpy as np
import pytest
from gradients import value_and_gradient

from kseg.losses import CrossEntropy, OhemCrossEntropy


def draw():
    rng = np.random.default_rng(0)
    labels = rng.choice([0, 1, 2, 255], (2, 8, 9))
    return labels, rng.normal(0, 3, (2, 8, 9, 3)).astype("float32")


def test_when_all_are_kept_it_is_cross_entropy():
    labels, logits = draw()
    expected = CrossEntropy()(labels, logits)
    for options in ({"thresh": 1.0}, {"min_kept": 999}):
        value = OhemCrossEntropy(**options)(labels, logits)
        np.testing.assert_allclose(value, expected, rtol=1e-6)


@pytest.mark.parametrize("min_kept", [1, 5, 0.25])
def test_as_many_pixels_as_asked_learn(min_kept):
    labels, logits = draw()
    loss = OhemCrossEntropy(thresh=1e-6, min_kept=min_kept)
    _, gradient = value_and_gradient(lambda x: loss(labels, x), logits)
    learn = (gradient != 0).any(axis=-1).sum(axis=(1, 2))
    valid = (labels != 255).sum(axis=(1, 2))
    expected = np.ceil(0.25 * valid) if min_kept == 0.25 else [min_kept, min_kept]
    np.testing.assert_array_equal(learn, expected)


def test_all_pixels_below_the_threshold_learn():
    labels, logits = draw()
    loss = OhemCrossEntropy(thresh=0.6, min_kept=1)
    _, gradient = value_and_gradient(lambda x: loss(labels, x), logits)
    exponent = np.exp(logits.astype("f8"))
    p = exponent / exponent.sum(-1, keepdims=True)
    right = np.take_along_axis(p, np.minimum(labels, 2)[..., None], -1)[..., 0]
    hard = (labels != 255) & (right < 0.6)
    assert 5 < hard.sum() < (labels != 255).sum() - 5
    np.testing.assert_array_equal((gradient != 0).any(axis=-1), hard)


def test_smoothed_labels_do_not_choose():
    labels, logits = draw()
    chosen = []
    for smoothing in (0.0, 0.5):
        loss = OhemCrossEntropy(min_kept=9, thresh=0.2, label_smoothing=smoothing)
        _, gradient = value_and_gradient(lambda x, loss=loss: loss(labels, x), logits)
        chosen.append((gradient != 0).any(axis=-1))
    np.testing.assert_array_equal(*chosen)
    assert not np.allclose(
        loss(labels, logits), OhemCrossEntropy(min_kept=9, thresh=0.2)(labels, logits)
    )


@pytest.mark.parametrize(
    "options",
    [{"thresh": 0}, {"thresh": 1.5}, {"min_kept": 0}, {"min_kept": 2.5},
     {"label_smoothing": 1.0}],
)  # fmt: skip
def test_wrong_arguments_are_refused(options):
    with pytest.raises(ValueError, match="Received: "):
        OhemCrossEntropy(**options)


def test_pixels_that_are_sure_do_not_thin_out_the_hard_ones():
    # -log p is exactly 0 at a margin of 20: those pixels tie with the last one kept.
    mask = np.zeros((1, 10, 10), int)
    logits = np.zeros((1, 10, 10, 2), "float32")
    logits[..., 0] = 20.0
    logits[0, 0, :2] = (0.0, 5.0)
    expected = 2 * np.log1p(np.exp(5.0)) / 7  # of 100 / 16 pixels, rounded up
    np.testing.assert_allclose(OhemCrossEntropy()(mask, logits), expected, rtol=1e-5)
