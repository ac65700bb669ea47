"""Large logits that are never there as a whole: small ones, enlarged band by band.

The logits of C classes on the pixels of a large image, their softmax and the gradients
of both are C times as large as the mask. What is computed of each pixel is not; so the
rows are taken in bands, and a band is forgotten as soon as it has been computed. The
backward pass enlarges each band once more, which is the trade of Chen et al., "Training
Deep Nets with Sublinear Memory Cost", 2016. https://arxiv.org/abs/1604.06174
"""

import keras
from keras import ops

from kseg.layers.resize import resize_bilinear, source_positions

BAND_PIXELS = 2**16


class Enlarged:
    """The logits that `ResizeLike` would give, for `map_pixels` and `sum_pixels`.

    Gradients reach the small logits; the maps beside them are constants.

    Args:
        logits: Float tensor `(batch, small_height, small_width, channels)`.
        size: Height and width, integers or, on TensorFlow, int32 scalars.
        align_corners: As in `ResizeLike`.
        band_pixels: Most pixels of a band, in all images of the batch together; one
            row where that has more.
    """

    def __init__(
        self,
        logits,
        size,
        align_corners: bool = False,
        band_pixels: int = BAND_PIXELS,
    ):
        """Divides the rows into bands."""
        self.logits = logits
        self.align_corners = align_corners
        self.height, self.width = size
        batch, small_height, self.small_width, self.channels = ops.shape(logits)
        self.batch = batch
        parts = batch * self.height * self.width // band_pixels + 1
        self.rows = _ceil(self.height, parts)
        self.bands = _ceil(self.height, self.rows)
        # Those of a band lie between so many small rows at most.
        span = _ceil(self.rows * small_height, self.height) + 2
        static = isinstance(span, int) and isinstance(small_height, int)
        self._span = (min if static else ops.minimum)(span, small_height)
        position = source_positions(self.height, small_height, align_corners)
        self._low = ops.cast(ops.floor(position), "int32")
        self._high = ops.minimum(self._low + 1, small_height - 1)
        self._weight = position - ops.floor(position)
        self._last_start = small_height - self._span

    @property
    def shape(self):
        """The shape of the large logits."""
        sides = (self.height, self.width)
        known = [side if isinstance(side, int) else None for side in sides]
        return (self.logits.shape[0], *known, self.logits.shape[-1])

    @property
    def dtype(self):
        """The type of the logits."""
        return keras.backend.standardize_dtype(self.logits.dtype)

    def each_band(self, function, maps, dtype):
        """Calls a function on each band.

        Args:
            function: As in `map_pixels`.
            maps: Tensors `(batch, height, width)`; rows of the last band that lie
                past the end are 0.
            dtype: Type of what it returns.

        Returns:
            What it returns, stacked, `(bands, ...)`.
        """
        maps = [ops.stop_gradient(each) for each in maps]

        def of_band(logits, number):
            rows = number * self.rows + ops.arange(self.rows, dtype="int32")
            inside = (rows < self.height)[:, None]
            rows = ops.minimum(rows, self.height - 1)
            parts = [ops.take(each, rows, axis=1) for each in maps]
            parts = [part * ops.cast(inside, part.dtype) for part in parts]
            return function(self._enlarge(logits, rows), *parts)

        @ops.custom_gradient
        def all_bands(logits):
            def gradient(slopes):
                return _sum_of_slopes(of_band, logits, slopes, self.bands)

            stacked = _stack(lambda n: of_band(logits, n), self.bands, dtype)
            return stacked, gradient

        return all_bands(self.logits)

    def _enlarge(self, logits, rows):
        """Returns some rows of the large logits."""
        low, high = ops.take(self._low, rows), ops.take(self._high, rows)
        weight = ops.cast(ops.take(self._weight, rows), logits.dtype)
        start = ops.minimum(low[0], self._last_start)
        size = (self.batch, self._span, self.small_width, self.channels)
        few = ops.slice(logits, (0, start, 0, 0), size)
        wide = resize_bilinear(few, (self._span, self.width), self.align_corners)
        above = ops.take(wide, low - start, axis=1)
        below = ops.take(wide, high - start, axis=1)
        return above + (below - above) * weight[:, None, None]


def map_pixels(function, logits, *maps, dtype=None):
    """Computes something of each pixel.

    Args:
        function: From logits `(batch, rows, width, channels)`, and as many rows of
            the maps, to a tensor `(batch, rows, width)`; it looks at a pixel alone.
        logits: Logits `(batch, height, width, channels)`, or `Enlarged` ones.
        *maps: What else there is of each pixel, `(batch, height, width)`.
        dtype: Type of what the function returns; `None` for that of the logits.

    Returns:
        Tensor `(batch, height, width)`.
    """
    if not isinstance(logits, Enlarged):
        return function(logits, *maps)
    stacked = logits.each_band(function, maps, dtype or logits.dtype)
    rows = ops.transpose(stacked, (1, 0, 2, 3))
    rows = ops.reshape(rows, (logits.batch, -1, logits.width))
    return rows[:, : logits.height]


def sum_pixels(function, logits, *maps):
    """Sums something over the pixels.

    Args:
        function: As in `map_pixels`, but to the sum over its pixels; a pixel whose
            maps are 0 must add nothing.
        logits: Logits `(batch, height, width, channels)`, or `Enlarged` ones.
        *maps: What else there is of each pixel, `(batch, height, width)`.

    Returns:
        A tensor like those of the function, of the type of the logits.
    """
    if not isinstance(logits, Enlarged):
        return function(logits, *maps)
    return ops.sum(logits.each_band(function, maps, logits.dtype), axis=0)


def _ceil(dividend, divisor):
    """Divides whole numbers or int32 scalars, and rounds up."""
    return -(-dividend // divisor)


def _stack(function, count, dtype):
    """Stacks what a function returns for 0, 1, ..., called one after the other."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # More iterations than one at a time would keep as many bands.
        return tf.map_fn(
            function,
            tf.range(count),
            fn_output_signature=dtype,
            parallel_iterations=1,
        )
    import jax

    return jax.lax.map(function, ops.arange(count, dtype="int32"))


def _sum_of_slopes(function, x, slopes, count):
    """Returns the gradient to `x`, from those to `function(x, 0)` and so on."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        def add_slope(number, total):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = function(x, number)
            slope = tape.gradient(y, x, output_gradients=slopes[number])
            return number + 1, tf.ensure_shape(total + slope, x.shape)

        initial = 0, tf.zeros_like(x)
        return tf.while_loop(
            lambda number, _: number < count, add_slope, initial, parallel_iterations=1
        )[1]
    import jax

    def add_slope_on_jax(number, total):
        _, pull_back = jax.vjp(lambda x: function(x, number), x)
        return total + pull_back(slopes[number])[0]

    return jax.lax.fori_loop(0, count, add_slope_on_jax, ops.zeros_like(x))
