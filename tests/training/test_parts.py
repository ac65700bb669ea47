"""Optimizers with the poly schedule, losses, and the auxiliary head."""

import keras
import numpy as np
import pytest

import kseg
from kseg.data import open_source
from kseg.losses import ClassBalancedCrossEntropy, CrossEntropy
from kseg.training import parts


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_the_rate_follows_poly(name):
    optimizer = parts.make_optimizer(100, name, learning_rate=0.2, power=0.9)
    constant = parts.make_optimizer(100, name, learning_rate=0.2, power=0)
    constant.iterations.assign(50)
    assert float(constant.learning_rate) == pytest.approx(0.2)
    for step in (0, 50, 99):
        optimizer.iterations.assign(step)
        rate = float(keras.ops.convert_to_numpy(optimizer.learning_rate))
        assert rate == pytest.approx(0.2 * (1 - step / 100) ** 0.9, rel=1e-5)


def test_the_rate_drops_to_a_tenth():
    optimizer = parts.make_optimizer(100, "sgd", learning_rate=0.2, drop_every=10)
    for step, expected in ((0, 0.2), (9, 0.2), (10, 0.02), (29, 0.002)):
        optimizer.iterations.assign(step)
        assert float(optimizer.learning_rate) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_a_layer_has_its_own_rate(name):
    model = kseg.build("unet", num_classes=2, filters=2, depth=2)
    optimizer = parts.make_optimizer(
        1, name, 0.1, power=0, weight_decay=0, multipliers={"classifier": 10.0}
    )
    before = [keras.ops.convert_to_numpy(v) for v in model.trainable_variables]
    ones = [keras.ops.ones(v.shape) for v in model.trainable_variables]
    optimizer.apply(ones, model.trainable_variables)
    for variable, value in zip(model.trainable_variables, before, strict=True):
        moved = value - keras.ops.convert_to_numpy(variable)
        expected = 1.0 if "classifier" in variable.path else 0.1
        np.testing.assert_allclose(moved, expected, rtol=1e-4)


def test_losses_by_name(scenes):
    source = open_source("folder", "train", path=scenes)
    assert isinstance(parts.make_loss(source), CrossEntropy)
    balanced = parts.make_loss(source, "class_balanced", pixels="sum")
    assert isinstance(balanced, ClassBalancedCrossEntropy)
    assert balanced.pixels == "sum" and balanced.ignore_class == 255
    with pytest.raises(ValueError, match="balances the classes itself"):
        parts.make_loss(source, "class_balanced", "median_frequency")
    with pytest.raises(ValueError, match="mean over pixels"):
        parts.make_loss(source, pixels="sum")
    with pytest.raises(ValueError, match="mean 'cross_entropy'"):
        parts.make_loss(source, "crossentropy")


def test_weight_decay_spares_biases_and_batch_norms():
    model = kseg.build("unet", num_classes=2, filters=2, depth=2)
    optimizer = parts.make_optimizer(1, "sgd", 1.0, power=0, weight_decay=0.5)
    for variable in model.trainable_variables:
        variable.assign(np.ones(variable.shape))
    zeros = [keras.ops.zeros(v.shape) for v in model.trainable_variables]
    optimizer.apply(zeros, model.trainable_variables)
    for variable in model.trainable_variables:
        decayed = variable.name not in ("gamma", "beta", "bias")
        np.testing.assert_allclose(variable.numpy(), 0.5 if decayed else 1.0)


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
