import keras
import numpy as np
import pytest
from every_network import build as build_randomised
from every_network import images, logits_of
from interpolation import resized

import kseg
from kseg.networks.refinenet import LEARNING_RATE_MULTIPLIERS
from kseg.optimizers import SGD

TRUNKS = {"resnet50": 23_508_032, "resnet101": 42_500_160, "resnet152": 58_143_808}
RELEASED = dict(pools=4, pool_first=False, output_units=3)
PAPER = dict(pools=2, pool_first=True, output_units=1)
# The maps that each block fuses, of which the first has twice the channels.
BLOCKS = {1: [4], 2: [2, 3], 4: [1, 2, 2, 2]}
CHANNELS = {"c5": 2048, "c4": 1024, "c3": 512, "c2": 256}


def build(backbone="mobilenet_v2", **options):
    return kseg.build(
        "refinenet", **(dict(backbone=backbone, filters=8, num_classes=3) | options)
    )


def trainable(model):
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def parameters(num_classes, pools, output_units, filters=256, cascades=4, **_):
    """Adds up the convolutions behind a ResNet."""

    def unit(width):
        return 2 * 9 * width**2 + width

    total = 9 * filters * num_classes + num_classes
    for tap, channels in CHANNELS.items():
        width = 2 * filters if tap == "c5" else filters
        total += 9 * channels * width + 2 * unit(width)
    wide = 2 * filters
    for paths in BLOCKS[cascades]:
        if paths > 1:  # all but one have `filters` channels
            total += 9 * filters * (wide + (paths - 1) * filters)
            wide = filters
        total += pools * 9 * wide**2 + output_units * unit(wide)
    return total


@pytest.fixture(scope="module")
def small():
    """On VGG16, with 16 channels; all is far from zero."""
    return build_randomised("refinenet")


def outputs_of(model, names, x):
    outputs = [model.get_layer(name).output for name in names]
    found = keras.Model(model.input, outputs)(x.astype("float32"), training=False)
    return [keras.ops.convert_to_numpy(each) for each in found]


def convolve(model, name, x):
    """What a convolution of the network makes of a map."""
    layer = model.get_layer(name)
    x = keras.ops.conv(x, layer.kernel, padding="same")
    return keras.ops.convert_to_numpy(x + layer.bias if layer.use_bias else x)


def assert_close(actual, expected):
    assert np.ptp(expected) > 0
    np.testing.assert_allclose(actual, expected, atol=1e-4 * np.abs(expected).max())


# Parameters.


@pytest.mark.parametrize(
    ("form", "counts"),
    [
        (RELEASED, (99_060_309, 118_052_437, 133_696_085)),
        (PAPER, (74_285_141, 93_277_269, 108_920_917)),
    ],
)
def test_the_sums_are_those_published(form, counts):
    """99, 118 and 134 million; whole networks are built in the tests below."""
    sums = [trunk + parameters(21, **form) for trunk in TRUNKS.values()]
    assert tuple(sums) == counts


@pytest.mark.parametrize("num_classes", [21, 11])
def test_the_default_is_the_released_form(num_classes):
    model = kseg.build("refinenet", backbone="resnet50", num_classes=num_classes)
    published = 99_011_904 + 2_305 * num_classes
    assert trainable(model) == published == 23_508_032 + parameters(num_classes, 4, 3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backbone", "form", "expected"),
    [
        ("resnet50", PAPER, 74_285_141),
        ("resnet101", RELEASED, 118_052_437),
        ("resnet101", PAPER, 93_277_269),
        ("resnet152", RELEASED, 133_696_085),
    ],
)
def test_whole_networks_have_the_published_parameters(backbone, form, expected):
    assert trainable(kseg.build("refinenet", backbone=backbone, **form)) == expected


@pytest.mark.parametrize("cascades", [1, 2, 4])
@pytest.mark.parametrize("form", [RELEASED, PAPER])
def test_every_form_and_cascade_adds_up(cascades, form):
    model = build("vgg16", cascades=cascades, **form)
    channels = {"c5": 512, "c4": 512, "c3": 256, "c2": 128}
    difference = 9 * sum(
        (channels[tap] - CHANNELS[tap]) * (16 if tap == "c5" else 8) for tap in CHANNELS
    )
    expected = parameters(3, filters=8, cascades=cascades, **form) + difference
    assert trainable(model) == 14_714_688 + expected


# Parts.


def test_a_residual_unit_adds_what_two_convolutions_make(small):
    names = ["c3_adapt", "c3_unit1", "c3_unit2"]
    x, first, second = outputs_of(small, names, images((48, 40)))
    for before, after, name in ((x, first, "unit1"), (first, second, "unit2")):
        inner = convolve(small, f"c3_{name}_conv1", np.maximum(before, 0))
        added = convolve(small, f"c3_{name}_conv2", np.maximum(inner, 0))
        assert_close(after, before + added)
        assert np.abs(added).max() > 1e-3 * np.abs(before).max()


@pytest.mark.parametrize("size", [(48, 40), (33, 47)])
def test_fusion_sums_at_the_size_of_the_finest(small, size):
    for block, tap in ((2, "c4"), (3, "c3"), (4, "c2")):
        names = [f"block{block - 1}_unit3", f"{tap}_unit2", f"block{block}_fused"]
        coarse, fine, fused = outputs_of(small, names, images(size))
        channels = coarse.shape[-1], fine.shape[-1], fused.shape[-1]
        assert channels == (32 if block == 2 else 16, 16, 16)
        coarse = convolve(small, f"block{block}_fuse1", coarse)
        expected = resized(coarse, fine.shape[1:3])
        assert_close(fused, expected + convolve(small, f"block{block}_fuse2", fine))


def test_the_coarsest_map_alone_is_not_convolved(small):
    alone, fused = small.get_layer("block1_relu"), small.get_layer("block2_relu")
    assert alone.input is small.get_layer("c5_unit2").output
    assert fused.input is small.get_layer("block2_fused").output


def largest_of_25(x):
    """The largest value of the 5x5 pixels around each, by slices of a padded map."""
    edges = ((0, 0), (2, 2), (2, 2), (0, 0))
    padded = np.pad(x, edges, constant_values=-np.inf)
    height, width = x.shape[1:3]
    shifted = [
        padded[:, i : i + height, j : j + width] for i in range(5) for j in range(5)
    ]
    return np.max(shifted, axis=0)


@pytest.mark.parametrize("pool_first", [False, True])
def test_poolings_are_chained_and_summed(pool_first):
    model = build_randomised("refinenet", pools=3, pool_first=pool_first)
    names = ["block2_fused", "block2_pooled"]
    x, pooled = outputs_of(model, names, images((80, 112)))
    link = np.maximum(x, 0)
    expected = link
    for number in (1, 2, 3):
        link = largest_of_25(link) if pool_first else link
        link = convolve(model, f"block2_pool{number}_conv", link)
        link = link if pool_first else largest_of_25(link)
        expected = expected + link
    assert_close(pooled, expected)


@pytest.mark.parametrize(
    ("cascades", "expected"),
    [
        (4, [["c5"], ["c4"], ["c3"], ["c2"]]),
        (2, [["c5", "c4"], ["c3", "c2"]]),
        (1, [["c5", "c4", "c3", "c2"]]),
    ],
)
def test_the_blocks_of_a_cascade_fuse_the_maps_of_figure_7(cascades, expected):
    model = build("vgg16", cascades=cascades, output_units=1)
    before = []
    for number, taps in enumerate(expected, start=1):
        paths = before + [f"{tap}_unit2" for tap in taps]
        before = [f"block{number}_unit1"]
        inputs = [
            model.get_layer(f"block{number}_fuse{i}").input.name
            for i in range(1, len(paths) + 1)
            if len(paths) > 1
        ] or [model.get_layer(f"block{number}_relu").input.name]
        assert inputs == [model.get_layer(path).output.name for path in paths]
    assert f"block{len(expected) + 1}_relu" not in [x.name for x in model.layers]
    logits = logits_of(model, images((33, 47)))
    assert logits.shape == (2, 33, 47, 3)


def test_the_two_coarsest_maps_and_the_last_have_dropout(small):
    dropped = {
        layer.name: layer.rate
        for layer in small.layers
        if isinstance(layer, keras.layers.Dropout)
    }
    assert dropped == {"c5_dropout": 0.5, "c4_dropout": 0.5, "dropout": 0.5}


@pytest.mark.parametrize("size", [(64, 96), (33, 47)])
def test_scores_have_a_quarter_of_the_resolution(small, size):
    scores, logits = outputs_of(small, ["classifier", "logits"], images(size))
    assert scores.shape[1:3] == tuple(-(-side // 4) for side in size)
    assert_close(logits, resized(scores, size))


def test_mobilenet_v2_is_a_backbone_too():
    model = build(num_classes=4)
    assert model.get_layer("c5_adapt").kernel.shape == (3, 3, 320, 16)
    logits = logits_of(model, images((33, 47)))
    assert logits.shape == (2, 33, 47, 4) and np.all(np.isfinite(logits))


@pytest.mark.parametrize("filters", [256, 64])
def test_convolutions_start_as_the_authors_at_their_width(filters):
    keras.utils.set_random_seed(0)
    model = build("vgg16", filters=filters)
    for name in ("c4_unit1_conv2", "block3_fuse2", "block4_pool1_conv"):
        kernel = np.asarray(model.get_layer(name).kernel)
        expected = 0.01 * (256 / filters) ** 0.5
        assert kernel.std() == pytest.approx(expected, rel=0.02)


# Training.


def test_frozen_batch_norms_stay_as_they_are():
    trained = build("resnet50")
    frozen = build("resnet50", freeze_batch_norm=True, dropout=0.0)
    # Two trainable parameters for each of the channels that the 53 norms have.
    assert trainable(trained) - trainable(frozen) == 2 * 26_560
    pixels = images((33, 47))
    expected = logits_of(frozen, pixels)
    assert np.ptp(expected) > 0
    np.testing.assert_allclose(frozen(pixels, training=True), expected, rtol=1e-4)


def test_the_backbone_learns_at_a_tenth():
    model = build("resnet50")
    optimizer = SGD(1.0, multipliers=LEARNING_RATE_MULTIPLIERS)
    optimizer.build(model.trainable_variables)
    slow = {
        v.path
        for v, factor in zip(model.trainable_variables, optimizer._factors, strict=True)
        if factor == 0.1
    }
    trunk = keras.Model(model.input, model.get_layer("conv5_block3_out").output)
    assert slow == {v.path for v in trunk.trainable_variables}
    assert set(optimizer._factors) == {0.1, 1.0}


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (dict(num_classes=1), "2 or more. Received: 1"),
        (dict(cascades=3), "`cascades` must be 1, 2 or 4. Received: 3"),
        (dict(backbone="resnet15"), "mean 'resnet152'"),
        (dict(backbone="xception65", weights="imagenet"), "backbone='xception65'"),
    ],
)
def test_wrong_arguments_are_refused(argument, message):
    with pytest.raises(ValueError, match=message):
        kseg.build("refinenet", **argument)
