import keras
import numpy as np
import pytest

import kseg
from kseg.layers import ResizeLike

# At 21 classes, and what every class adds: a row of the classifier and its bias.
TRAINABLE = {
    "hrnet_w18_small_v1": (1_541_301, 241),
    "hrnet_w18_small_v2": (3_940_121, 271),
    "hrnet_w18": (9_641_661, 271),
    "hrnet_w32": (29_547_477, 481),
    "hrnet_w40": (45_895_637, 601),
    "hrnet_w48": (65_860_821, 721),
}
SMALL = dict(backbone="hrnet_w18_small_v1", num_classes=3)


def count(variables):
    return sum(int(np.prod(v.shape)) for v in variables)


@pytest.mark.parametrize("backbone", TRAINABLE)
def test_the_parameters_are_those_of_the_authors_network(backbone):
    model = kseg.build("hrnet", num_classes=21, backbone=backbone)
    total, per_class = TRAINABLE[backbone]
    assert count(model.trainable_variables) == total
    classifier = model.get_layer("classifier")
    assert count(classifier.trainable_variables) == 21 * per_class


def test_another_class_count_changes_the_classifier_alone():
    model = kseg.build("hrnet", num_classes=19, backbone="hrnet_w18_small_v1")
    assert count(model.trainable_variables) == 1_540_819


@pytest.mark.parametrize("align_corners", [False, True])
def test_all_branches_are_mixed_at_stride_4(align_corners):
    model = kseg.build("hrnet", align_corners=align_corners, **SMALL)
    names = ["representation", "mix_relu", "classifier"]
    taps = keras.Model(model.input, [model.get_layer(name).output for name in names])
    shapes = [x.shape for x in taps(np.zeros((1, 65, 96, 3), "float32"))]
    assert shapes == [(1, 17, 24, 240), (1, 17, 24, 240), (1, 17, 24, 3)]
    resizes = [x for x in model.layers if isinstance(x, ResizeLike)]
    assert model.layers[-1] is resizes[-1]
    assert {x.align_corners for x in resizes} == {align_corners}


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (dict(num_classes=1), "`num_classes` must be 2 or more. Received: 1"),
        (dict(backbone="resnet50"), "'hrnet_w48'.*Received: 'resnet50'"),
        (dict(backbone="hrnet_w19"), "Did you mean 'hrnet_w18'"),
        (dict(weights="imagenet"), "Received: backbone='hrnet_w18'"),
    ],
)
def test_wrong_arguments_are_refused(argument, message):
    with pytest.raises(ValueError, match=message):
        kseg.build("hrnet", **argument)
