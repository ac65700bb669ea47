import keras
import numpy as np
import pytest
import tensorflow as tf

from kseg import metrics
from kseg.layers import ResizeLike


def draw(small, size, channels=5):
    rng = np.random.default_rng(1)
    masks = rng.integers(0, 5, (2, *size)).astype("uint8")
    masks[rng.random(masks.shape) < 0.2] = 255
    return masks, rng.normal(size=(2, *small, channels)).astype("float32")


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(32, 48), (129, 255), (200, 300)])
def test_every_count_is_that_of_the_enlarged_logits(size, align_corners):
    masks, logits = draw((32, 48), size)
    reference = np.zeros((*masks.shape, 1), "float32")
    expected = metrics.MeanIoU(5)
    expected.update_state(masks, ResizeLike(align_corners)(logits, reference))
    metric = metrics.Resized(metrics.MeanIoU(5), align_corners, band_pixels=2000)
    metric.update_state(masks[..., None], logits)
    matrix = metric.metric.confusion_matrix()
    np.testing.assert_array_equal(matrix, expected.confusion_matrix())
    assert float(metric.result()) == float(expected.result())


def test_it_counts_in_a_graph_of_unknown_size_and_starts_anew():
    masks, logits = draw((8, 12), (33, 47))
    metric = metrics.Resized(metrics.PixelAccuracy(5), band_pixels=500)
    metric.update_state(masks, logits, np.array([1, 0]))
    expected = metric.metric.confusion_matrix()
    assert expected.sum() == (masks[0] != 255).sum()
    metric.reset_state()
    assert metric.metric.confusion_matrix().sum() == 0
    signature = [
        tf.TensorSpec((None,) * 3, "uint8"),
        tf.TensorSpec((None,) * 4),
        tf.TensorSpec((None,), "int32"),
    ]
    tf.function(metric.update_state, input_signature=signature)(
        tf.constant(masks), tf.constant(logits), tf.constant([1, 0])
    )
    np.testing.assert_array_equal(metric.metric.confusion_matrix(), expected)


def test_one_logit_is_enlarged_too():
    masks, logits = draw((8, 12), (33, 47), channels=1)
    masks[masks < 255] %= 2
    reference = np.zeros((*masks.shape, 1), "float32")
    expected = metrics.MeanIoU(2)
    expected.update_state(masks, ResizeLike()(logits, reference))
    metric = metrics.Resized(metrics.MeanIoU(2), band_pixels=500)
    metric.update_state(masks, logits)
    np.testing.assert_array_equal(
        metric.metric.confusion_matrix(), expected.confusion_matrix()
    )


def test_a_saved_metric_is_the_same_metric():
    metric = metrics.Resized(metrics.MeanIoU(5, [3, 255]), True, 500)
    assert metric.name == "mean_iou"
    restored = keras.metrics.deserialize(keras.metrics.serialize(metric))
    assert restored.get_config() == metric.get_config()
    assert restored.metric.ignore_class == [3, 255]


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="a metric of masks"):
        metrics.Resized(keras.metrics.Accuracy())
    with pytest.raises(ValueError, match="1 or more. Received: 0"):
        metrics.Resized(metrics.MeanIoU(5), band_pixels=0)
    masks, logits = draw((8, 12), (33, 47))
    with pytest.raises(ValueError, match="one for each class"):
        metrics.Resized(metrics.MeanIoU(4)).update_state(masks, logits)
