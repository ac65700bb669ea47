import keras
import numpy as np
import pytest
from trunks import images, randomise, run, trunk, write_h5

from kseg import backbones

TRAINABLE = {"resnet50": 23_508_032, "resnet101": 42_500_160}
BUILDERS = {
    "resnet50": keras.applications.ResNet50,
    "resnet101": keras.applications.ResNet101,
}


def taps(name):
    """The layers of keras.applications at which our taps lie."""
    last = {"resnet50": 6, "resnet101": 23}[name]
    return {
        "c1": "conv1_relu",
        "c2": "conv2_block3_out",
        "c3": "conv3_block4_out",
        "c4": f"conv4_block{last}_out",
        "c5": "conv5_block3_out",
    }


@pytest.mark.parametrize("name", TRAINABLE)
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

    assert sum(np.prod(v.shape) for v in ours.trainable_variables) == TRAINABLE[name]
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
