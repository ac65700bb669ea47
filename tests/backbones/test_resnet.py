import keras
import numpy as np
import pytest
from trunks import images, randomise, run, trunk, write_h5

from kseg import backbones

TRAINABLE = {
    "resnet50": 23_508_032,
    "resnet101": 42_500_160,
    "resnet152": 58_143_808,
    "resnet50_beta": 23_508_032 + 123_776,
    "resnet101_beta": 42_500_160 + 123_776,
    "resnet18_torch": 11_176_512,
    "resnet34_torch": 21_284_672,
    "resnet50_torch": 23_508_032,
    "resnet101_torch": 42_500_160,
    "resnet152_torch": 58_143_808,
    "resnet50_v1c": 23_508_032 + 19_232,
    "resnet101_v1c": 42_500_160 + 19_232,
}
BUILDERS = {
    "resnet50": keras.applications.ResNet50,
    "resnet101": keras.applications.ResNet101,
    "resnet152": keras.applications.ResNet152,
}
FORMS = ["resnet50", "resnet50_beta", "resnet50_torch"]


def taps(name):
    """The layers of keras.applications at which our taps lie."""
    third, fourth = {"50": (4, 6), "101": (4, 23), "152": (8, 36)}[name[6:]]
    return {
        "c1": "conv1_relu",
        "c2": "conv2_block3_out",
        "c3": f"conv3_block{third}_out",
        "c4": f"conv4_block{fourth}_out",
        "c5": "conv5_block3_out",
    }


def rates(model, stage):
    """The dilations of the 3x3 convolutions of a stage."""
    return [
        layer.dilation_rate[0]
        for layer in model.layers
        if layer.name.startswith(f"conv{stage}_") and layer.name.endswith("_2_conv")
    ]


@pytest.mark.parametrize("name", TRAINABLE)
def test_the_parameters_are_those_of_the_paper_and_the_stem(name):
    variables = trunk(name).trainable_variables
    assert sum(np.prod(v.shape) for v in variables) == TRAINABLE[name]


@pytest.mark.parametrize("name", BUILDERS)
def test_published_weights_give_the_published_features(name, tmp_path):
    """A file as Keras publishes it: BGR images, and biases in the convolutions."""
    theirs = BUILDERS[name](
        include_top=False, weights=None, input_shape=(None, None, 3)
    )
    path = write_h5(tmp_path / "weights.h5", randomise(theirs))
    outputs = {tap: theirs.get_layer(layer).output for tap, layer in taps(name).items()}
    theirs = keras.Model(theirs.input, outputs)
    ours = trunk(name)
    backbones.load_weights(ours, path, name, ours.output["c5"])
    path.unlink()

    for size in ((96, 64), (65, 97)):
        expected = run(
            theirs, keras.applications.resnet.preprocess_input(images(*size))
        )
        actual = run(ours, images(*size))
        for tap in outputs:
            atol = 1e-4 * np.abs(expected[tap]).max()
            np.testing.assert_allclose(
                actual[tap], expected[tap], atol=atol, err_msg=tap
            )


@pytest.mark.parametrize(
    ("name", "mean", "deviation"),
    [
        ("resnet50", [123.68, 116.779, 103.939], [1, 1, 1]),
        ("resnet50_beta", [123.68, 116.779, 103.939], [1, 1, 1]),
        ("resnet50_torch", [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]),
        ("resnet50_v1c", [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]),
    ],
)
def test_the_form_says_how_images_are_normalised(name, mean, deviation):
    model = trunk(name)
    normalised = keras.Model(model.input, model.get_layer("normalise").output)
    image = np.random.default_rng(0).uniform(0, 255, (1, 2, 3, 3))
    expected = (image - mean) / deviation
    np.testing.assert_allclose(normalised(image), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", FORMS)
def test_the_form_says_where_a_stage_strides(name):
    model = trunk(name)
    strided = {
        layer.name
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D) and layer.strides == (2, 2)
    }
    stem = "conv1_1_conv" if name.endswith("beta") else "conv1_conv"
    within = 1 if name == "resnet50" else 2
    units = {f"conv{stage}_block1" for stage in (3, 4, 5)}
    shortcuts = {f"{unit}_0_conv" for unit in units}
    assert strided == {stem} | shortcuts | {f"{unit}_{within}_conv" for unit in units}


def test_rates_are_those_of_the_papers():
    """Tables 9.1 of DeepLab v3 and PSPNet's code, against torchvision's."""
    grid = {"multi_grid": (1, 2, 4)}
    for output_stride, fourth, fifth in ((16, 1, [2, 4, 8]), (8, 2, [4, 8, 16])):
        for name in ("resnet50", "resnet50_beta"):
            options = {} if name == "resnet50" else {"dilate_first": True}
            model = trunk(name, output_stride, **grid, **options)
            assert rates(model, 3) == [1] * 4
            assert rates(model, 4) == [fourth] * 6
            assert rates(model, 5) == fifth
    model = trunk("resnet50_torch", 8)
    assert rates(model, 4) == [1] + 5 * [2]
    assert rates(model, 5) == [2, 4, 4]


def test_a_cascade_doubles_the_rates_and_keeps_the_map():
    model = trunk("resnet50", 16, multi_grid=(1, 2, 1), cascade=3)
    found = [rates(model, stage) for stage in (5, 6, 7, 8)]
    assert found == [[2, 4, 2], [4, 8, 4], [8, 16, 8], [16, 32, 16]]
    assert model.output["c8"].shape == model.output["c5"].shape
    block = [layer for layer in model.layers if layer.name.startswith("conv8_")]
    variables = [v for layer in block for v in layer.trainable_variables]
    assert sum(np.prod(v.shape) for v in variables) == 13_387_776


@pytest.mark.parametrize("name", FORMS)
def test_a_denser_cascade_holds_the_strided_one(name):
    """Multi-grid and copied stages scale with the resolution, too."""
    options = {"multi_grid": (1, 2, 3), "cascade": 1}
    strided = randomise(trunk(name, 16, **options))
    dilated = trunk(name, 8, **options)
    dilated.set_weights(strided.get_weights())
    coarse, fine = run(strided, images(75, 82)), run(dilated, images(75, 82))
    for tap in ("c5", "c6"):
        atol = 1e-4 * np.abs(coarse[tap]).max()
        np.testing.assert_allclose(fine[tap][:, ::2, ::2], coarse[tap], atol=atol)


def test_wrong_multi_grids_are_refused():
    image = keras.Input((None, None, 3))
    with pytest.raises(ValueError, match=r"3 rates. Received: \(1, 2\)"):
        backbones.build("resnet50", image, 16, multi_grid=(1, 2))
