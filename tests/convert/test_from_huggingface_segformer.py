"""The logits of Hugging Face's SegFormer."""

import re

import keras
import pytest

transformers = pytest.importorskip("transformers")
from originals import (  # noqa: E402
    assert_close,
    assert_same_logits,
    convert,
    images,
    left_out,
    normalised,
    randomise,
    torch,
)

from kseg.convert import from_pytorch  # noqa: E402

SOURCE = "huggingface-segformer"
LARGE = {"hidden_sizes": [64, 128, 320, 512], "decoder_hidden_size": 768}


def build(num_labels=5, **options):
    config = transformers.SegformerConfig(num_labels=num_labels, **options)
    return randomise(transformers.SegformerForSemanticSegmentation(config))


@pytest.fixture(scope="module")
def original():
    return build()


def test_the_logits_are_hugging_faces(original, tmp_path):
    conversion = convert(original, tmp_path, SOURCE)
    assert conversion.network == {
        "name": "segformer",
        "backbone": "mit_b0",
        "filters": 256,
        "num_classes": 5,
    }
    assert left_out(conversion) == set()
    assert_same_logits(conversion.model, original, [(64, 96), (65, 47)])


def test_published_files_have_the_names_of_older_versions(original, tmp_path):
    original.config.id2label = {i: f"kind {i}" for i in range(5)}
    original.save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    assert b"segformer.encoder.block.0.0.attention.self.query" in path.read_bytes()
    conversion = from_pytorch(path, SOURCE)
    assert conversion.labels.names == tuple(f"kind {i}" for i in range(5))
    assert_same_logits(conversion.model, original, [(64, 96)])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("depths", "backbone"), [([3, 4, 6, 3], "mit_b2"), ([3, 6, 40, 3], "mit_b5")]
)
def test_larger_ones_too(depths, backbone, tmp_path):
    original = build(depths=depths, **LARGE)
    conversion = convert(original, tmp_path, SOURCE)
    assert conversion.network["backbone"] == backbone
    assert conversion.network["filters"] == 768
    assert_same_logits(conversion.model, original, [(64, 96)])


def test_a_classifier_is_a_backbone(tmp_path):
    config = transformers.SegformerConfig(num_labels=7)
    original = randomise(transformers.SegformerForImageClassification(config))
    options = {"network": "segformer", "num_classes": 3}
    conversion = convert(original, tmp_path, SOURCE, **options)
    assert left_out(conversion) == {"classifier"}
    assert "linear_fuse" in conversion.new
    model, pixels = conversion.model, images(64, 96)
    trunk = keras.Model(model.input, model.get_layer("layer_norm_3").output)
    with torch.no_grad():
        expected = original.segformer(normalised(pixels)).last_hidden_state
    expected = expected.permute(0, 2, 3, 1).numpy()
    assert_close(trunk(pixels, training=False), expected)


def test_a_missing_tensor_is_named(original, tmp_path):
    def wrap(state):
        return {k: v for k, v in state.items() if not re.search("0.blocks.1.mlp", k)}

    with pytest.raises(ValueError, match="block_0_1_mlp_dense1/kernel"):
        convert(original, tmp_path, SOURCE, wrap)
