"""What published networks do to an image first."""

from keras import layers

# Means of ImageNet in red, green and blue; the weights of Caffe subtract them.
_MEAN = (123.68, 116.779, 103.939)
# Means and standard deviations that the weights of torchvision are trained with.
_TORCH_MEAN = tuple(255 * mean for mean in (0.485, 0.456, 0.406))
_TORCH_DEVIATION = tuple(255 * deviation for deviation in (0.229, 0.224, 0.225))


def subtract_mean(image):
    """Subtracts the mean colour of ImageNet, in float32.

    Args:
        image: Tensor `(batch, height, width, 3)`, RGB in 0 to 255.

    Returns:
        Float tensor of the same shape.

    Raises:
        ValueError: If the image has not three channels.
    """
    return _rescale(image, 1.0, [-mean for mean in _MEAN])


def standardise(image):
    """Brings the colours of ImageNet to mean 0 and deviation 1, in float32.

    Args:
        image: Tensor `(batch, height, width, 3)`, RGB in 0 to 255.

    Returns:
        Float tensor of the same shape.

    Raises:
        ValueError: If the image has not three channels.
    """
    scale = [1 / deviation for deviation in _TORCH_DEVIATION]
    offset = [-mean * factor for mean, factor in zip(_TORCH_MEAN, scale, strict=True)]
    return _rescale(image, scale, offset)


def _rescale(image, scale, offset):
    if image.shape[-1] != 3:
        raise ValueError(
            "A backbone that subtracts the mean colour of ImageNet needs images of 3 "
            f"channels. Received: input_shape={tuple(image.shape[1:])}."
        )
    return layers.Rescaling(scale, offset, dtype="float32", name="normalise")(image)
