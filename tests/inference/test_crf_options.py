"""The CRF by name or by arguments, checked before it runs."""

import numpy as np
import pytest

from kseg.inference import CRF_PARAMETERS
from kseg.inference.crf_options import crf_arguments, crf_halo


def test_a_name_stands_for_its_parameters():
    arguments = crf_arguments("deeplabv2_resnet101", 3)
    assert arguments.items() >= CRF_PARAMETERS["deeplabv2_resnet101"].items()
    assert arguments["iterations"] == 10 and "scores_are" not in arguments


@pytest.mark.parametrize(
    ("crf", "words"),
    [
        ("deeplab_v2", "'deconvnet'.*'deeplab_v2'.*mean 'deeplabv2'"),
        ({"s_alfa": 3}, "'s_alfa'.*mean 's_alpha'"),
        ({"scores_are": "logits"}, "must be one of"),
        ({"s_beta": 0}, "`s_beta` must be"),
        ({"w1": "5"}, "`w1` must be finite.*'5'"),
        ({"iterations": 2.5}, "`iterations` must be an integer"),
        (5, "A CRF must be a name.*5"),
        ({"compatibility": np.eye(2)}, "`compatibility`"),
        ({"normalization": "some"}, "normalization"),
    ],
)
def test_what_cannot_be_is_refused(crf, words):
    with pytest.raises(ValueError, match=words):
        crf_arguments(crf, 3)


def test_the_published_settings():
    """Of DeepLab's script run_densecrf.sh, and of deeplab-pytorch's configuration."""
    assert crf_arguments("deeplabv2", 3).items() >= {
        "w1": 4, "s_alpha": 49, "s_beta": 5, "w2": 3.0, "s_gamma": 3.0,
        "iterations": 10, "normalization": "after",
    }.items()  # fmt: skip
    assert crf_arguments("deeplabv2_resnet101", 3).items() >= {
        "w1": 4, "s_alpha": 67, "s_beta": 3, "w2": 3.0, "s_gamma": 1,
        "iterations": 10, "normalization": "symmetric",
    }.items()  # fmt: skip


def test_the_halo_is_two_deviations_of_the_kernels_that_count():
    assert crf_halo(crf_arguments({"s_alpha": 20.2, "s_gamma": 3}, 2)) == 41
    assert crf_halo(crf_arguments({"w1": 0, "s_gamma": 3}, 2)) == 6
    assert crf_halo(crf_arguments({"w1": 0, "w2": 0}, 2)) == 0
