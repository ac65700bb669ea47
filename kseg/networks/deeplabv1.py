"""DeepLab v1: VGG16 at stride 8 by the hole algorithm, and a wide field of view.

Chen et al., "Semantic Image Segmentation with Deep Convolutional Nets and Fully
Connected CRFs", ICLR 2015, sections 3 and 4.3. https://arxiv.org/abs/1412.7062
Facts that the paper leaves open, such as 3x3 pooling and the average pooling ahead of
`fc6`, are those of the authors' `train.prototxt` of `vgg16_20M_largeFOV` and
`vgg16_20M_MSC_largeFOV`. Their CRF is no part of the network.
Departures: the logits come at the image's size, where the authors' loss has them at an
eighth of it, with labels shrunk as much. A side of n pixels has n / 8 cells, rounded
up; Caffe has one more at some sizes, but not at the authors', 8 k + 1. `pool4_fc` and
`pool3_ms` start as their likes do, the authors' from deviations of .005 and of zero.
"""

import keras
from keras import layers

from kseg import backbones
from kseg.layers import enlarge_cells, fixed_padding
from kseg.registry import check_num_classes, register

# Of the authors' files: the `multipliers` of an optimizer of `kseg.optimizers`.
LEARNING_RATE_MULTIPLIERS = {"fc8/kernel": 10.0, "fc8/bias": 20.0, "bias": 2.0}
# `deeplabv1_msc` starts from a trained `deeplabv1`, and that stays as it is.
MSC_LEARNING_RATE_MULTIPLIERS = {"block*": 0.0, "fc[678]": 0.0, "bias": 2.0}

# What the branches of `deeplabv1_msc` look at, and the strides with which they do.
_BRANCHES = {"image": 8, "c1": 4, "c2": 2, "c3": 1, "c4": 1}


@register("deeplabv1")
def deeplabv1(
    num_classes: int = 21,
    weights: str | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    kernel_size: int = 3,
    dilation_rate: int = 12,
    fc_filters: int = 1024,
    dropout: float = 0.5,
) -> keras.Model:
    """Builds DeepLab-LargeFOV.

    The other networks of table 2 have a `kernel_size` of 7 or 4 and a `dilation_rate`
    of 4, or of 8 with 4 taps, and 4096 `fc_filters`.

    Args:
        num_classes: Number of classes: background counts, void does not.
        weights: `None`; `"imagenet"`, where `fc6` and `fc7` are decimated from the
            dense layers; the path of a Keras `.h5` file of VGG16, with or without
            these; or the path of a `.keras` checkpoint of this network. A message
            says what starts anew.
        input_shape: Height, width and 3 channels; `None` takes any size.
        kernel_size: Side of the kernel of `fc6`.
        dilation_rate: Distance between its taps, in cells of 8 pixels.
        fc_filters: Channels of `fc6` and `fc7`.
        dropout: Rate behind each of them.

    Returns:
        A `keras.Model` from images `(batch, height, width, 3)`, in the range 0
        to 255, to float32 logits `(batch, height, width, num_classes)`.

    Raises:
        ValueError: If `num_classes` is below 2, or `weights` are of something else.
    """
    check_num_classes(num_classes)
    backbones.check_weights(weights, "vgg16")

    image = keras.Input(input_shape, name="image")
    features = _vgg16(image, kernel_size, dilation_rate, fc_filters, dropout)
    scores = _scores(features["fc7"], num_classes, "fc8")
    logits = enlarge_cells(scores, image, 8, kernel_name="upscore", name="logits")

    model = keras.Model(image, logits, name="deeplabv1")
    return backbones.load_weights(model, weights, "vgg16", features["fc7"])


@register("deeplabv1_msc")
def deeplabv1_msc(
    num_classes: int = 21,
    weights: str | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    kernel_size: int = 3,
    dilation_rate: int = 12,
    fc_filters: int = 1024,
    filters: int = 128,
    dropout: float = 0.5,
) -> keras.Model:
    """Builds DeepLab-MSc-LargeFOV: scores of the image and of four poolings, too.

    The authors train the five branches alone, behind a `deeplabv1` that is trained.

    Args:
        num_classes: Number of classes: background counts, void does not.
        weights: As in `deeplabv1`; also the path of a `.keras` checkpoint of it, from
            which the authors' network starts.
        input_shape: Height, width and 3 channels; `None` takes any size.
        kernel_size: As in `deeplabv1`.
        dilation_rate: As in `deeplabv1`.
        fc_filters: As in `deeplabv1`.
        filters: Channels of the two hidden layers of each branch.
        dropout: Rate behind each of them, and behind `fc6` and `fc7`.

    Returns:
        A `keras.Model` from images `(batch, height, width, 3)`, in the range 0
        to 255, to float32 logits `(batch, height, width, num_classes)`.

    Raises:
        ValueError: If `num_classes` is below 2, or `weights` are of something else.
    """
    check_num_classes(num_classes)
    backbones.check_weights(weights, "vgg16")

    image = keras.Input(input_shape, name="image")
    features = _vgg16(image, kernel_size, dilation_rate, fc_filters, dropout)

    scores = [_scores(features["fc7"], num_classes, "fc8")]
    for tap, stride in _BRANCHES.items():
        name = tap.replace("c", "pool")
        x = fixed_padding(features[tap], 3, name=f"{name}_conv_pad")
        x = _hidden(x, filters, f"{name}_conv", dropout, 3, stride)
        x = _hidden(x, filters, f"{name}_fc", dropout)
        scores.append(_scores(x, num_classes, f"{name}_ms"))
    x = layers.Add(dtype="float32", name="scores")(scores)
    logits = enlarge_cells(x, image, 8, kernel_name="upscore_msc", name="logits")

    model = keras.Model(image, logits, name="deeplabv1_msc")
    return backbones.load_weights(
        model, weights, "vgg16", features["fc7"], predecessors=("deeplabv1",)
    )


def _vgg16(image, kernel_size, dilation_rate, fc_filters, dropout):
    """VGG16 at stride 8, averaged (`pool5a`), and `fc6` with holes."""
    features = backbones.vgg16(image, output_stride=8, pool_size=3)
    # Caffe's average has the zeros beyond the border in it.
    x = fixed_padding(features["c5"], 3, name="pool5a_pad")
    x = layers.AveragePooling2D(3, strides=1, name="pool5a")(x)
    return features | backbones.vgg16_classifier(
        x, fc_filters, kernel_size, dilation_rate, dropout=dropout
    )


def _hidden(x, filters, name, dropout, kernel_size=1, stride=1):
    """A hidden layer of a branch; one of 3x3 comes padded."""
    x = layers.Conv2D(
        filters,
        kernel_size,
        strides=stride,
        activation="relu",
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.001),
        name=name,
    )(x)
    return layers.Dropout(dropout, name=f"{name}_dropout")(x)


def _scores(x, num_classes, name):
    """A class score at every cell."""
    return layers.Conv2D(
        num_classes,
        1,
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
        dtype="float32",
        name=name,
    )(x)
