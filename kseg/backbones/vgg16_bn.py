"""The convolutions of VGG16 with batch norm, and the places of its pooled maxima.

Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
Recognition", ICLR 2015, table 1, column D. https://arxiv.org/abs/1409.1556
The encoder of SegNet and of DeconvNet: a batch norm between each convolution and its
ReLU. The convolutions keep their names and biases, so that the weights published
for `keras.applications.VGG16` load by name.
"""

from keras import layers

from kseg.backbones.normalise import subtract_mean
from kseg.backbones.vgg16 import STAGES
from kseg.layers import MaxPoolingWithIndices, conv_bn_relu


def vgg16_bn(image, filters: int = 64, dropout: float = 0.0) -> dict:
    """Builds VGG16 with batch norm.

    Args:
        image: Float tensor `(batch, height, width, 3)`, RGB in 0 to 255; the
            mean of ImageNet is subtracted inside.
        filters: Channels of the first stage, 64 in the paper; the others follow.
        dropout: Rate behind the three deepest poolings; 0 leaves these layers out.

    Returns:
        Float tensors `conv1` to `conv5`, the ends of the five stages, and `c1` to
        `c5`, the same after pooling (64, 128, 256, 512 and 512 channels); and
        `indices1` to `indices5`, as `MaxUnpooling` takes them.
    """
    x = subtract_mean(image)
    taps = {}
    for stage, (repeats, published) in enumerate(STAGES, start=1):
        width = filters * published // STAGES[0][1]
        for number in range(1, repeats + 1):
            x = conv_bn_relu(
                x, width, 3, use_bias=True, name=f"block{stage}_conv{number}"
            )
        taps[f"conv{stage}"] = x
        pool = MaxPoolingWithIndices(name=f"block{stage}_pool")
        x, taps[f"indices{stage}"] = pool(x)
        if dropout and stage >= 3:
            x = layers.Dropout(dropout, name=f"block{stage}_dropout")(x)
        taps[f"c{stage}"] = x
    return taps
