import math

import keras
import numpy as np
import pytest

from kseg.backbones.ceil_pooling import ceil_max_pooling


@pytest.mark.parametrize("size", [(2, 2), (3, 4), (8, 7), (11, 16)])
def test_windows_start_at_even_pixels_and_hang_over_the_end_as_in_caffe(size):
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 1, (2, *size, 3)).astype("float32")
    inputs = keras.Input((None, None, 3))
    pool = keras.Model(inputs, ceil_max_pooling(inputs, name="pool"))
    rows, columns = (math.ceil((side - 3) / 2) + 1 for side in size)
    expected = [
        [x[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3].max((1, 2)) for j in range(columns)]
        for i in range(rows)
    ]
    np.testing.assert_array_equal(pool(x), np.moveaxis(np.array(expected), 2, 0))
