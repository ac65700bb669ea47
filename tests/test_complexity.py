"""Multiply-adds and activations, counted: what a change of a network would cost.

The numbers of `PINS` were counted once; a change that is meant changes them here, too.
"""

import math
import re

import keras
import pytest
import tensorflow as tf
from keras import layers

import kseg
from kseg.complexity import activation_bytes, multiply_adds

# Of 256x256 pixels and 21 classes: multiply-adds, and bytes of activations.
PINS = {
    "deconvnet": (43_369_103_360, 38_797_312),
    "deeplabv1": (31_522_701_028, 34_604_032),
    "deeplabv1_msc": (32_756_350_692, 35_390_464),
    "deeplabv2": (45_911_260_900, 25_952_256),
    "deeplabv3": (11_749_097_472, 13_369_344),
    "deeplabv3plus": (1_399_717_888, 13_369_344),
    "fcn16s": (73_510_851_984, 106_317_824),
    "fcn32s": (73_466_917_632, 106_317_824),
    "fcn8s": (73_549_655_952, 106_317_824),
    "fcn_resnet": (34_591_997_952, 25_952_256),
    "hed": (32_581_758_080, 54_701_056),
    "hrnet": (1_045_430_272, 9_307_136),
    "lraspp": (494_888_832, 9_175_040),
    "ocrnet": (9_203_941_376, 34_684_928),
    "pspnet": (44_207_439_872, 34_340_864),
    "refinenet": (65_422_753_792, 25_952_256),
    "segformer": (1_766_653_952, 34_340_864),
    "segnet": (40_768_634_880, 38_797_312),
    "segnet_basic": (22_489_858_048, 38_797_312),
    "smp_deeplabv3plus": (7_904_952_320, 10_747_904),
    "smp_pspnet": (2_434_473_984, 9_307_136),
    "smp_unet": (8_002_732_032, 17_563_648),
    "unet": (48_251_273_216, 67_108_864),
}
# Of all sizes of backbones the smallest.
SMALL = dict.fromkeys(("hrnet", "ocrnet"), dict(backbone="hrnet_w18_small_v1"))


def build(name, **arguments):
    """Builds a network without memory for its weights."""
    with keras.StatelessScope(initialize_variables=False):
        return kseg.build(name, **arguments)


@pytest.fixture(scope="module", params=kseg.names())
def name(request):
    return request.param


@pytest.fixture(scope="module")
def model(name):
    return build(name, **SMALL.get(name, {}))


def test_it_costs_what_it_did(name, model):
    size = (256, 256)
    assert (multiply_adds(model, size), activation_bytes(model, size)) == PINS[name]


def test_tensorflow_counts_the_same(model):
    # A size that all rates divide: what is dilated is cut into whole blocks.
    size = (1152, 1152)
    assert multiply_adds(model, size) == profiled(model, size)


def profiled(model, size):
    """What TensorFlow's profiler says of the graph, two operations a multiply-add."""
    with keras.StatelessScope(initialize_variables=False):
        run = tf.function(lambda x: model(x, training=False))
        graph = run.get_concrete_function(tf.TensorSpec((1, *size, 3))).graph
    builder = tf.compat.v1.profiler.ProfileOptionBuilder
    options = builder(builder.float_operation()).with_empty_output().build()
    nodes = [tf.compat.v1.profiler.profile(graph, cmd="op", options=options)]
    found = 0
    while nodes:
        node = nodes.pop()
        nodes += node.children
        if node.name in ("BatchMatMulV2", "Conv2D", "DepthwiseConv2dNative"):
            found += node.float_ops / 2
    # Of a transposed convolution it takes what comes out for what goes in.
    for operation in graph.get_operations():
        if operation.type == "Conv2DBackpropInput":
            _, kernel, x = operation.inputs
            found += math.prod(kernel.shape) * math.prod(x.shape[:-1])
    return found


# What was published, in units of 1e9 or of 2**30, and what is in it that the network
# has not. torchvision 0.28: `_ops` of the weights, with an auxiliary head at stride 8,
# a 3x3 convolution from 1024 to 256 channels and a 1x1 to 21.
HEAD = 65**2 * (9 * 1024 * 256 + 256 * 21)
TORCHVISION = dict(backbone="resnet50_torch", output_stride=8, head="torchvision")
# HRNet-Semantic-Segmentation, branch master, README.
V1 = dict(backbone="hrnet_w18_small_v1", num_classes=19)
V2 = dict(backbone="hrnet_w18_small_v2", num_classes=19)
# Xie et al., "SegFormer", 2021, table 1.
B0 = dict(backbone="mit_b0", num_classes=150)
B1 = dict(backbone="mit_b1", num_classes=150)


@pytest.mark.parametrize(
    ("name", "arguments", "size", "unit", "beside", "published"),
    [
        ("lraspp", {}, (520, 520), 1e9, 0, "2.086"),
        ("fcn_resnet", {}, (520, 520), 1e9, HEAD, "152.717"),
        ("deeplabv3", TORCHVISION, (520, 520), 1e9, HEAD, "178.722"),
        ("hrnet", V1, (1024, 2048), 2**30, 0, "31.1"),
        ("hrnet", V2, (1024, 2048), 2**30, 0, "71.6"),
        ("segformer", B0, (512, 512), 1e9, 0, "8.4"),
        ("segformer", B1, (512, 512), 1e9, 0, "15.9"),
    ],
)
def test_it_is_what_was_published(name, arguments, size, unit, beside, published):
    found = (multiply_adds(build(name, **arguments), size) + beside) / unit
    assert f"{found:.{len(published.partition('.')[2])}f}" == published


@pytest.mark.parametrize(
    ("name", "backbone", "published"),
    [("deeplabv3", "mobilenet_v2", 2.75), ("deeplabv3plus", "xception65", 54.17)],
)
def test_it_is_nearly_what_the_zoo_of_deeplab_says(name, backbone, published):
    """Of tensorflow/models, g3doc/model_zoo.md, whose profiler adds what is linear."""
    found = multiply_adds(build(name, backbone=backbone), (513, 513)) / 1e9
    assert 0.995 * published < found < published


def test_every_kind_of_layer():
    image = keras.Input((None, None, 3))
    x = layers.Conv2D(8, 3, strides=2, padding="same")(image)  # 5x7
    x = layers.DepthwiseConv2D(3, depth_multiplier=2)(x)  # 3x5
    x = layers.Conv2D(4, 1, groups=4)(layers.BatchNormalization()(x))
    x = layers.Conv2DTranspose(2, 3, strides=2)(layers.ReLU()(x))
    model = keras.Model(image, layers.Dense(6)(layers.GlobalMaxPooling2D()(x)))
    convolution, depthwise = 5 * 7 * 9 * 3 * 8, 3 * 5 * 9 * 16
    grouped, transposed = 3 * 5 * 4 * 4, 3 * 5 * 9 * 4 * 2
    expected = convolution + depthwise + grouped + transposed + 2 * 6
    assert multiply_adds(model, (10, 13)) == expected
    outer = keras.Model(image, layers.Conv2D(2, 1)(image) + 1)
    both = keras.Model(image, [model(image), outer(image)])
    assert multiply_adds(both, (10, 13)) == expected + 10 * 13 * 3 * 2


def test_what_is_taken_later_is_held_until_then():
    image = keras.Input((8, 8, 1))
    early = layers.Conv2D(2, 1)(image)  # 512 bytes, as the sum
    small = layers.AveragePooling2D(2)(early)
    large = layers.UpSampling2D()(small)
    model = keras.Model(image, layers.Add()([early, large]))
    assert activation_bytes(model) == 3 * 512
    # Without the sum nothing waits, and a pair of two maps is the most.
    assert activation_bytes(keras.Model(image, large)) == 256 + 512
    both = keras.Model(image, [early, large])
    assert activation_bytes(both) == 512 + 128 + 512
    half = keras.Model(image, layers.Conv2D(1, 1, dtype="float16")(image))
    assert activation_bytes(half) == 256 + 128


def test_what_cannot_be_counted_is_refused():
    image = keras.Input((8, None, 3))
    x = layers.SeparableConv2D(2, 3)(image)
    with pytest.raises(ValueError, match="must be known.*a SeparableConv2D"):
        multiply_adds(keras.Model(image, x), (8, 8))
    model = keras.Model(image, layers.ReLU()(image))
    assert multiply_adds(model, (8, 9)) == 0
    for size in (None, (9, 8)):
        with pytest.raises(ValueError, match=re.escape(f"size={size}")):
            multiply_adds(model, size)
    with pytest.raises(ValueError, match="Only a functional model"):
        multiply_adds(keras.Sequential([layers.ReLU()]), (8, 8))
