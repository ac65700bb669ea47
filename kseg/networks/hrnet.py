"""HRNetV2: branches that never leave high resolution, and a linear mix of them.

Wang et al., "Deep High-Resolution Representation Learning for Visual Recognition",
PAMI 2020, figures 2 and 4(b). https://arxiv.org/abs/1908.07919
The network is that of the authors' code, `lib/models/seg_hrnet.py` of
HRNet/HRNet-Semantic-Segmentation, biases ahead of batch norm included.
Departures: half-pixel resizing, where their code aligns corners unless told otherwise
(`align_corners=True` is for their released weights), and other starting weights.
"""

import keras
from keras import layers

from kseg import backbones
from kseg.layers import ResizeLike, conv_bn_relu
from kseg.registry import check_num_classes, register, unknown


@register("hrnet")
def hrnet(
    num_classes: int = 21,
    backbone: str = "hrnet_w18",
    weights: str | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    align_corners: bool = False,
) -> keras.Model:
    """Builds HRNetV2.

    Args:
        num_classes: Number of classes: background counts, void does not.
        backbone: `"hrnet_w18_small_v1"`, `"hrnet_w18_small_v2"`, `"hrnet_w18"`,
            `"hrnet_w32"`, `"hrnet_w40"` or `"hrnet_w48"`.
        weights: `None`, the path of a Keras `.h5` file of the backbone, or the path of
            a `.keras` checkpoint of this network; the classifier of another class
            count starts anew and a message says so.
        input_shape: Height, width and 3 channels; `None` takes any size.
        align_corners: Whether all resizing, of branches and of the logits, keeps the
            corner pixels where they are, as in `ResizeLike`.

    Returns:
        A `keras.Model` from images `(batch, height, width, 3)`, in the range 0
        to 255, to float32 logits `(batch, height, width, num_classes)`.

    Raises:
        ValueError: If `num_classes` is below 2, or `backbone` is not one of these.
    """
    check_num_classes(num_classes)
    known = [name for name in backbones.names() if name.startswith("hrnet")]
    if backbone not in known:
        raise ValueError(unknown("backbone of 'hrnet'", backbone, known))
    backbones.check_weights(weights, backbone)

    image = keras.Input(input_shape, name="image")
    features = backbones.build(backbone, image, align_corners=align_corners)
    x = features["representation"]
    x = conv_bn_relu(x, x.shape[-1], 1, use_bias=True, name="mix")
    x = layers.Conv2D(num_classes, 1, dtype="float32", name="classifier")(x)
    logits = ResizeLike(align_corners, dtype="float32", name="logits")(x, image)

    model = keras.Model(image, logits, name="hrnet")
    return backbones.load_weights(model, weights, backbone, features["representation"])
