import keras
import numpy as np
import pytest
from every_network import build

import kseg

SMALL = dict(backbone="mobilenet_v2", filters=8, num_classes=3)


def trainable(model):
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def maps_of(model, names, image):
    outputs = [model.get_layer(name).output for name in names]
    return map(keras.ops.convert_to_numpy, keras.Model(model.input, outputs)(image))


def noise(*size):
    return np.random.default_rng(0).uniform(0, 255, (2, *size, 3)).astype("float32")


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return kseg.build("pspnet", **SMALL)


@pytest.mark.parametrize(
    ("backbone", "expected"),
    [
        ("resnet50_beta", {21: 46_716_373, 150: 46_782_550}),
        ("resnet101_beta", {21: 65_708_501}),
    ],
)
def test_the_parameters_are_counted_as_in_the_paper(backbone, expected):
    for num_classes, count in expected.items():
        model = kseg.build("pspnet", num_classes=num_classes, backbone=backbone)
        assert trainable(model) == count


def test_the_backbone_is_dilated_as_in_the_authors_code():
    """All units of the fourth stage by 2, all of the fifth by 4."""
    model = kseg.build("pspnet", backbone="resnet50_beta", filters=8)
    for stage, units, rate in ((4, 6, 2), (5, 3, 4)):
        for unit in range(1, units + 1):
            layer = model.get_layer(f"conv{stage}_block{unit}_2_conv")
            assert layer.dilation_rate == (rate, rate)
            assert layer.strides == (1, 1)


@pytest.mark.parametrize("size", [(64, 96), (65, 97), (20, 11)])
def test_the_pyramid_is_the_map_beside_its_levels(model, size):
    names = ["block_16_project_BN", "pyramid", "classifier", "level3_pool"]
    x, pyramid, classifier, pooled = maps_of(model, names, noise(*size))
    assert pooled.shape[1:] == (3, 3, 320)
    assert pyramid.shape[1:] == (*(-(-side // 8) for side in size), 2 * 320)
    assert classifier.shape[1:3] == pyramid.shape[1:3]
    np.testing.assert_array_equal(pyramid[..., :320], x)
    # The level of one bin is the same everywhere; that of six bins is not.
    single, finest = pyramid[..., 320:400], pyramid[..., -80:]
    np.testing.assert_array_equal(single, single[:, :1, :1] + 0 * single)
    assert np.ptp(finest, axis=(1, 2)).max() > 0


def test_corners_are_aligned_where_asked():
    """Of an image of 8 m + 1 pixels every eighth logit is one of the classifier's."""
    aligned = {}
    for align_corners in (False, True):
        model = build("pspnet", align_corners=align_corners)
        logits, scores = maps_of(model, ["logits", "classifier"], noise(33, 49))
        atol = 1e-4 * np.ptp(scores)
        aligned[align_corners] = np.allclose(logits[:, ::8, ::8], scores, atol=atol)
        for side in (1, 2, 3, 6):
            layer = model.get_layer(f"level{side}_resize")
            assert layer.align_corners == align_corners
    assert aligned == {False: False, True: True}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(num_classes=1), "`num_classes` must be 2 or more. Received: 1"),
        (dict(output_stride=32), "`output_stride` must be 8 or 16. Received: 32"),
        (dict(bins=()), r"`bins` must be.*Received: \(\)"),
        (dict(bins=(1, 1)), r"different numbers.*Received: \(1, 1\)"),
        (dict(bins=(0, 2)), r"of 1 or more. Received: \(0, 2\)"),
        (dict(backbone="resnet50_bet"), "Did you mean 'resnet50_beta'"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        kseg.build("pspnet", **arguments)


def test_mmsegmentations_form_leaves_the_first_unit_as_it_was():
    model = kseg.build("pspnet", backbone="resnet50_v1c", filters=8, dilate_first=False)
    rates = [
        model.get_layer(f"conv{stage}_block{unit}_2_conv").dilation_rate[0]
        for stage in (4, 5)
        for unit in (1, 2)
    ]
    assert rates == [1, 2, 2, 4]
