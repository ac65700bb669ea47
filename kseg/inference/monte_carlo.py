"""How sure a network is: many predictions of one image, each with other dropout.

Kendall, Badrinarayanan and Cipolla, "Bayesian SegNet: Model Uncertainty in Deep
Convolutional Encoder-Decoder Architectures for Scene Understanding", BMVC 2017,
section 3. https://arxiv.org/abs/1511.02680
"""

import keras
import numpy as np

from kseg.inference.predict import predict_probabilities


def predict_monte_carlo(
    model: keras.Model, image: np.ndarray, samples: int = 50
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the mean and the variance of the probabilities under dropout.

    Dropout stays as it is in training, and all else as in inference: batch norm
    uses its moving statistics.

    Args:
        model: A network of kseg with dropout layers.
        image: uint8 array `(height, width, 3)`, RGB.
        samples: How many predictions, 2 or more; the paper finds about 50 enough.

    Returns:
        Two float32 arrays `(height, width, num_classes)`: the mean probabilities,
        which sum to 1, and their variance over the samples, in 0 to 0.25. The
        variance's mean over the classes is the paper's uncertainty of a pixel.

    Raises:
        ValueError: If `samples` is below 2, `image` is not such an array, or the
            model has no dropout layer.

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
    dropping = _always_dropping(model)
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
    dropouts = [x for x in model.layers if isinstance(x, keras.layers.Dropout)]
    if not any(layer.rate > 0 for layer in dropouts):
        raise ValueError(
            "Monte Carlo prediction needs a model with dropout layers. Received: "
            f"{model.name!r} without. Build it with dropout=0.5, say, and train it."
        )

    def active(layer):
        return _Active(layer, name=layer.name) if layer in dropouts else layer

    return keras.models.clone_model(model, clone_function=active)


class _Active(keras.layers.Wrapper):
    """Calls a layer as in training."""

    def call(self, x):
        """Calls the layer."""
        return self.layer(x, training=True)

    def compute_output_shape(self, shape):
        """Returns `shape`, which dropout keeps."""
        return shape
