"""SegFormer: a transformer of four resolutions, and a decoder of linear layers.

Xie et al., "SegFormer: Simple and Efficient Design for Semantic Segmentation with
Transformers", NeurIPS 2021, figure 2. https://arxiv.org/abs/2105.15203
The width of the decoder and its dropout are those of the authors' code,
`local_configs/segformer` in NVlabs/SegFormer. Layers of the decoder have the names
that the published files of Hugging Face have behind `decode_head.`, with underscores
for dots; linear layers are 1x1 convolutions. `form="mmseg"` is MMSegmentation's
(`mmseg/models/decode_heads/segformer_head.py`), for its weights. Departure: the logits
are enlarged to the image by the network.
"""

import keras
from keras import layers

from kseg import backbones
from kseg.layers import BatchNormalization, ResizeLike, conv_bn_relu
from kseg.registry import check_num_classes, register, unknown


@register("segformer")
def segformer(
    num_classes: int = 21,
    backbone: str = "mit_b0",
    weights: str | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    filters: int | None = None,
    dropout: float = 0.1,
    form: str = "paper",
) -> keras.Model:
    """Builds SegFormer.

    Args:
        num_classes: Number of classes: background counts, void does not.
        backbone: `"mit_b0"` to `"mit_b5"`, or a convolutional one of
            `kseg.backbones.names()`, as in table 1d of the paper.
        weights: `None`, `"imagenet"` where it is published for the backbone, the path
            of a Keras `.h5` file of the backbone, or the path of a `.keras`
            checkpoint of this network; the head of another class count starts anew
            and a message says so.
        input_shape: Height, width and 3 channels; `None` takes any size.
        filters: Channels of the decoder; `None` is the paper's 256 for MiT-B0 and
            MiT-B1, and 768 for others.
        dropout: Rate in front of the classifier.
        form: `"paper"`, or `"mmseg"`: batch norm and ReLU behind the linear layers of
            the decoder, which always has 256 channels there.

    Returns:
        A `keras.Model` from images `(batch, height, width, 3)`, in the range 0
        to 255, to float32 logits `(batch, height, width, num_classes)`.

    Raises:
        ValueError: If `num_classes` is below 2, or `backbone` or `form` is unknown.
    """
    check_num_classes(num_classes)
    if form not in ("paper", "mmseg"):
        raise ValueError(unknown("form of SegFormer", form, ["mmseg", "paper"]))
    backbones.check_weights(weights, backbone)
    if filters is None:
        small = form == "mmseg" or backbone in ("mit_b0", "mit_b1")
        filters = 256 if small else 768

    image = keras.Input(input_shape, name="image")
    options = {}
    if form == "mmseg" and "patch_epsilon" in backbones.options(backbone):
        options["patch_epsilon"] = 1e-6
    features = backbones.build(backbone, image, **options)

    # Section 3.2: one width, one size, one map. The deepest comes first.
    maps = []
    for number in (3, 2, 1, 0):
        name, x = f"linear_c_{number}", features[f"c{number + 2}"]
        if form == "mmseg":
            x = conv_bn_relu(x, filters, 1, name=f"{name}_proj")
        else:
            x = layers.Conv2D(filters, 1, name=f"{name}_proj")(x)
        maps.append(ResizeLike(name=f"{name}_resize")(x, features["c2"]))
    x = layers.Concatenate(name="linear_c")(maps)
    x = layers.Conv2D(
        filters, 1, use_bias=False, kernel_initializer="he_normal", name="linear_fuse"
    )(x)
    x = BatchNormalization(epsilon=1e-5, name="batch_norm")(x)
    x = layers.ReLU(name="activation")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    x = layers.Conv2D(num_classes, 1, dtype="float32", name="classifier")(x)
    logits = ResizeLike(dtype="float32", name="logits")(x, image)

    model = keras.Model(image, logits, name="segformer")
    return backbones.load_weights(model, weights, backbone, features["c5"])
