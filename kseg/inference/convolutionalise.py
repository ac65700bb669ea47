"""A classifier as a fully convolutional network: the scores of all windows at once.

Sermanet et al., "OverFeat", ICLR 2014, section 3.5; Long, Shelhamer and Darrell, "Fully
Convolutional Networks for Semantic Segmentation", CVPR 2015, section 3.1.
https://arxiv.org/abs/1411.4038. A dense layer on the flattened feature map of a window
is a convolution whose kernel is as large as that map; pooling over all of the map is
pooling over that size, at every place; the dense layers behind are 1x1 convolutions.

Row r, column c of the result is the window whose top left pixel is at (r s, c s), where
s, the stride of the network, is the product of the strides in it.

- With `valid` convolutions and pooling the scores are the windows', up to rounding.
- With `same` padding a window alone has zeros around it where the image goes on. The
  scores are the windows' only for a window that is the image, and the deeper the
  network and the smaller the window, the further they are apart. Measured on a CamVid
  photo with ImageNet weights and a dense layer drawn at random, for windows of 64, 128
  and 224: the root mean square difference, in standard deviations of the scores, is
  1.33, 0.69 and 0.36 for MobileNetV2 (same class: 15, 44, 80 %) and 0.73, 0.43 and 0.28
  for VGG16 (68, 73, 100 %). Train such a network on, and with, whole images.
- Normalisation over space and pooling over all of the map ahead of the head (squeeze
  and excitation) see the image in place of the window; the latter is refused.
"""

import keras
import numpy as np
from keras import layers

_POOLING = {
    layers.GlobalAveragePooling2D: layers.AveragePooling2D,
    layers.GlobalMaxPooling2D: layers.MaxPooling2D,
}
# A common multiple of the strides that networks have.
_FAR = 20160


def convolutionalise(model: keras.Model, window: int | None = None) -> keras.Model:
    """Rebuilds a classifier so that it takes images and scores each window of them.

    Args:
        model: A functional or sequential classifier of one image that has one
            `Flatten`, `GlobalAveragePooling2D` or `GlobalMaxPooling2D`, and behind it
            dense layers and layers without a notion of place. Models nested in it are
            fine ahead of that layer.
        window: Height and width of the windows in pixels; `None` for the size that the
            model is built for.

    Returns:
        A model of its own weights, copied, from float32 images
        `(batch, height, width, channels)`, each side `window` or more, to scores
        `(batch, rows, columns, num_classes)`.

    Raises:
        ValueError: If the model is another, or on a window the result does not give
            what the classifier gives.

    Example:
    >>> image = keras.Input((8, 8, 3))
    >>> x = layers.Conv2D(4, 3, strides=2)(image)
    >>> model = keras.Model(image, layers.Dense(2)(layers.Flatten()(x)))
    >>> convolutionalise(model).compute_output_shape((1, 20, 24, 3))
    (1, 7, 9, 2)
    """
    anchor = _anchor(model)
    sides = (window, window) if window else model.input_shape[1:3]
    if None in sides:
        raise ValueError(
            "`window` must be given for a model of any size. Received: window=None "
            f"and a model of input {model.input_shape}."
        )
    shape = (1, *sides, model.input_shape[-1])
    trunk = keras.Model(model.inputs, anchor.input)
    feature_map = trunk.compute_output_shape(shape)[1:3]
    kernel = (1, 1)  # of the next dense layer

    def convolutional(layer):
        nonlocal kernel
        if layer is anchor and isinstance(layer, layers.Flatten):
            kernel = feature_map
            return layers.Identity(name=layer.name)
        if layer is anchor:
            pooling, policy = _POOLING[type(layer)], layer.dtype_policy
            return pooling(feature_map, strides=1, name=layer.name, dtype=policy)
        if isinstance(layer, layers.Dense):
            size, kernel = kernel, (1, 1)
            return _convolution(layer, size)
        return _reopened(layer)

    try:
        result = _clone(model, convolutional, f"{model.name}_convolutional")
        _copy_weights(model, result)
        right = _agree(model, result, shape)
    except ValueError as error:
        raise ValueError(_refusal(anchor, str(error))) from error
    if not right:
        raise ValueError(_refusal(anchor, "other scores of a window"))
    return result


def network_stride(model: keras.Model, window: int) -> int:
    """Returns the pixels from one window of a convolutional classifier to the next.

    Args:
        model: From `convolutionalise`.
        window: Height and width in pixels that it was made for.

    Raises:
        ValueError: If the strides of the network multiply to none of the usual ones.
    """
    side = window + _FAR
    rows = model.compute_output_shape((1, side, side, model.input_shape[-1]))[1]
    if _FAR % (rows - 1):
        raise ValueError(
            f"The stride of a network must divide {_FAR}. Received: {rows} rows on "
            f"{side} pixels."
        )
    return _FAR // (rows - 1)


def _anchor(model: keras.Model) -> keras.layers.Layer:
    """Returns the layer that ends the feature maps."""
    kinds = (layers.Flatten, *_POOLING)
    ends = [layer for layer in _all_layers(model) if isinstance(layer, kinds)]
    plain = len(model.inputs or ()) == len(model.outputs or ()) == 1
    if not plain or len(ends) != 1 or ends[0] not in model.layers:
        raise ValueError(
            "`model` must be a functional or built sequential classifier of one image "
            "with one Flatten, GlobalAveragePooling2D or GlobalMaxPooling2D, and none "
            f"inside a nested model. Received: {model.name!r} with {len(ends)}, such "
            f"as {[layer.name for layer in ends][:3]}. A nested backbone goes without "
            "its top (`include_top=False`); squeeze-and-excitation pools inside."
        )
    return ends[0]


def _all_layers(model: keras.Model) -> list[keras.layers.Layer]:
    found = []
    for layer in model.layers:
        found += _all_layers(layer) if isinstance(layer, keras.Model) else [layer]
    return found


def _clone(model: keras.Model, clone_function, name: str) -> keras.Model:
    """Rebuilds a model for images of any size."""
    image = model.inputs[0]
    copy = keras.models.clone_model(
        keras.Model(model.inputs, model.outputs, name=name),
        input_tensors=[keras.Input((None, None, image.shape[-1]), dtype=image.dtype)],
        clone_function=clone_function,
    )
    return keras.Model(copy.inputs[0], copy.outputs[0], name=name)


def _reopened(layer: keras.layers.Layer) -> keras.layers.Layer:
    """Copies a layer, or a nested model for any size, without weights."""
    if isinstance(layer, keras.Model):
        return _clone(layer, _reopened, layer.name)
    return layer.__class__.from_config(layer.get_config())


def _convolution(dense: keras.layers.Dense, size: tuple[int, int]):
    """Returns the convolution of a size that does what a dense layer does."""
    return layers.Conv2D(
        dense.units,
        size,
        activation=dense.activation,
        use_bias=dense.use_bias,
        name=dense.name,
        dtype=dense.dtype_policy,
    )


def _copy_weights(model: keras.Model, result: keras.Model) -> None:
    """Copies all weights; dense kernels are in the order of convolutions already."""
    targets = result.weights
    values = [
        value.reshape(target.shape)
        for value, target in zip(model.get_weights(), targets, strict=True)
    ]
    result.set_weights(values)


def _agree(model: keras.Model, result: keras.Model, shape) -> bool:
    """Tells whether both give the same scores for a window of noise."""
    noise = np.random.default_rng(0).uniform(-1, 1, shape).astype("float32")
    scores, found = (
        keras.ops.convert_to_numpy(network(noise, training=False)).astype("float64")
        for network in (model, result)
    )
    if found.shape != (1, 1, 1, *scores.shape[1:]):
        return False
    # Half precision has three digits; a softmax of noise may hardly differ at all.
    scale = max(scores.std(), 1e-4 * np.abs(scores).max())
    return bool(np.abs(found - scores).max() <= 0.02 * scale)


def _refusal(anchor: keras.layers.Layer, received: str) -> str:
    return (
        f"Behind {anchor.name!r} there must be dense layers and layers without a "
        "notion of place, one after the other, such as dropout and activations. "
        f"Received: {received}"
    )
