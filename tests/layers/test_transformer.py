import keras
import numpy as np
import pytest
import tensorflow as tf

from kseg.layers import LayerNormalization, MapAttention


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def attention(query, key, value, heads):
    """Every head and position by itself."""
    result = np.zeros_like(query)
    size = query.shape[-1] // heads
    for image, row, column in np.ndindex(query.shape[:3]):
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            keys = key[image, ..., part].reshape(-1, size)
            scores = np.exp(keys @ query[image, row, column, part] / size**0.5)
            values = value[image, ..., part].reshape(-1, size)
            result[image, row, column, part] = scores @ values / scores.sum()
    return result


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_attention_is_that_of_the_paper(heads):
    query, key, value = (
        random(2, *size, 8, seed=seed)
        for seed, size in enumerate([(3, 5), (2, 4), (2, 4)])
    )
    actual = MapAttention(heads)(query, key, value)
    expected = attention(query, key, value, heads)
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_one_key_takes_all_attention():
    query, value = random(2, 3, 5, 8), random(2, 1, 1, 8, seed=1)
    actual = MapAttention(2)(query, value, value)
    np.testing.assert_allclose(actual, np.broadcast_to(value, query.shape))


@pytest.mark.parametrize("size", [(3, 5), (4, 2), (1, 1)])
def test_maps_of_unknown_size_are_taken(size):
    query, key = keras.Input((None, None, 8)), keras.Input((None, None, 8))
    output = MapAttention(2)(query, key, key)
    assert output.shape == (None, None, None, 8)
    call = tf.function(keras.Model([query, key], output))
    arrays = random(2, *size, 8), random(2, 2, 2, 8, seed=1)
    specification = tf.TensorSpec((None, None, None, 8))
    actual = call.get_concrete_function([specification] * 2)(*map(tf.constant, arrays))
    expected = attention(arrays[0], arrays[1], arrays[1], 2)
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_attention_in_half_precision():
    """Scores of 2,048 and 2,050, whose exponentials no half could hold."""
    layer = MapAttention(1, dtype="mixed_float16")
    key = np.array([2048.0, 2050.0], "float16").reshape(1, 1, 2, 1)
    value = np.array([0.0, 1.0], "float16").reshape(1, 1, 2, 1)
    result = layer(np.ones((1, 1, 1, 1), "float16"), key, value)
    assert result.dtype == "float16"
    np.testing.assert_allclose(result, 1 / (1 + np.exp(-2.0)), rtol=1e-3)


def test_attention_is_saved_with_its_heads():
    layer = MapAttention.from_config(MapAttention(3, name="a").get_config())
    assert (layer.heads, layer.name) == (3, "a")


def test_normalisation_is_that_of_keras():
    ours, theirs = (
        kind(epsilon=0.01)
        for kind in (LayerNormalization, keras.layers.LayerNormalization)
    )
    x = random(2, 3, 4, 6) * 0.2 + 3
    for layer in (ours, theirs):
        layer.build(x.shape)
        layer.set_weights([random(6, seed=1), random(6, seed=2)])
    np.testing.assert_allclose(ours(x), theirs(x), atol=1e-5)


def test_normalisation_in_half_precision_does_not_overflow():
    x = np.array([-3e4, 0, 3e4], "float16").reshape(1, 1, 1, 3)
    result = LayerNormalization(dtype="mixed_float16")(x)
    assert result.dtype == "float16"
    np.testing.assert_allclose(
        result[0, 0, 0], np.array([-1, 0, 1]) * 1.5**0.5, rtol=1e-3
    )
