"""DeepLab v2: parallel convolutions of several rates over a dense map, summed.

Chen et al., "DeepLab: Semantic Image Segmentation with Deep Convolutional Nets,
Atrous Convolution, and Fully Connected CRFs", PAMI 2018, section 3.2 and figure 7.
https://arxiv.org/abs/1606.00915
Facts that the paper leaves open are those of the authors' `train.prototxt` of
`deeplabv2_vgg16` and `deeplabv2_resnet101`. Scores are summed as they are: no ReLU.
Their CRF is no part of the network.
Departures: the logits, of each scale too, come at the image's size; the authors'
losses have them at an eighth of it, with labels shrunk as much (at a sixteenth for the
half-sized image). Sides of maps are as in `kseg.networks.deeplabv1`. Images are shrunk,
and their scores enlarged, between half-pixel centres, where the authors align corners.
"""

import keras
from keras import layers

from kseg import backbones
from kseg.layers import ResizeLike, Shrink, enlarge_cells
from kseg.registry import check_num_classes, register, unknown

_BACKBONES = ["resnet101", "resnet152", "resnet50", "vgg16"]

# By backbone, of the authors' files: the `multipliers` of an optimizer of
# `kseg.optimizers`. With ResNet they freeze the batch norms: `freeze_batch_norm`.
LEARNING_RATE_MULTIPLIERS = {
    "vgg16": {"score_*/kernel": 10.0, "score_*/bias": 20.0, "bias": 2.0},
    "resnet101": {"score_*/kernel": 10.0, "score_*/bias": 20.0},
}


@register("deeplabv2")
def deeplabv2(
    num_classes: int = 21,
    backbone: str = "resnet101",
    weights: str | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    rates: tuple[int, ...] = (6, 12, 18, 24),
    scales: tuple[float, ...] = (1.0,),
    fc_filters: int = 1024,
    dropout: float = 0.5,
    freeze_batch_norm: bool = False,
) -> keras.Model:
    """Builds DeepLab v2.

    With several `scales` one network sees the image at each of them, and every logit is
    the largest of all scales. The layers `scale100`, `scale75` and so on, named by the
    per cent, then hold the logits of each scale, float32 `(batch, height, width,
    num_classes)`, for a loss on each of them.

    Args:
        num_classes: Number of classes: background counts, void does not.
        backbone: `"resnet101"`, `"vgg16"`, `"resnet50"` or `"resnet152"`.
        weights: `None`; `"imagenet"`, where `fc6` and `fc7` of all branches on VGG16
            are decimated from the dense layers; the path of a Keras `.h5` file of the
            backbone; or the path of a `.keras` checkpoint of this network, of whatever
            scales. A message says what starts anew.
        input_shape: Height, width and 3 channels; `None` takes any size.
        rates: Of the branches, in cells of 8 pixels: (6, 12, 18, 24) is ASPP-L,
            (2, 4, 8, 12) ASPP-S and (12,) LargeFOV.
        scales: Of the image: 1, and factors below it; the paper's are 1, 0.75 and 0.5.
        fc_filters: Channels of the two hidden layers of each branch on VGG16.
        dropout: Rate behind each of them.
        freeze_batch_norm: Whether the batch norms of the backbone keep the statistics,
            scales and offsets of its weights, as in the paper.

    Returns:
        A `keras.Model` from images `(batch, height, width, 3)`, in the range 0
        to 255, to float32 logits `(batch, height, width, num_classes)`.

    Raises:
        ValueError: If `num_classes` is below 2, or another argument is not one
            of those named.
    """
    check_num_classes(num_classes)
    if backbone not in _BACKBONES:
        raise ValueError(unknown("backbone", backbone, _BACKBONES))
    _check(rates, scales)
    backbones.check_weights(weights, backbone)

    image = keras.Input(input_shape, name="image")
    if backbone == "vgg16":
        x = backbones.vgg16(image, output_stride=8, pool_size=3)["c5"]
        features = [_dense_layers(x, rate, fc_filters, dropout) for rate in rates]
        scores = [
            _scores(x, num_classes, 1, name=f"score_rate{rate}")
            for x, rate in zip(features, rates, strict=True)
        ]
    else:
        features = backbones.build(backbone, image, output_stride=8)["c5"]
        scores = [
            _scores(features, num_classes, 3, rate, name=f"score_rate{rate}")
            for rate in rates
        ]
    if len(scores) > 1:
        scores = [layers.Add(dtype="float32", name="scores")(scores)]
    single = len(scales) == 1
    name = "logits" if single else "enlarged"
    logits = enlarge_cells(scores[0], image, 8, kernel_name="upscore", name=name)
    model = keras.Model(image, logits, name="deeplabv2")
    backbones.load_weights(model, weights, backbone, features)
    if freeze_batch_norm:
        backbones.freeze_batch_norm(model)
    return model if single else _multi_scale(model, scales)


def _check(rates, scales):
    if not rates or len(set(rates)) < len(rates) or min(rates) < 1:
        raise ValueError(
            f"`rates` must be different numbers from 1 on. Received: {rates!r}."
        )
    percents = [round(100 * scale) for scale in scales]
    falling = sorted(set(percents), reverse=True) == percents
    if not falling or percents[:1] != [100] or percents[-1] < 1:
        raise ValueError(
            "`scales` must start with 1 and fall by 0.01 or more, to 0.01 at least. "
            f"Received: {scales!r}."
        )


def _dense_layers(x, rate, filters, dropout):
    """The hidden layers of a branch on VGG16: `fc6`, with holes, and `fc7`."""
    maps = backbones.vgg16_classifier(
        x, filters, 3, rate, dropout=dropout, suffix=f"_rate{rate}"
    )
    return maps["fc7"]


def _scores(x, num_classes, kernel_size, dilation_rate=1, *, name):
    """The class scores of a branch at every cell."""
    return layers.Conv2D(
        num_classes,
        kernel_size,
        dilation_rate=dilation_rate,
        padding="same",
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
        dtype="float32",
        name=name,
    )(x)


def _multi_scale(model, scales):
    """Applies a network to each scale, and takes the largest logits (section 4.3)."""
    image = model.inputs[0]
    logits = [layers.Identity(dtype="float32", name="scale100")(model.outputs[0])]
    for scale in scales[1:]:
        percent = round(100 * scale)
        small = Shrink(scale, dtype="float32", name=f"shrink{percent}")(image)
        # `call`, and not the model: the layers are then those of one flat network.
        x = ResizeLike(dtype="float32", name=f"scale{percent}")(
            model.call(small), image
        )
        logits.append(x)
    fused = layers.Maximum(dtype="float32", name="logits")(logits)
    return keras.Model(image, fused, name=model.name)
