"""FCN: a classifier made convolutional, its scores enlarged and joined with finer ones.

Long, Shelhamer and Darrell, "Fully Convolutional Networks for Semantic
Segmentation", CVPR 2015, figure 3. https://arxiv.org/abs/1411.4038
Paddings, crops and fixed scales are those of the authors' networks,
https://github.com/shelhamer/fcn.berkeleyvision.org: `net.py` of `voc-fcn32s`,
`voc-fcn16s`, `voc-fcn8s`, `voc-fcn8s-atonce` and `voc-fcn-alexnet`.
Departures: the mean colour subtracted is that of Keras's weights, a level of red
off the authors'; FCN-GoogLeNet was never released, so its padding and crop are
chosen here such that its scores lie where its enlargement puts them.

With `padding="caffe"` the image gets 100 zeros at every side, so that the 7x7
convolution `fc6`, which has no padding, takes an image of any size; fixed offsets
then lay all maps on each other. With `padding="same"` there is no such border, `fc6`
has padding, and scores are enlarged as if those at the border went on: the same
weights, at a third of the cost where an image has 224 pixels, and other scores near
the border.
The fixed enlargement has a kernel from every class to every class, as the authors'
has, though all but its diagonal is zero: with 150 classes that of FCN-32s takes 369 MB.
"""

import keras
from keras import layers

from kseg import backbones
from kseg.layers import CropLike, bilinear_transposed
from kseg.registry import check_num_classes, register, unknown

# By backbone and padding: zeros around the image, and the width of the kernel that
# enlarges 32 times with the pixels then left out at the top and at the left. The
# first score has its centre at pixel (width - 1) / 2 - offset, or 32 pixels further
# where the scores are extended, as they are in `same` and on GoogLeNet.
_FCN32S = {
    ("vgg16", "caffe"): (100, 64, 19),
    ("vgg16", "same"): (1, 64, 48),
    ("alexnet", "caffe"): (100, 63, 18),
    ("alexnet", "same"): (34, 63, 48),
    ("googlenet", "caffe"): (18, 63, 48),
    ("googlenet", "same"): (18, 63, 48),
}
# What is left out at the top and at the left: cells of `pool4` and `pool3`, or of the
# scores where these are the larger ones, as they are in `same`; pixels of the result.
_CROPS = {
    "caffe": {"pool4": 5, "pool3": 9, "fcn16s": 27, "fcn8s": 31},
    "same": {"pool4": 3, "pool3": 3, "fcn16s": 24, "fcn8s": 12},
}
_FC6_PADDING = {"caffe": "valid", "same": "same"}


@register("fcn32s")
def fcn32s(
    num_classes: int = 21,
    backbone: str = "vgg16",
    weights: str | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    padding: str = "caffe",
    fc_filters: int = 4096,
    dropout: float = 0.5,
) -> keras.Model:
    """Builds FCN-32s: the scores of stride 32, enlarged.

    Args:
        num_classes: Number of classes: background counts, void does not.
        backbone: `"vgg16"`, `"alexnet"` or `"googlenet"`.
        weights: `None`; `"imagenet"`, for `fc6` and `fc7` too; the path of a Keras
            `.h5` file of the backbone, with or without its dense layers; or the
            path of a `.keras` checkpoint of this network. A message says what
            starts anew.
        input_shape: Height, width and 3 channels; `None` takes any size.
        padding: `"caffe"` for the authors' network, or `"same"`. GoogLeNet has no
            `fc6`, and both are one.
        fc_filters: Channels of `fc6` and `fc7`, where the backbone has them. With
            `weights="imagenet"` a divisor of 4096, every m-th channel of which is
            kept.
        dropout: Rate behind each of them; behind the last map of GoogLeNet, whose
            authors have 0.4.

    Returns:
        A `keras.Model` from images `(batch, height, width, 3)`, in the range 0
        to 255, to float32 logits `(batch, height, width, num_classes)`.

    Raises:
        ValueError: If `num_classes` is below 2, or another argument is not one
            of those named.
    """
    _check(
        num_classes,
        backbone,
        padding,
        weights,
        fc_filters,
        ["alexnet", "googlenet", "vgg16"],
    )
    border, kernel_size, offset = _FCN32S[backbone, padding]

    image = keras.Input(input_shape, name="image")
    if backbone == "googlenet":
        x = backbones.googlenet(image, first_padding=border)["c5"]
        x = layers.Dropout(dropout, name="pool5_dropout")(x)
    else:
        network = {"alexnet": backbones.alexnet, "vgg16": backbones.vgg16}[backbone]
        x = network(
            image,
            first_padding=border,
            classifier=True,
            fc_filters=fc_filters,
            dropout=dropout,
            padding=_FC6_PADDING[padding],
        )["fc7"]
    scores = _score(x, num_classes, "score_fr")
    extend = padding == "same" or backbone == "googlenet"
    logits = _logits(scores, image, 32, kernel_size, offset, extend, "upscore")

    model = keras.Model(image, logits, name="fcn32s")
    return backbones.load_weights(model, weights, backbone, x)


@register("fcn16s")
def fcn16s(
    num_classes: int = 21,
    backbone: str = "vgg16",
    weights: str | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    padding: str = "caffe",
    at_once: bool = False,
    learned_upsampling: bool = False,
    fc_filters: int = 4096,
    dropout: float = 0.5,
) -> keras.Model:
    """Builds FCN-16s: the scores of stride 32, and those of `pool4`.

    Args:
        num_classes: Number of classes: background counts, void does not.
        backbone: `"vgg16"`.
        weights: As in `fcn32s`; also the path of a `.keras` checkpoint of `fcn32s`,
            from which the authors' networks start.
        input_shape: Height, width and 3 channels; `None` takes any size.
        padding: `"caffe"` for the authors' network, or `"same"`.
        at_once: Whether `pool4` is scaled by 0.01, for training from ImageNet
            weights and not from those of `fcn32s`.
        learned_upsampling: Whether the enlargement by 2 is learned, as in the
            paper (section 4.3), or fixed, as in the authors' networks. The last
            one is fixed in both.
        fc_filters: Channels of `fc6` and `fc7`, as in `fcn32s`.
        dropout: Rate behind each of them.

    Returns:
        A `keras.Model` from images `(batch, height, width, 3)`, in the range 0
        to 255, to float32 logits `(batch, height, width, num_classes)`.

    Raises:
        ValueError: If `num_classes` is below 2, or another argument is not one
            of those named.
    """
    _check(num_classes, backbone, padding, weights, fc_filters, ["vgg16"])
    image = keras.Input(input_shape, name="image")
    features = _vgg16(image, padding, fc_filters, dropout)

    x = _score(features["fc7"], num_classes, "score_fr")
    x = _double(x, learned_upsampling, padding, "upscore2")
    x = _add_scores(x, features["c4"], 0.01 if at_once else 1, padding, "pool4")
    crop, extend = _CROPS[padding]["fcn16s"], padding == "same"
    logits = _logits(x, image, 16, 32, crop, extend, "upscore16")

    model = keras.Model(image, logits, name="fcn16s")
    return backbones.load_weights(
        model, weights, backbone, features["fc7"], predecessors=("fcn32s",)
    )


@register("fcn8s")
def fcn8s(
    num_classes: int = 21,
    backbone: str = "vgg16",
    weights: str | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    padding: str = "caffe",
    at_once: bool = False,
    learned_upsampling: bool = False,
    fc_filters: int = 4096,
    dropout: float = 0.5,
) -> keras.Model:
    """Builds FCN-8s: the scores of stride 32, those of `pool4` and of `pool3`.

    Args:
        num_classes: Number of classes: background counts, void does not.
        backbone: `"vgg16"`.
        weights: As in `fcn32s`; also the path of a `.keras` checkpoint of `fcn16s`,
            from which the authors' networks start, or of `fcn32s`.
        input_shape: Height, width and 3 channels; `None` takes any size.
        padding: `"caffe"` for the authors' network, or `"same"`.
        at_once: Whether `pool4` is scaled by 0.01 and `pool3` by 0.0001, for
            training from ImageNet weights and not from those of `fcn16s`.
        learned_upsampling: Whether the enlargements by 2 are learned, as in the
            paper (section 4.3), or fixed, as in the authors' networks. The last
            one is fixed in both.
        fc_filters: Channels of `fc6` and `fc7`, as in `fcn32s`.
        dropout: Rate behind each of them.

    Returns:
        A `keras.Model` from images `(batch, height, width, 3)`, in the range 0
        to 255, to float32 logits `(batch, height, width, num_classes)`.

    Raises:
        ValueError: If `num_classes` is below 2, or another argument is not one
            of those named.
    """
    _check(num_classes, backbone, padding, weights, fc_filters, ["vgg16"])
    image = keras.Input(input_shape, name="image")
    features = _vgg16(image, padding, fc_filters, dropout)

    x = _score(features["fc7"], num_classes, "score_fr")
    x = _double(x, learned_upsampling, padding, "upscore2")
    x = _add_scores(x, features["c4"], 0.01 if at_once else 1, padding, "pool4")
    x = _double(x, learned_upsampling, padding, "upscore_pool4")
    x = _add_scores(x, features["c3"], 0.0001 if at_once else 1, padding, "pool3")
    crop, extend = _CROPS[padding]["fcn8s"], padding == "same"
    logits = _logits(x, image, 8, 16, crop, extend, "upscore8")

    model = keras.Model(image, logits, name="fcn8s")
    return backbones.load_weights(
        model, weights, backbone, features["fc7"], predecessors=("fcn16s", "fcn32s")
    )


def _check(num_classes, backbone, padding, weights, fc_filters, known):
    check_num_classes(num_classes)
    if backbone not in known:
        raise ValueError(unknown("backbone", backbone, known))
    if padding not in _CROPS:
        raise ValueError(f"`padding` must be 'caffe' or 'same'. Received: {padding!r}.")
    backbones.check_weights(weights, backbone)
    if weights == "imagenet" and 4096 % fc_filters:
        raise ValueError(
            "`fc_filters` must divide 4096 with weights='imagenet', which has as many. "
            f"Received: {fc_filters}."
        )


def _vgg16(image, padding, fc_filters, dropout):
    """The convolutional classifier, its border and `fc6` padded as asked."""
    return backbones.vgg16(
        image,
        first_padding=_FCN32S["vgg16", padding][0],
        classifier=True,
        fc_filters=fc_filters,
        dropout=dropout,
        padding=_FC6_PADDING[padding],
    )


def _score(x, num_classes, name):
    """A class score at every cell, zero at first (section 4.2 and `net.py`)."""
    return layers.Conv2D(
        num_classes, 1, kernel_initializer="zeros", dtype="float32", name=name
    )(x)


def _double(scores, learned, padding, name):
    """Enlarges scores by 2."""
    return bilinear_transposed(
        scores,
        2,
        extend=padding == "same",
        trainable=learned,
        dtype="float32",
        name=name,
    )


def _add_scores(x, pool, scale, padding, name):
    """Adds the scores of a pooling layer, and crops the larger map to the other."""
    if scale != 1:
        pool = layers.Rescaling(scale, dtype="float32", name=f"scale_{name}")(pool)
    skip = _score(pool, x.shape[-1], f"score_{name}")
    crop = CropLike(_CROPS[padding][name], dtype="float32", name=f"score_{name}_crop")
    if padding == "caffe":
        skip = crop(skip, x)
    else:
        x = crop(x, skip)
    return layers.Add(dtype="float32", name=f"fuse_{name}")([x, skip])


def _logits(scores, image, factor, kernel_size, offset, extend, name):
    """Enlarges scores by fixed bilinear interpolation to the size of the image."""
    x = bilinear_transposed(
        scores,
        factor,
        kernel_size=kernel_size,
        extend=extend,
        trainable=False,
        dtype="float32",
        name=name,
    )
    return CropLike(offset, dtype="float32", name="logits")(x, image)
