"""DeepLab v3: atrous spatial pyramid pooling with the mean of the image.

Chen et al., "Rethinking Atrous Convolution for Semantic Image Segmentation", 2017,
figure 5; with `cascade`, figure 3 b. https://arxiv.org/abs/1706.05587
The paper's ResNets are `resnet50` and `resnet101`, those of the authors' code
`resnet50_beta` and `resnet101_beta`. On `mobilenet_v2` this is the network of the
authors' zoo, whose pyramid has no 3x3 branches and which has no decoder
(research/deeplab of tensorflow/models, g3doc/model_zoo.md).
`head="torchvision"` is torchvision's form, for its weights: on `resnet50_torch` or
`resnet101_torch` with `output_stride=8`. That of MMSegmentation is, on
`resnet50_v1c` or `resnet101_v1c`, `output_stride=8, filters=512, fuse_kernel_size=3,
multi_grid=(1, 1, 1), dilate_first=False`.
Departures: half-pixel resizing, where the authors' code aligns corners, unless
`align_corners` is set; batch norm momentum is 0.9, theirs .9997 is for runs of 30,000
steps; dropout in front of the classifier is that of their code.
"""

import keras
from keras import layers

from kseg import backbones
from kseg.layers import ResizeLike, atrous_spatial_pyramid, conv_bn_relu
from kseg.registry import check_num_classes, check_output_stride, register


@register("deeplabv3")
def deeplabv3(
    num_classes: int = 21,
    backbone: str = "resnet50",
    weights: str | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    output_stride: int = 16,
    head: str = "deeplab",
    multi_grid: tuple[int, int, int] | None = None,
    rates: tuple[int, ...] | None = None,
    image_pooling: bool = True,
    cascade: int = 0,
    filters: int = 256,
    fuse_kernel_size: int = 1,
    dropout: float | None = None,
    align_corners: bool = False,
    dilate_first: bool | None = None,
) -> keras.Model:
    """Builds DeepLab v3.

    Args:
        num_classes: Number of classes: background counts, void does not.
        backbone: One of `kseg.backbones.names()` that can be dilated: no HRNet, no
            MiT.
        weights: `None`, `"imagenet"`, the path of a Keras `.h5` file of the
            backbone, or the path of a `.keras` checkpoint of this network; the
            head of another class count starts anew and a message says so.
        input_shape: Height, width and 3 channels; `None` takes any size.
        output_stride: 8 or 16: the stride of the backbone's last map.
        head: `"deeplab"`, or `"torchvision"`: a 3x3 convolution behind the pyramid.
        multi_grid: Rates of the units of a ResNet's last stage, times the stage's
            own; `None`: 1, 2, 4, the best of the paper's table 5; 1, 2, 1 with a
            cascade (table 3), and 1, 1, 1 for torchvision.
        rates: Rates of the pyramid's 3x3 branches at output stride 16, which double
            at 8; `None`: 6, 12, 18, and none on MobileNetV2.
        image_pooling: Whether the pyramid has the branch of the map's mean.
        cascade: With 1 to 3 the classifier is not behind a pyramid but behind so
            many copies of a ResNet's last stage, each at twice the rate of the one
            before: up to block 5, 6 or 7 of the paper. The arguments of the pyramid
            are then refused.
        filters: Channels of the pyramid.
        fuse_kernel_size: Side of the kernel that merges the pyramid.
        dropout: Rate in front of the classifier, or of torchvision's 3x3; `None`:
            0.1, and 0.5 for torchvision.
        align_corners: Whether maps are resized with their corner pixels in place,
            as weights of the authors want it.
        dilate_first: Whether a ResNet's 3x3 that has lost its stride is dilated, as
            those behind it are; `None`: as in the code of the authors or torchvision,
            where a ResNet knows both.

    Returns:
        A `keras.Model` from images `(batch, height, width, 3)`, in the range 0
        to 255, to float32 logits `(batch, height, width, num_classes)`.

    Raises:
        ValueError: If `num_classes` is below 2, a backbone that is no ResNet gets a
            `multi_grid` or a `cascade`, a cascade gets arguments of the pyramid, or
            another argument is not one of those named.
    """
    check_num_classes(num_classes)
    check_output_stride(output_stride)
    if head not in ("deeplab", "torchvision"):
        raise ValueError(
            f"`head` must be 'deeplab' or 'torchvision'. Received: {head!r}."
        )
    if cascade not in range(4):
        raise ValueError(f"`cascade` must be 0 to 3. Received: {cascade!r}.")
    pyramid = (rates, image_pooling, filters, fuse_kernel_size, head)
    if cascade and pyramid != (None, True, 256, 1, "deeplab"):
        raise ValueError(
            "A cascade has no pyramid: with `cascade`, `rates`, `image_pooling`, "
            "`filters`, `fuse_kernel_size` and `head` must stay as they start. "
            f"Received: {pyramid}."
        )
    backbones.check_weights(weights, backbone)
    torchvision = head == "torchvision"
    if rates is None:
        rates = () if backbone == "mobilenet_v2" else (6, 12, 18)
    if dropout is None:
        dropout = 0.5 if torchvision else 0.1

    image = keras.Input(input_shape, name="image")
    options = _resnet_options(backbone, multi_grid, cascade, torchvision)
    # In the authors' code a stage strides ahead of its first unit (section 3.2).
    options |= backbones.first_dilation(backbone, dilate_first, not torchvision)
    features = backbones.build(backbone, image, output_stride, **options)
    x = features[f"c{5 + cascade}"]

    if not cascade:
        x = atrous_spatial_pyramid(
            x,
            [rate * 16 // output_stride for rate in rates],
            filters,
            image_pooling=image_pooling,
            fuse_kernel_size=fuse_kernel_size,
        )
    x = layers.Dropout(dropout, name="dropout")(x)
    if torchvision:
        x = conv_bn_relu(x, filters, 3, name="refine")
    x = layers.Conv2D(num_classes, 1, dtype="float32", name="classifier")(x)
    logits = ResizeLike(align_corners, dtype="float32", name="logits")(x, image)

    model = keras.Model(image, logits, name="deeplabv3")
    return backbones.load_weights(model, weights, backbone, features["c5"])


def _resnet_options(backbone, multi_grid, cascade, torchvision):
    """Returns what a ResNet is told; a request that is not for it is refused there."""
    known, options = backbones.options(backbone), {}
    if multi_grid:
        options["multi_grid"] = multi_grid
    elif "multi_grid" in known and not torchvision:
        options["multi_grid"] = (1, 2, 1) if cascade else (1, 2, 4)
    if cascade:
        options["cascade"] = cascade
    return options
