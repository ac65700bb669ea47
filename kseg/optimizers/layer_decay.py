"""Layer-wise decay of the learning rate: the closer to the image, the slower.

Howard and Ruder, "Universal Language Model Fine-tuning for Text Classification", 2018,
section 3.2; Clark et al., "ELECTRA", 2020, appendix A. https://arxiv.org/abs/2003.10555
"""

import keras


def layer_decay(model: keras.Model, decay: float) -> dict[str, float]:
    """Returns multipliers that fall with a layer's distance from the output.

    Args:
        model: A functional model.
        decay: Factor of each layer with a kernel between a layer and the output, over
            0 and at most 1; of several ways to the output the longest counts. A
            batch norm has the factor of the convolution that it follows.

    Returns:
        Names of layers that are trained to factors on the learning rate, for
        `kseg.optimizers.SGD` and `AdamW`; 1 for the last.

    Raises:
        ValueError: If `decay` is out of range.

    Example:
    >>> image = keras.Input((8, 8, 3))
    >>> x = keras.layers.Conv2D(4, 3, name="first")(image)
    >>> x = keras.layers.BatchNormalization(name="norm")(x)
    >>> logits = keras.layers.Conv2D(2, 1, name="last")(x)
    >>> layer_decay(keras.Model(image, logits), 0.5)
    {'first': 0.5, 'norm': 0.5, 'last': 1.0}
    """
    if not 0 < decay <= 1:
        raise ValueError(
            f"`layer_decay` must be over 0 and at most 1. Received: {decay!r}."
        )
    distances = {layer.name: 0 for layer in model.layers}
    for layer in reversed(model.layers):
        if isinstance(layer, keras.layers.InputLayer):
            continue
        distance = distances[layer.name] + _has_kernel(layer)
        for tensor in keras.tree.flatten(layer.input):
            before = tensor._keras_history.operation.name
            distances[before] = max(distances[before], distance)
    return {
        layer.name: decay ** distances[layer.name]
        for layer in model.layers
        if layer.trainable_variables
    }


def _has_kernel(layer: keras.Layer) -> bool:
    return any(len(variable.shape) > 1 for variable in layer.trainable_variables)
