"""What the networks of Caffe do to an image first."""

from keras import layers

# Means of ImageNet in red, green and blue; the published weights subtract them.
_MEAN = (123.68, 116.779, 103.939)


def subtract_mean(image):
    """Subtracts the mean colour of ImageNet, in float32.

    Args:
        image: Tensor `(batch, height, width, 3)`, RGB in 0 to 255.

    Returns:
        Float tensor of the same shape.

    Raises:
        ValueError: If the image has not three channels.
    """
    if image.shape[-1] != 3:
        raise ValueError(
            "A backbone that subtracts the mean colour of ImageNet needs images of 3 "
            f"channels. Received: input_shape={tuple(image.shape[1:])}."
        )
    offset = [-mean for mean in _MEAN]
    return layers.Rescaling(1.0, offset, dtype="float32", name="normalise")(image)
