import keras
import numpy as np
import pytest

from kseg.layers import ValidSize


def size_after(size, depth):
    """Walks a U-Net of `valid` convolutions; `None` where its halves do not fit."""
    for _ in range(depth - 1):
        size -= 4
        if size < 2 or size % 2:
            return None
        size //= 2
    size -= 4
    for _ in range(depth - 1):
        size = 2 * size - 4
    return size if size > 0 else None


@pytest.mark.parametrize("depth", [2, 3, 4, 5, 6])
def test_it_takes_exactly_the_sizes_that_fit(depth):
    layer = ValidSize(depth)
    for size in range(1, 700):
        image = np.zeros((1, size, layer.smallest, 1), "float32")
        if size_after(size, depth) is None:
            with pytest.raises(ValueError, match="Received: "):
                layer(image)
        else:
            assert layer(image).shape == image.shape
            assert size_after(size, depth) == size - 2 * layer.border


def test_the_paper_has_184_pixels_less():
    layer = ValidSize(5)
    assert (layer.smallest, layer.step, layer.border) == (188, 16, 92)
    assert size_after(572, 5) == 388


@pytest.mark.parametrize("depth", [2, 5])
@pytest.mark.parametrize("size", [1, 3, 4, 5, 20, 21, 388, 389])
def test_padded_is_the_least_size_that_gives_the_pixels(size, depth):
    layer = ValidSize(depth)
    padded = layer.padded(size)
    assert padded - 2 * layer.border >= size
    layer(np.zeros((1, padded, padded, 1), "float32"))
    smaller = padded - layer.step
    assert smaller < layer.smallest or smaller - 2 * layer.border < size


def test_the_message_names_the_nearest_sizes():
    with pytest.raises(ValueError) as error:
        ValidSize(5)(np.zeros((1, 572, 600, 3), "float32"))
    assert "Received: (572, 600)" in str(error.value)
    assert "fit 600 are 588 and 604" in str(error.value)
    assert "188 + 16 m" in str(error.value)
    assert "padding='same'" in str(error.value)


def test_a_fixed_input_is_checked_when_the_network_is_built():
    ValidSize(5)(keras.Input((None, None, 3)))
    ValidSize(5)(keras.Input((572, None, 3)))
    with pytest.raises(ValueError, match="fit 570 are 556 and 572"):
        ValidSize(5)(keras.Input((570, None, 3)))


def test_a_size_that_is_a_symbol_is_not_checked():
    class Symbol:
        """An unknown size in a graph of JAX, which refuses to be compared."""

    ValidSize(5).build((None, Symbol(), 572, 3))
    with pytest.raises(ValueError, match="fit 570 are 556 and 572"):
        ValidSize(5).build((None, Symbol(), 570, 3))


def test_a_saved_layer_is_the_same_layer():
    restored = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(ValidSize(4, name="valid_size"))
    )
    assert (restored.depth, restored.name) == (4, "valid_size")
