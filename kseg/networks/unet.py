"""U-Net: an encoder, a decoder, and the encoder's maps carried across.

Ronneberger et al., "U-Net: Convolutional Networks for Biomedical Image
Segmentation", MICCAI 2015, figure 1. https://arxiv.org/abs/1505.04597
`padding="valid"` is the paper's network: no padding, so the result is 184 pixels
smaller than the image, which must measure 16 m + 188. `padding="same"` is the
form in use today: padded convolutions and batch norm, any size in, the same out.
Departures of the valid form: images are scaled to -1 to 1; dropout, whose rate
the paper does not give, is 0.5.
"""

import keras
from keras import layers

from kseg import backbones
from kseg.layers import BatchNormalization, CropLike, ValidSize
from kseg.registry import check_num_classes, register


@register("unet")
def unet(
    num_classes: int = 21,
    weights: str | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    padding: str = "same",
    filters: int = 64,
    depth: int = 5,
    dropout: float = 0.5,
) -> keras.Model:
    """Builds U-Net.

    Args:
        num_classes: Number of classes: background counts, void does not.
        weights: `None`, or the path of a `.keras` checkpoint of this network;
            the head of another class count starts anew and a message says so.
        input_shape: Height, width and channels; `None` takes any size.
        padding: `"same"`, or `"valid"` for the paper's network.
        filters: Channels of the first level; they double at every level.
        depth: Number of levels.
        dropout: Rate at the end of the two deepest levels of the encoder.

    Returns:
        A `keras.Model` from images `(batch, height, width, channels)`, in the
        range 0 to 255, to float32 logits `(batch, height, width, num_classes)`;
        with `padding="valid"` these are the logits of the middle of the image,
        184 pixels less in height and width where `depth` is 5.

    Raises:
        ValueError: If `num_classes` or `depth` is below 2, `padding` is not one
            of these, or the valid form gets a size it cannot take.
    """
    check_num_classes(num_classes)
    if depth < 2:
        raise ValueError(f"`depth` must be 2 or more. Received: {depth}.")
    if padding not in ("same", "valid"):
        raise ValueError(f"`padding` must be 'same' or 'valid'. Received: {padding!r}.")
    backbones.check_weights(weights)

    image = keras.Input(input_shape, name="image")
    x = layers.Rescaling(1 / 127.5, -1.0, dtype="float32", name="normalise")(image)
    if padding == "valid":
        x = ValidSize(depth, name="valid_size")(x)

    across = []
    for level in range(1, depth + 1):
        if level > 1:
            x = layers.MaxPooling2D(2, padding=padding, name=f"pool{level - 1}")(x)
        x = _convolutions(x, filters * 2 ** (level - 1), padding, f"encoder{level}")
        if level >= depth - 1:
            x = layers.Dropout(dropout, name=f"dropout{level}")(x)
        across.append(x)

    anchor = "centre" if padding == "valid" else "start"
    for level in range(depth - 1, 0, -1):
        width = filters * 2 ** (level - 1)
        x = layers.Conv2DTranspose(
            width, 2, strides=2, kernel_initializer="he_normal", name=f"up{level}"
        )(x)
        skip = across[level - 1]
        if padding == "valid":
            skip = CropLike(anchor, name=f"crop{level}")(skip, x)
        else:
            x = CropLike(anchor, name=f"crop{level}")(x, skip)
        x = layers.Concatenate(name=f"across{level}")([skip, x])
        x = _convolutions(x, width, padding, f"decoder{level}")

    logits = layers.Conv2D(num_classes, 1, dtype="float32", name="classifier")(x)
    model = keras.Model(image, logits, name="unet")
    return backbones.load_weights(model, weights)


def _convolutions(x, filters, padding, name):
    """Two 3x3 convolutions with ReLU, and batch norm in the `same` form."""
    for number in (1, 2):
        x = layers.Conv2D(
            filters,
            3,
            padding=padding,
            use_bias=padding == "valid",
            kernel_initializer="he_normal",  # section 3
            name=f"{name}_conv{number}",
        )(x)
        if padding == "same":
            x = BatchNormalization(epsilon=1e-5, name=f"{name}_bn{number}")(x)
        x = layers.ReLU(name=f"{name}_relu{number}")(x)
    return x
