"""The patch classifier: an image classifier slid over the image.

Ciresan et al., "Deep Neural Networks Segment Neuronal Membranes in Electron Microscopy
Images", NIPS 2012: the class of a pixel is what a classifier says of the window around
it. Any Keras classifier will do; the convolutions of overlapping windows are computed
again and again. `kseg.inference.convolutionalise` turns a classifier into a network
that computes them once (Sermanet et al., "OverFeat", ICLR 2014; Long et al., "FCN",
CVPR 2015, section 3.1).

The middle of a window of side w is at row and column `w // 2`, as in
`kseg.data.patches`.
"""

from collections.abc import Callable

import keras
import numpy as np
import tqdm

Preprocess = Callable[[np.ndarray], np.ndarray]


def slide_classifier(
    model: keras.Model,
    image: np.ndarray,
    window: int,
    stride: int,
    preprocess: Preprocess | None = None,
    mirror: bool = True,
    batch_size: int = 64,
) -> np.ndarray:
    """Classifies windows of an image, one by one.

    Args:
        model: From float32 windows `(batch, window, window, channels)` to scores
            `(batch, num_classes)`.
        image: Array `(height, width, channels)`, raw values.
        window: Height and width of a window in pixels.
        stride: Pixels from one window to the next, down and across.
        preprocess: Applied to float32 batches of raw windows, such as
            `keras.applications.vgg16.preprocess_input`; `None` for a model that does
            it itself.
        mirror: Whether the borders are mirrored, so that the first window has its
            middle at the first pixel; otherwise windows stay inside the image, which
            ends where no whole window fits.
        batch_size: Windows in memory at a time.

    Returns:
        float32 scores `(rows, columns, num_classes)`: `ceil(side / stride)` rows and
        columns with `mirror`, else `(side - window) // stride + 1`.

    Raises:
        ValueError: If the image, `window` or `stride` is not as above.
    """
    image = _framed(image, window, mirror)
    if stride < 1 or batch_size < 1:
        raise ValueError(
            "`stride` and `batch_size` must be 1 or more. Received: "
            f"{stride} and {batch_size}."
        )
    views = np.lib.stride_tricks.sliding_window_view(image, (window, window), (0, 1))
    views = np.moveaxis(views[::stride, ::stride], 2, -1)
    rows, columns = views.shape[:2]
    starts = range(0, rows * columns, batch_size)
    scores = []
    for start in tqdm.tqdm(starts, desc="windows", unit="batch", leave=False):
        places = np.arange(start, min(start + batch_size, rows * columns))
        scores.append(_run(model, views[divmod(places, columns)], preprocess))
    return np.concatenate(scores).reshape(rows, columns, -1)


def slide_convolutional(
    model: keras.Model,
    image: np.ndarray,
    window: int,
    preprocess: Preprocess | None = None,
    mirror: bool = True,
) -> np.ndarray:
    """Classifies all windows of an image at once.

    Args:
        model: From `kseg.inference.convolutionalise`.
        image: As in `slide_classifier`.
        window: Height and width in pixels of the windows of the classifier that the
            model was made from.
        preprocess: As in `slide_classifier`; the batch is the whole image.
        mirror: As in `slide_classifier`.

    Returns:
        float32 scores `(rows, columns, num_classes)` as of `slide_classifier` with
        the stride of the network.

    Raises:
        ValueError: If the image or `window` is not as in `slide_classifier`.
    """
    image = _framed(image, window, mirror)
    return _run(model, image[np.newaxis], preprocess)[0]


def windows_to_map(
    scores: np.ndarray,
    size: tuple[int, int],
    window: int,
    stride: int,
    mirror: bool = True,
    method: str = "bilinear",
) -> np.ndarray:
    """Spreads the scores of windows over the pixels of the image.

    Each score is at the middle of its window. Beyond the outer middles the outermost
    score holds on. `argmax(axis=-1)` of the result are class ids.

    Args:
        scores: Floats `(rows, columns, num_classes)`.
        size: Height and width of the image in pixels.
        window: As `scores` was made with.
        stride: As `scores` was made with; of the network for `slide_convolutional`.
        mirror: As `scores` was made with.
        method: `"bilinear"`, or `"nearest"`: the score of the nearest middle, of two
            at even distance the upper or left one.

    Returns:
        float32 `(height, width, num_classes)`.

    Raises:
        ValueError: If `method` is unknown, or `window` or `stride` below 1.

    Example:
    >>> scores = np.array([[[0.0], [4.0]]])
    >>> windows_to_map(scores, (1, 5), window=3, stride=4)[..., 0]
    array([[0., 1., 2., 3., 4.]], dtype=float32)
    """
    if method not in ("bilinear", "nearest"):
        raise ValueError(
            f"`method` must be 'bilinear' or 'nearest'. Received: {method!r}."
        )
    if window < 1 or stride < 1:
        raise ValueError(
            f"`window` and `stride` must be 1 or more. Received: {window} and {stride}."
        )
    first = 0 if mirror else window // 2
    result = np.asarray(scores, np.float32)
    for axis in (0, 1):
        last = result.shape[axis] - 1
        place = np.clip((np.arange(size[axis]) - first) / stride, 0, last)
        if method == "nearest":
            result = result.take(np.ceil(place - 0.5).astype(int), axis)
            continue
        before = np.floor(place).astype(int)
        after = np.minimum(before + 1, last)
        share = np.expand_dims((place - before).astype(np.float32), (1 - axis, 2))
        result = (1 - share) * result.take(before, axis) + share * result.take(
            after, axis
        )
    return result


def _framed(image: np.ndarray, window: int, mirror: bool) -> np.ndarray:
    """Returns the image, its borders mirrored where asked for."""
    if image.ndim != 3 or 0 in image.shape or window < 1:
        raise ValueError(
            "`image` must be an array (height, width, channels) and `window` 1 or "
            f"more. Received: shape {image.shape} and {window}."
        )
    if mirror:
        edge = (window // 2, window - 1 - window // 2)
        return np.pad(image, (edge, edge, (0, 0)), mode="reflect")
    if min(image.shape[:2]) < window:
        raise ValueError(
            f"An image must hold a window of {window}. Received: shape {image.shape}. "
            "`mirror=True` takes images of any size."
        )
    return image


def _run(model, batch: np.ndarray, preprocess: Preprocess | None) -> np.ndarray:
    """Runs the model on raw values."""
    batch = batch.astype("float32")
    if preprocess is not None:
        batch = preprocess(batch)
    return np.asarray(model.predict_on_batch(batch), "float32")
