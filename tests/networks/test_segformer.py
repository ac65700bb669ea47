import keras
import numpy as np
import pytest

import kseg


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return kseg.build("segformer", num_classes=3, filters=8)


@pytest.mark.parametrize(
    ("backbone", "expected"),
    [
        ("mit_b0", {19: 3_719_027, 150: 3_752_694}),
        ("mit_b1", {19: 13_682_131}),
        ("mit_b2", {19: 27_361_235, 150: 27_461_974}),
        ("mit_b3", {19: 47_237_075}),
        ("mit_b4", {19: 64_007_635}),
        ("mit_b5", {19: 84_607_955}),
    ],
)
def test_the_parameters_are_those_of_the_published_files(backbone, expected):
    """Counted in Hugging Face's `SegformerForSemanticSegmentation`."""
    for num_classes, count in expected.items():
        model = kseg.build("segformer", num_classes=num_classes, backbone=backbone)
        assert sum(np.prod(v.shape) for v in model.trainable_variables) == count


@pytest.mark.parametrize("size", [(64, 96), (65, 97)])
def test_maps_meet_at_stride_4_the_deepest_first(model, size):
    fused = model.get_layer("linear_c")
    sources = [x._keras_history.operation.name for x in fused.input]
    assert sources == [f"linear_c_{number}_resize" for number in (3, 2, 1, 0)]
    names = ["linear_c", "classifier"]
    outputs = [model.get_layer(name).output for name in names]
    maps = keras.Model(model.input, outputs)(np.zeros((1, *size, 3)))
    quarter = tuple(-(-side // 4) for side in size)
    assert [x.shape[1:] for x in maps] == [(*quarter, 32), (*quarter, 3)]


def test_every_pixel_is_seen_everywhere(model):
    """Unlike a convolution, attention has no border, even at stride 4."""
    image = np.full((1, 64, 640, 3), 90, "float32")
    outputs = [model.get_layer("layer_norm_0").output, model.output]
    parts = keras.Model(model.input, outputs)
    before = [keras.ops.convert_to_numpy(x) for x in parts(image)]
    image[:, :16, :16] = 255
    for old, new in zip(before, parts(image), strict=True):
        moved = np.abs(keras.ops.convert_to_numpy(new) - old)[:, :, -4:].max(axis=-1)
        assert np.count_nonzero(moved) > 0.9 * moved.size


def test_a_convolutional_backbone_takes_the_decoder():
    model = kseg.build("segformer", num_classes=3, backbone="mobilenet_v2", filters=8)
    assert model.output_shape == (None, None, None, 3)
    assert model.get_layer("linear_c_3_proj").input.shape[-1] == 320


def test_an_unknown_backbone_is_refused():
    with pytest.raises(ValueError, match="Received: 'mit_b6'. Did you mean 'mit_b"):
        kseg.build("segformer", backbone="mit_b6")
    with pytest.raises(ValueError, match="published weights.*backbone='mit_b0'"):
        kseg.build("segformer", weights="imagenet")


@pytest.mark.parametrize(("form", "epsilon"), [("paper", 1e-5), ("mmseg", 1e-6)])
def test_mmsegmentations_form_normalises_the_linear_layers(form, epsilon):
    model = kseg.build("segformer", num_classes=3, filters=8, form=form)
    names = {layer.name for layer in model.layers}
    assert ("linear_c_0_proj_bn" in names) == (form == "mmseg")
    assert model.get_layer("linear_c_0_proj").use_bias == (form == "paper")
    for name in ("patch_embeddings_1", "block_0_0_attention_self"):
        assert model.get_layer(f"{name}_layer_norm").epsilon == epsilon
    assert model.get_layer("block_0_0_layer_norm_1").epsilon == 1e-6


def test_an_unknown_form_is_refused():
    with pytest.raises(ValueError, match="'paper'.*Received: 'nvidia'"):
        kseg.build("segformer", form="nvidia")
