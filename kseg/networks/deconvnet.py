"""DeconvNet: a deep decoder behind the dense layers of VGG16, with its switches.

Noh, Hong and Han, "Learning Deconvolution Network for Semantic Segmentation", ICCV
2015, figure 2 and section 3. https://arxiv.org/abs/1505.04366 Facts that the paper
leaves open are those of the authors' Caffe networks in HyeonwooNoh/DeconvNet.
The paper's network sees 224 x 224 pixels, of which `fc6` makes a single one, and
takes images apart into object proposals: `kseg.data.ObjectCrops` and
`kseg.data.WindowCrops` are its two stages of training, and
`kseg.inference.predict_proposals` puts an image together again. Here it takes images
of any size: `fc6` slides over larger ones, and smaller ones are filled up with zeros
in front of it.
Departures: the deconvolutions of stride 1 are written as convolutions, which they
are; batch norm keeps moving statistics, where the authors compute them over the
training set afterwards.
"""

import keras
from keras import layers

from kseg import backbones
from kseg.layers import CropLike, MaxUnpooling, PadToLeast, norm_relu
from kseg.registry import check_num_classes, register

# Channels of the deconvolutions of each stage, as in figure 2, as multiples of the
# encoder's first stage.
_DECODERS = {5: (8, 8, 8), 4: (8, 8, 4), 3: (4, 4, 2), 2: (2, 1), 1: (1, 1)}


@register("deconvnet")
def deconvnet(
    num_classes: int = 21,
    weights: str | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    filters: int = 64,
    fc_filters: int = 4096,
) -> keras.Model:
    """Builds DeconvNet.

    Args:
        num_classes: Number of classes: background counts, void does not.
        weights: `None`; `"imagenet"`, for `fc6` and `fc7` too; the path of a Keras
            `.h5` file of VGG16, with or without its dense layers; or the path of a
            `.keras` checkpoint of this network. A message says what starts anew;
            the batch norms, which VGG16 has not, do with the first two.
        input_shape: Height, width and 3 channels; `None` takes any size.
        filters: Channels of the first stage, 64 in VGG16; the others have
            multiples.
        fc_filters: Channels of `fc6` and `fc7`, 4096 in the paper; SegNet's authors
            compare with 1024.

    Returns:
        A `keras.Model` from images `(batch, height, width, 3)`, in the range 0
        to 255, to float32 logits `(batch, height, width, num_classes)`.

    Raises:
        ValueError: If `num_classes` is below 2, or `weights` is nothing to load.
    """
    check_num_classes(num_classes)
    backbones.check_weights(weights, "vgg16")

    image = keras.Input(input_shape, name="image")
    encoder = backbones.vgg16_bn(image, filters)
    x = PadToLeast(7, name="fc6_pad")(encoder["c5"])
    x = layers.Conv2D(fc_filters, 7, kernel_initializer="he_normal", name="fc6")(x)
    x = norm_relu(x, name="fc6")
    x = layers.Conv2D(fc_filters, 1, kernel_initializer="he_normal", name="fc7")(x)
    features = x = norm_relu(x, name="fc7")

    x = layers.Conv2DTranspose(
        8 * filters, 7, kernel_initializer=_gaussian(), name="fc6_deconv"
    )(x)
    x = norm_relu(x, name="fc6_deconv")
    x = CropLike(name="fc6_crop")(x, encoder["c5"])
    for stage, widths in _DECODERS.items():
        x = MaxUnpooling(name=f"unpool{stage}")(
            x, encoder[f"indices{stage}"], encoder[f"conv{stage}"]
        )
        for number, width in enumerate(widths, start=1):
            name = f"deconv{stage}_{number}"
            x = layers.Conv2D(
                filters * width,
                3,
                padding="same",
                kernel_initializer=_gaussian(),
                name=name,
            )(x)
            x = norm_relu(x, name=name)
    logits = layers.Conv2D(
        num_classes,
        1,
        kernel_initializer=_gaussian(),
        dtype="float32",
        name="seg_score",
    )(x)
    model = keras.Model(image, logits, name="deconvnet")
    return backbones.load_weights(model, weights, "vgg16", features)


def _gaussian():
    return keras.initializers.RandomNormal(stddev=0.01)  # the authors' filler
