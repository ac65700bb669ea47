"""How sure a network is: many predictions of one image, each with other dropout.

Kendall, Badrinarayanan and Cipolla, "Bayesian SegNet: Model Uncertainty in Deep
Convolutional Encoder-Decoder Architectures for Scene Understanding", BMVC 2017,
section 3. https://arxiv.org/abs/1511.02680
"""

import random
import weakref

import keras
import numpy as np
from keras import layers

from kseg.inference.predict import predict_probabilities

# Spatial dropout is a kind of `Dropout`.
_DROPOUTS = (layers.Dropout, layers.GaussianDropout, layers.AlphaDropout)
# For each model its copy that drops, so that a second image compiles nothing.
_COPIES: weakref.WeakKeyDictionary[keras.Model, keras.Model] = (
    weakref.WeakKeyDictionary()
)


def predict_monte_carlo(
    model: keras.Model,
    image: np.ndarray,
    samples: int = 50,
    seed: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the mean and the variance of the probabilities under dropout.

    Dropout stays as it is in training, and all else as in inference: batch norm
    uses its moving statistics. The model itself stays as it is; what it drops is
    drawn by a copy, made for its first image, that has the layers of the model.

    Args:
        model: A network of kseg with dropout layers.
        image: uint8 array `(height, width, 3)`, RGB.
        samples: How many predictions, 2 or more; the paper finds about 50 enough.
        seed: What dropout is drawn from; `None` for another in each call, which
            `keras.utils.set_random_seed` makes the same again.

    Returns:
        Two float32 arrays `(height, width, num_classes)`: the mean probabilities,
        which sum to 1, and their variance over the samples, in 0 to 0.25. The
        variance's mean over the classes is the paper's uncertainty of a pixel.

    Raises:
        ValueError: If `samples` is below 2, `image` is not such an array, or the
            model has no dropout layer, or one inside of a layer that is no model.

    Example:
    >>> import kseg, numpy as np
    >>> model = kseg.build("unet", num_classes=2, filters=4)
    >>> image = np.zeros((16, 16, 3), "uint8")
    >>> mean, variance = predict_monte_carlo(model, image, samples=2)
    >>> mean.shape, variance.shape
    ((16, 16, 2), (16, 16, 2))
    """
    if samples < 2:
        raise ValueError(f"`samples` must be 2 or more. Received: {samples}.")
    if model not in _COPIES:
        _COPIES[model] = _always_dropping(model)
    dropping = _COPIES[model]
    _seed(dropping, random.getrandbits(31) if seed is None else seed)
    mean, squares = 0.0, 0.0
    for number in range(1, samples + 1):
        probabilities = predict_probabilities(dropping, image)
        # Welford's update: a difference of large sums would lose the variance.
        difference = probabilities - mean
        mean = mean + difference / number
        squares = squares + difference * (probabilities - mean)
    return np.asarray(mean, np.float32), np.asarray(squares / samples, np.float32)


def _always_dropping(model: keras.Model) -> keras.Model:
    """Returns the model with its own layers, but dropout active in inference too."""
    if not _dropouts(model):
        raise ValueError(
            "Monte Carlo prediction needs a model with dropout layers. Received: "
            f"{model.name!r} without. Build it with dropout=0.5, say, and train it."
        )
    active = []

    def activate(layer):
        if not _drops(layer):
            return layer
        # A layer of its own: one of the model's would move on its random state.
        active.append(type(layer).from_config(layer.get_config()))
        return _Active(active[-1], name=layer.name)

    copy = keras.models.clone_model(model, clone_function=activate, recursive=True)
    idle = [x.name for x in _dropouts(copy) if not any(x is a for a in active)]
    if idle:
        raise ValueError(
            "Dropout must be a layer of the model, or of a functional or sequential "
            f"model in it. Received: {model.name!r} with {idle} inside of other layers."
        )
    return copy


def _seed(dropping: keras.Model, seed: int) -> None:
    """Sets the random states of all dropout."""
    rng = np.random.default_rng(seed)
    for layer in _dropouts(dropping):
        layer.seed_generator.state.assign([int(rng.integers(2**31)), 0])


def _dropouts(model: keras.Model) -> list:
    """Returns all layers that drop, however deep."""
    return [layer for layer in model._flatten_layers() if _drops(layer)]


def _drops(layer) -> bool:
    return isinstance(layer, _DROPOUTS) and layer.rate > 0


class _Active(keras.layers.Wrapper):
    """Calls a layer as in training."""

    def call(self, x):
        """Calls the layer."""
        return self.layer(x, training=True)

    def compute_output_shape(self, shape):
        """Returns `shape`, which dropout keeps."""
        return shape
