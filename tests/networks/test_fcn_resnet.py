import numpy as np
import pytest

import kseg


def trainable(model):
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


@pytest.mark.parametrize(
    ("backbone", "expected"),
    [
        ("resnet50_torch", {21: 32_957_013, 11: 32_951_883}),
        ("resnet101_torch", {21: 51_949_141, 11: 51_944_011}),
    ],
)
def test_the_parameters_are_counted_as_in_torchvision(backbone, expected):
    """`fcn_resnet50` and `fcn_resnet101` without their auxiliary heads."""
    for num_classes, count in expected.items():
        model = kseg.build("fcn_resnet", num_classes=num_classes, backbone=backbone)
        assert trainable(model) == count


def test_the_first_unit_of_a_dilated_stage_stays_as_it_was():
    model = kseg.build("fcn_resnet")
    rates = [
        model.get_layer(f"conv{stage}_block{unit}_2_conv").dilation_rate[0]
        for stage, unit in ((3, 1), (4, 1), (4, 2), (5, 1), (5, 2))
    ]
    assert rates == [1, 1, 2, 2, 4]
