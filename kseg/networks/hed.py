"""HED: edges from five depths of VGG16, each supervised, and their fusion.

Xie and Tu, "Holistically-Nested Edge Detection", ICCV 2015, figure 3 and section 3.
https://arxiv.org/abs/1504.06375 Facts that the paper leaves open are those of the
authors' Caffe network, `examples/hed/train_val.prototxt` of s9xie/hed.
`padding="caffe"` is that network: 35 zeros around the image, so that the deepest map
covers its borders well, and crops that undo them. `padding="same"` has the usual one
pixel, and repeats the pixels at the border of a map that it enlarges: it costs less
and knows less about what is near the borders.
Departure: the fixed upsampling has no bias, which is zero in Caffe.
"""

import keras
from keras import layers

from kseg import backbones
from kseg.layers import CropLike, bilinear_transposed
from kseg.registry import register

# Of `train_val.prototxt`; the upsampling does not learn. As the `multipliers` of an
# optimizer of `kseg.optimizers` they belong to a learning rate of 1e-6 and a loss
# that is summed over the pixels.
LEARNING_RATE_MULTIPLIERS = {
    "block[1-4]_*/kernel": 1.0,
    "block[1-4]_*/bias": 2.0,
    "block5_*/kernel": 100.0,
    "block5_*/bias": 200.0,
    "side*_score/kernel": 0.01,
    "side*_score/bias": 0.02,
    "fuse/kernel": 0.001,
    "fuse/bias": 0.002,
}


@register("hed")
def hed(
    weights: str | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    padding: str = "caffe",
    late_merging: bool = False,
) -> keras.Model:
    """Builds HED.

    The layers `side1` to `side5` hold the logits of the five side outputs, float32
    `(batch, height, width, 1)`, for a loss on each of them (deep supervision).

    Args:
        weights: `None`, `"imagenet"`, the path of a Keras `.h5` file of VGG16, or
            the path of a `.keras` checkpoint of this network.
        input_shape: Height, width and 3 channels; `None` takes any size.
        padding: `"caffe"` for the authors' 35 pixels around the image, or `"same"`.
        late_merging: Whether the probabilities of the five sides are averaged with
            the fused ones, which the paper does after training (section 4.3, table
            4: it raises the average precision), or the fused logits returned.

    Returns:
        A `keras.Model` from images `(batch, height, width, 3)`, in the range 0 to
        255, to float32 logits `(batch, height, width, 1)` of edges.

    Raises:
        ValueError: If `padding` is not one of these.
    """
    if padding not in ("caffe", "same"):
        raise ValueError(f"`padding` must be 'caffe' or 'same'. Received: {padding!r}.")
    backbones.check_weights(weights, "vgg16")

    image = keras.Input(input_shape, name="image")
    first_padding = 35 if padding == "caffe" else 1
    trunk = backbones.vgg16(image, first_padding=first_padding)

    sides = []
    for number in range(1, 6):
        x = layers.Conv2D(
            1,
            1,
            kernel_initializer="zeros",  # Caffe's default
            dtype="float32",
            name=f"side{number}_score",
        )(trunk[f"conv{number}"])
        sides.append(_upsample(x, image, number, first_padding))

    x = layers.Concatenate(dtype="float32", name="sides")(sides)
    logits = layers.Conv2D(
        1,
        1,
        kernel_initializer=keras.initializers.Constant(0.2),  # the mean of the sides
        dtype="float32",
        name="fuse",
    )(x)
    if late_merging:
        logits = _merged([*sides, logits])
    model = keras.Model(image, logits, name="hed")
    return backbones.load_weights(model, weights, "vgg16", trunk["conv5"])


def _merged(logits):
    """Returns the logits of the mean of several maps' probabilities."""
    activation = layers.Activation("sigmoid", dtype="float32")
    mean = layers.Average(dtype="float32")([activation(each) for each in logits])
    mean = keras.ops.clip(mean, 1e-7, 1 - 1e-7)
    return keras.ops.log(mean) - keras.ops.log1p(-mean)


def _upsample(x, image, number, first_padding):
    """Brings the scores of a side output onto the pixels of the image.

    A pixel j of stage `number`, of stride s, is centred on the image's pixel
    s j + (s - 1) / 2 - (first_padding - 1). The transposed convolution, 2 s wide,
    moves it to s j + s - 1/2. The difference is cropped: 34 pixels at the first
    side output, and 35, 36, 38 and 42 at the others, where `first_padding` is 35.
    """
    stride = 2 ** (number - 1)
    offset = first_padding - 1
    if stride > 1:
        offset += stride // 2
        extend = first_padding == 1
        offset += stride if extend else 0
        x = bilinear_transposed(
            x,
            stride,
            extend=extend,
            trainable=False,
            dtype="float32",
            name=f"side{number}_up",
        )
    return CropLike(offset, dtype="float32", name=f"side{number}")(x, image)
