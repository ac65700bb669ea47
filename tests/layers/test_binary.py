import numpy as np

from kseg.layers import class_logits


def test_one_logit_becomes_those_of_background_and_object():
    logits = np.array([[[[-3.0], [0.0], [2.0]]]], "float32")
    two = np.array(class_logits(logits))
    exponentials = np.exp(two)
    probabilities = exponentials / exponentials.sum(-1, keepdims=True)
    np.testing.assert_allclose(
        probabilities[..., 1], 1 / (1 + np.exp(-logits[..., 0])), rtol=1e-6
    )
    np.testing.assert_array_equal(two.argmax(-1), [[[0, 0, 1]]])


def test_several_logits_stay():
    logits = np.random.default_rng(0).normal(size=(1, 2, 3, 4)).astype("float32")
    np.testing.assert_array_equal(class_logits(logits), logits)
