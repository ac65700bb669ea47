"""SegNet: a decoder that enlarges by putting values back where maxima were pooled.

Badrinarayanan, Kendall and Cipolla, "SegNet: A Deep Convolutional Encoder-Decoder
Architecture for Image Segmentation", PAMI 2017, figures 2 and 3 and section 3.
https://arxiv.org/abs/1511.00561 With dropout it is Bayesian SegNet: Kendall et al.,
BMVC 2017, https://arxiv.org/abs/1511.02680, whose uncertainty
`kseg.inference.predict_monte_carlo` gives.
Layers are those of the authors' Caffe networks, `segnet_train.prototxt` and
`segnet_basic_train.prototxt` of alexgkendall/SegNet-Tutorial: their convolutions have
biases, and SegNet's decoder has ReLUs, where the paper's text has neither.
Departures: SegNet subtracts the mean colour that its ImageNet weights were trained
with, where the authors' network takes raw images; batch norm keeps moving statistics
(epsilon 1e-5), where theirs (1e-9) keeps none and a script computes them over the
training set afterwards; SegNet-Basic normalises by the authors' layer across
channels, where the paper's text says local contrast normalisation.
"""

import keras
from keras import layers

from kseg import backbones
from kseg.layers import (
    BatchNormalization,
    BilinearKernel,
    CropLike,
    LocalResponseNormalization,
    MaxPoolingWithIndices,
    MaxUnpooling,
    ResizeLike,
    conv_bn_relu,
)
from kseg.registry import check_num_classes, register, unknown

# The decoders' convolutions: the number of the encoder's that each mirrors, and its
# channels as a multiple of the first stage's. The classifier mirrors the first of all.
_DECODERS = {
    5: ((3, 8), (2, 8), (1, 8)),
    4: ((3, 8), (2, 8), (1, 4)),
    3: ((3, 4), (2, 4), (1, 2)),
    2: ((2, 2), (1, 1)),
    1: ((2, 1),),
}


@register("segnet")
def segnet(
    num_classes: int = 21,
    weights: str | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    filters: int = 64,
    dropout: float = 0.0,
) -> keras.Model:
    """Builds SegNet.

    Args:
        num_classes: Number of classes: background counts, void does not.
        weights: `None`, `"imagenet"`, the path of a Keras `.h5` file of VGG16, or
            the path of a `.keras` checkpoint of this network; the head of another
            class count starts anew and a message says so. VGG16 has no batch
            norms: those of the encoder start anew.
        input_shape: Height, width and 3 channels; `None` takes any size.
        filters: Channels of the first stage, 64 in VGG16; the others have
            multiples.
        dropout: Rate behind the three deepest encoders and decoders; 0.5 makes
            Bayesian SegNet, 0 leaves these layers out.

    Returns:
        A `keras.Model` from images `(batch, height, width, 3)`, in the range 0
        to 255, to float32 logits `(batch, height, width, num_classes)`.

    Raises:
        ValueError: If `num_classes` is below 2, or `weights` is nothing to load.
    """
    check_num_classes(num_classes)
    backbones.check_weights(weights, "vgg16")

    image = keras.Input(input_shape, name="image")
    encoder = backbones.vgg16_bn(image, filters, dropout)

    x = encoder["c5"]
    for stage, convolutions in _DECODERS.items():
        x = MaxUnpooling(name=f"upsample{stage}")(
            x, encoder[f"indices{stage}"], encoder[f"conv{stage}"]
        )
        for number, width in convolutions:
            name = f"conv{stage}_{number}_D"
            x = conv_bn_relu(x, filters * width, 3, use_bias=True, name=name)
        x = _dropout(x, dropout, "decoder", stage)
    logits = layers.Conv2D(
        num_classes,
        3,
        padding="same",
        kernel_initializer="he_normal",
        dtype="float32",
        name="conv1_1_D",
    )(x)
    model = keras.Model(image, logits, name="segnet")
    return backbones.load_weights(model, weights, "vgg16", encoder["c5"])


# Table 1: decoders that unpool; that enlarge class scores; that enlarge features.
_UNPOOLING = ("max_indices", "encoder_addition", "single_channel")
_ON_SCORES = ("bilinear", "fcn", "fcn_no_addition")
_ON_FEATURES = ("fcn_no_dim_reduction", "fcn_no_addition_no_dim_reduction")


@register("segnet_basic")
def segnet_basic(
    num_classes: int = 21,
    weights: str | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    decoder: str = "max_indices",
    filters: int = 64,
    dropout: float = 0.0,
) -> keras.Model:
    """Builds SegNet-Basic, with one of the eight decoders that the paper compares.

    Section 3.1 and table 1. In brackets stand millions of parameters for 11 classes:
    the paper's, and those here, which are the sums over the layers. A map of the
    encoder is the one behind a pooling, as in figure 3.

    - `"max_indices"` (1.425, 1.417), SegNet-Basic: unpools by the places of the
      maxima, then convolves, 7x7.
    - `"encoder_addition"` (1.425, 1.417): adds the encoder's map of the same size to
      what each decoder gives; there is none for the last.
    - `"single_channel"` (0.625, 0.626): each 7x7 filter sees its own channel alone.
    - `"bilinear"` (0.625, 0.613): reduces the encoder's last map to class scores and
      enlarges them by bilinear interpolation.
    - `"fcn"` (0.65, 0.646), FCN-Basic: reduces the encoder's maps to class scores,
      enlarges the last by learned 8x8 transposed convolutions that start as bilinear
      interpolation, and adds the map of the same size after each.
    - `"fcn_no_addition"` (0.65, 0.644): likewise, and adds none.
    - `"fcn_no_dim_reduction"` (1.625, 1.662): FCN-Basic with all channels of the
      maps, and scores at the end.
    - `"fcn_no_addition_no_dim_reduction"` (1.625, 1.662): likewise, and adds none.

    The last five have no batch norm in the decoder, where the paper mentions none.
    Nor does it say how an 8x8 kernel starts as interpolation by 2, which takes 4x4:
    here these are its middle, and the rest starts at 0.

    Args:
        num_classes: Number of classes: background counts, void does not.
        weights: `None`, or the path of a `.keras` checkpoint of this network with
            the same decoder; what depends on another class count starts anew and a
            message says so.
        input_shape: Height, width and channels; `None` takes any size.
        decoder: One of the names above.
        filters: Channels of every encoder and decoder, 64 in the paper.
        dropout: Rate behind the two deepest encoders, and decoders where these work
            on features and not on class scores; 0.5 makes Bayesian SegNet-Basic, 0
            leaves these layers out.

    Returns:
        A `keras.Model` from images `(batch, height, width, channels)`, in the range
        0 to 255, to float32 logits `(batch, height, width, num_classes)`.

    Raises:
        ValueError: If `num_classes` is below 2, or another argument is not one
            of those named.
    """
    check_num_classes(num_classes)
    variants = [*_UNPOOLING, *_ON_SCORES, *_ON_FEATURES]
    if decoder not in variants:
        raise ValueError(unknown("decoder", decoder, variants))
    backbones.check_weights(weights)

    image = keras.Input(input_shape, name="image")
    x = LocalResponseNormalization(name="norm")(image)
    encoder = {}
    for stage in range(1, 5):
        x = conv_bn_relu(x, filters, 7, use_bias=True, name=f"conv{stage}")
        encoder[f"conv{stage}"] = x
        if decoder in _UNPOOLING:
            pool = MaxPoolingWithIndices(name=f"pool{stage}")
            x, encoder[f"indices{stage}"] = pool(x)
        else:
            x = layers.MaxPooling2D(2, padding="same", name=f"pool{stage}")(x)
        x = _dropout(x, dropout, "encoder", stage)
        encoder[f"c{stage}"] = x

    if decoder in _UNPOOLING:
        x = _unpool(encoder, decoder, dropout)
        logits = _scores(x, num_classes, "conv_classifier")
    elif decoder in _ON_FEATURES:
        x = _enlarge(encoder, decoder, dropout)
        logits = _scores(x, num_classes, "conv_classifier")
    else:
        for stage in range(1, 5):
            if stage == 4 or decoder == "fcn":
                x = _scores(encoder[f"c{stage}"], num_classes, f"score{stage}")
                encoder[f"c{stage}"] = x
        logits = _enlarge(encoder, decoder, 0, dtype="float32")
    model = keras.Model(image, logits, name="segnet_basic")
    return backbones.load_weights(model, weights)


def _unpool(encoder, decoder, dropout):
    """The decoders of SegNet-Basic: unpooling, convolution, batch norm, no ReLU."""
    x = encoder["c4"]
    for stage in range(4, 0, -1):
        x = MaxUnpooling(name=f"upsample{stage}")(
            x, encoder[f"indices{stage}"], encoder[f"conv{stage}"]
        )
        name = f"conv_decode{stage}"
        if decoder == "single_channel":
            convolution = layers.DepthwiseConv2D(
                7, padding="same", depthwise_initializer="he_normal", name=name
            )
        else:
            convolution = layers.Conv2D(
                x.shape[-1],
                7,
                padding="same",
                kernel_initializer="he_normal",
                name=name,
            )
        x = BatchNormalization(epsilon=1e-5, name=f"{name}_bn")(convolution(x))
        if decoder == "encoder_addition" and stage > 1:
            x = layers.Add(name=f"add{stage - 1}")([x, encoder[f"c{stage - 1}"]])
        x = _dropout(x, dropout, "decoder", stage)
    return x


def _enlarge(encoder, decoder, dropout, dtype=None):
    """The decoders of FCN-Basic, and fixed interpolation."""
    x = encoder["c4"]
    for stage in range(4, 0, -1):
        size, name = encoder[f"conv{stage}"], f"upsample{stage}"
        if decoder == "bilinear":
            x = ResizeLike(dtype=dtype, name=name)(x, size)
        else:
            x = layers.Conv2DTranspose(
                x.shape[-1],
                8,
                strides=2,
                padding="same",
                use_bias=False,
                kernel_initializer=BilinearKernel(factor=2),
                dtype=dtype,
                name=name,
            )(x)
            x = CropLike(dtype=dtype, name=f"crop{stage}")(x, size)
        if stage > 1 and decoder in ("fcn", "fcn_no_dim_reduction"):
            addends = [x, encoder[f"c{stage - 1}"]]
            x = layers.Add(dtype=dtype, name=f"add{stage - 1}")(addends)
        x = _dropout(x, dropout, "decoder", stage)
    return x


def _scores(x, num_classes, name):
    return layers.Conv2D(
        num_classes, 1, kernel_initializer="he_normal", dtype="float32", name=name
    )(x)


def _dropout(x, rate, part, stage):
    """Drops behind the stages from the third on, where Bayesian SegNet does."""
    if rate and stage >= 3:
        x = layers.Dropout(rate, name=f"{part}{stage}_dropout")(x)
    return x
