"""Losses by name, and the auxiliary head."""

import numpy as np
import pytest

import kseg
from kseg import losses
from kseg.data import class_weights, open_source
from kseg.training import parts


@pytest.fixture
def source(scenes):
    return open_source("folder", "train", path=scenes)


@pytest.mark.parametrize(
    ("section", "kind", "attributes"),
    [
        ({}, losses.CrossEntropy, {"label_smoothing": 0.0, "class_weights": None}),
        ({"name": "boundary", "max_distance": 9}, losses.BoundaryLoss,
         {"max_distance": 9}),
        ({"name": "class_balanced", "pixels": "sum"}, losses.ClassBalancedCrossEntropy,
         {"pixels": "sum"}),
        ({"name": "cross_entropy", "label_smoothing": 0.1}, losses.CrossEntropy,
         {"label_smoothing": 0.1}),
        ({"name": "dice", "classes": "all"}, losses.Dice, {"classes": "all"}),
        ({"name": "focal", "gamma": 3}, losses.FocalCrossEntropy, {"gamma": 3}),
        ({"name": "jaccard", "smooth": 2}, losses.Jaccard, {"smooth": 2}),
        ({"name": "lovasz_softmax"}, losses.LovaszSoftmax, {"classes": "present"}),
        ({"name": "ohem", "min_kept": 99}, losses.OhemCrossEntropy, {"min_kept": 99}),
        ({"name": "tversky", "beta": 0.6}, losses.Tversky, {"beta": 0.6}),
    ],
)  # fmt: skip
def test_losses_by_name(source, section, kind, attributes):
    loss = parts.make_loss(source, **section)
    assert type(loss) is kind and loss.ignore_class == 255
    assert {name: getattr(loss, name) for name in attributes} == attributes


def test_every_loss_has_a_name():
    classes = {getattr(losses, name) for name in losses.__all__}
    # Of several losses, of a teacher's map, of small logits: other keys choose them.
    classes -= {losses.PixelWeightedLoss, losses.WeightedSum}
    classes -= {losses.MeanOverPixels, losses.Resized}
    assert set(parts._LOSSES.values()) == classes


@pytest.mark.parametrize("name", ["ohem", "dice", "boundary"])
def test_weights_are_counted_on_the_training_data(source, name):
    method = {"name": "median_frequency", "power": 0.5}
    loss = parts.make_loss(source, name, class_weights=method)
    assert loss.class_weights == class_weights(source, method)
    assert parts.make_loss(source, name, class_weights="none").class_weights is None


def test_a_sum_of_losses(source):
    terms = [
        {"class_weights": "inverse"},
        {"name": "dice", "factor": 0.5, "smooth": 0.0},
    ]
    loss = parts.make_loss(source, "sum", terms=terms)
    assert isinstance(loss, losses.WeightedSum)
    assert [type(x) for x in loss.losses] == [losses.CrossEntropy, losses.Dice]
    assert loss.factors == [1.0, 0.5]
    assert loss.losses[0].class_weights == class_weights(source, "inverse")
    assert terms[1]["factor"] == 0.5  # the config stays as it is


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"name": "crossentropy"}, "mean 'cross_entropy'"),
        ({"name": "class_balanced", "class_weights": "inverse"},
         "key of the loss 'class_balanced' .*'class_weights'"),
        ({"pixels": "sum"}, "key of the loss 'cross_entropy' .*'pixels'"),
        ({"name": "dice", "gamma": 2}, "'gamma'"),
        ({"name": "dice", "ignore_class": 3}, "'ignore_class'"),
        ({"name": "sum"}, "`terms` must be a list of losses"),
        ({"name": "sum", "terms": []}, "`terms` must be a list of losses"),
        ({"name": "sum", "terms": ["dice"]}, "`terms` must be a list of losses"),
        ({"name": "sum", "terms": [{"name": "dice", "alpha": 1}]}, "'alpha'"),
        ({"name": "sum", "terms": [{"factor": -1}]}, "of 0 or more"),
        ({"name": "dice", "factor": 2}, "'factor'"),
    ],
)  # fmt: skip
def test_options_belong_to_their_loss(source, section, message):
    with pytest.raises(ValueError, match=message):
        parts.make_loss(source, **section)


def test_an_auxiliary_head_shares_the_network():
    model = kseg.build("unet", num_classes=3, filters=2, depth=2)
    both, factors = parts.add_heads(model, "encoder2_relu2", filters=4)
    assert factors == {"logits": 1.0, "auxiliary": 0.4}
    image = np.random.default_rng(0).uniform(0, 255, (1, 17, 23, 3)).astype("float32")
    outputs = both(image)
    np.testing.assert_array_equal(outputs["logits"], model(image))
    assert outputs["auxiliary"].shape == (1, 17, 23, 3)
    with pytest.raises(ValueError, match="Did you mean 'encoder2_relu2'"):
        parts.add_heads(model, "encoder2_relu3")
    with pytest.raises(ValueError, match="not be negative"):
        parts.add_heads(model, "encoder2_relu2", weight=-1)


@pytest.mark.parametrize("align_corners", [False, True])
def test_an_auxiliary_head_lies_on_the_image_as_the_network_does(align_corners):
    model = kseg.build(
        "pspnet", backbone="mobilenet_v2", filters=4, align_corners=align_corners
    )
    both, _ = parts.add_heads(model, "block_13_expand_relu", filters=4)
    assert both.get_layer("auxiliary").align_corners is align_corners


@pytest.mark.parametrize(
    ("backbone", "tap", "expected"),
    [
        ("resnet50_beta", "conv4_block6_out", 49_081_578),
        ("resnet101_beta", "conv4_block23_out", 68_073_706),
    ],
)
def test_the_auxiliary_head_is_that_of_pspnet(backbone, tap, expected):
    """3x3 to 256 channels, batch norm, ReLU, dropout 0.1, 1x1 (section 3.3)."""
    model = kseg.build("pspnet", num_classes=21, backbone=backbone)
    both, factors = parts.add_heads(model, tap)
    assert factors == {"logits": 1.0, "auxiliary": 0.4}
    assert sum(np.prod(v.shape) for v in both.trainable_variables) == expected
    assert both.get_layer("auxiliary_dropout").rate == 0.1


def test_layers_of_the_network_are_heads():
    model = kseg.build("hed", padding="same")
    both, factors = parts.add_heads(model, outputs=["side2", "side5"], weight=0.5)
    assert factors == {"logits": 1.0, "side2": 0.5, "side5": 0.5}
    image = np.random.default_rng(0).uniform(0, 255, (1, 17, 23, 3)).astype("float32")
    np.testing.assert_array_equal(both(image)["logits"], model(image))
    assert both(image)["side5"].shape == (1, 17, 23, 1)


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (["side_5"], "Did you mean 'side5'"),
        ("side1", "must be a list"),
        (["block1_conv1"], "must give logits.*64"),
        (["fuse"], "not be its last"),
    ],
)
def test_what_is_no_logits_is_no_head(outputs, message):
    with pytest.raises(ValueError, match=message):
        parts.add_heads(kseg.build("hed", padding="same"), outputs=outputs)


def test_without_heads_only_a_wrapper_is_compiled():
    model = kseg.build("unet", num_classes=3, filters=2, depth=2)
    alone, factors = parts.add_heads(model)
    assert factors == {} and alone is not model
    assert alone.output is model.output
