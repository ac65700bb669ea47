"""The logits of the networks of HRNet's authors."""

import pytest

pytest.importorskip("torch")
from hrnet_original import HRNet, OCRNet  # noqa: E402
from originals import (  # noqa: E402
    assert_same_logits,
    convert,
    left_out,
    randomise,
    torch,
)

SMALL = "hrnet_w18_small_v1"


def as_trained(state):
    """What the authors' training saves: the model beside the loss."""
    weights = {"loss.criterion.weight": torch.ones(5)}
    return weights | {f"model.{name}": x for name, x in state.items()}


@pytest.mark.parametrize(
    ("kind", "backbone", "network"),
    [
        (HRNet, SMALL, "hrnet"),
        (OCRNet, SMALL, "ocrnet"),
        (HRNet, "hrnet_w18_small_v2", "hrnet"),
        pytest.param(HRNet, "hrnet_w18", "hrnet", marks=pytest.mark.slow),
        pytest.param(OCRNet, "hrnet_w48", "ocrnet", marks=pytest.mark.slow),
    ],
)
def test_the_logits_are_the_authors(kind, backbone, network, tmp_path):
    original = randomise(kind(backbone, 5))
    conversion = convert(original, tmp_path, "hrnet", as_trained)
    assert conversion.model.name == network
    assert conversion.network["backbone"] == backbone
    assert conversion.network["num_classes"] == 5
    assert conversion.network["align_corners"] is True
    assert left_out(conversion) == {"loss"}
    sizes = [(65, 91), (64, 96)]
    assert_same_logits(conversion.model, original, sizes, align_corners=True)
    names = dict(original.named_parameters())
    weights = {v.path for v in conversion.model.trainable_variables}
    assert len(names) == len(weights)


def test_names_may_have_no_prefix_and_ocr_other_widths(tmp_path):
    original = randomise(OCRNet(SMALL, 3, channels=32, narrow=16))
    conversion = convert(original, tmp_path, "hrnet")
    assert conversion.network["filters"] == 32
    assert conversion.network["key_filters"] == 16
    assert_same_logits(conversion.model, original, [(33, 47)], align_corners=True)


def test_a_classifier_is_a_backbone(tmp_path):
    def of_classifier(state):
        kept = {k: v for k, v in state.items() if not k.startswith("last_layer")}
        return kept | {"classifier.weight": torch.ones(1000, 2048)}

    original = HRNet(SMALL, 5)
    options = {"network": "ocrnet", "num_classes": 3}
    conversion = convert(original, tmp_path, "hrnet", of_classifier, **options)
    assert left_out(conversion) == {"classifier"}
    assert "pixels" in conversion.new and "conv1" not in conversion.new
