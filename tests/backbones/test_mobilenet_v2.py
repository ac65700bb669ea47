import keras
import numpy as np
import pytest
from trunks import images, run, trunk

from kseg import backbones

# The layers of keras.applications at which our taps lie.
TAPS = {
    "c1": "expanded_conv_project_BN",
    "c2": "block_2_add",
    "c3": "block_5_add",
    "c4": "block_12_add",
    "c5": "block_16_project_BN",
}


def test_it_has_the_parameters_of_the_paper_without_the_last_layer():
    model = trunk("mobilenet_v2")
    assert sum(np.prod(v.shape) for v in model.trainable_variables) == 1_811_712


@pytest.mark.parametrize("size", [(96, 64), (65, 97)])
def test_published_weights_give_the_published_features(reference, size):
    path = reference / "weights" / "mobilenet_v2_imagenet_notop.h5"
    if not path.is_file():
        pytest.skip("the ImageNet weights of MobileNetV2 are not there")
    theirs = keras.applications.MobileNetV2(
        input_shape=(*size, 3), include_top=False, weights=str(path)
    )
    outputs = {tap: theirs.get_layer(name).output for tap, name in TAPS.items()}
    expected = run(
        keras.Model(theirs.input, outputs),
        keras.applications.mobilenet_v2.preprocess_input(images(*size)),
    )
    ours = trunk("mobilenet_v2")
    backbones.load_weights(ours, path, "mobilenet_v2", ours.output["c5"])
    actual = run(ours, images(*size))
    for tap in TAPS:
        atol = 1e-4 * np.abs(expected[tap]).max()
        np.testing.assert_allclose(actual[tap], expected[tap], atol=atol, err_msg=tap)
