import keras
import numpy as np
import pytest
from trunks import images, run, trunk

from kseg import backbones

TAPS = ["c2", "c3", "c4", "c5"]
BLOCKS = {
    "mit_b0": [2, 2, 2, 2],
    "mit_b2": [3, 4, 6, 3],
}


@pytest.fixture(scope="module")
def model():
    """A MiT-B0 without stochastic depth."""
    keras.utils.set_random_seed(0)
    return trunk("mit_b0", drop_path=0.0)


def layer_names(model, ending):
    return [layer.name for layer in model.layers if layer.name.endswith(ending)]


@pytest.mark.parametrize("size", [(1, 1), (33, 47), (64, 96)])
def test_taps_have_their_strides_rounded_up(model, size):
    maps = run(model, images(*size))
    assert list(maps) == TAPS
    for number, tap in enumerate(TAPS, start=2):
        expected = tuple(-(-side // 2**number) for side in size)
        assert maps[tap].shape[:3] == (2, *expected)
        assert maps[tap].std() > 0


@pytest.mark.parametrize("name", BLOCKS)
def test_the_sizes_are_those_of_table_6(name):
    model = trunk(name)
    channels = [model.output[tap].shape[-1] for tap in TAPS]
    assert channels == [(1 + (name != "mit_b0")) * x for x in (32, 64, 160, 256)]
    names = layer_names(model, "_attention_self")
    found = [sum(x.startswith(f"block_{stage}_") for x in names) for stage in range(4)]
    assert found == BLOCKS[name]
    heads = [model.get_layer(f"block_{stage}_0_attention_self") for stage in range(4)]
    assert [layer.heads for layer in heads] == [1, 2, 5, 8]
    hidden = [
        model.get_layer(f"block_{stage}_0_mlp_dense1").filters for stage in range(4)
    ]
    assert hidden == [4 * x for x in channels]


def test_keys_are_patches_of_the_map(model):
    """Of 8, 4 and 2 positions a side, and at last of one; a rest is left out."""
    names = [f"block_{stage}_0_attention_self_key" for stage in range(4)]
    outputs = [model.get_layer(name).output for name in names]
    keys = keras.Model(model.input, outputs)
    assert [x.shape[1:3] for x in keys(images(96, 64))] == [(3, 2)] * 4
    assert [x.shape[1:3] for x in keys(images(124, 64))] == [(3, 2)] + [(4, 2)] * 3
    assert [x.shape[1:3] for x in keys(images(3, 40))] == [(1, 1)] * 3 + [(1, 2)]


def test_the_whole_map_is_seen(model):
    """A corner moves the other, hundreds of pixels away, in the first stage."""
    first = keras.Model(model.input, model.output["c2"])
    pixels = images(64, 320)
    before = keras.ops.convert_to_numpy(first(pixels))
    pixels[:, :32, :32] = 255
    moved = np.abs(keras.ops.convert_to_numpy(first(pixels)) - before)
    assert np.mean(moved[:, :, -4:] > 0) > 0.9


def test_borders_tell_places_apart(model):
    """On an even image only the padding says where a position is (section 3.1)."""
    c2 = run(model, np.full((1, 128, 128, 3), 90, "float32"))["c2"]
    middle = c2[:, 12:20, 12:20]
    np.testing.assert_allclose(middle, middle[:, :1, :1] + 0 * middle, atol=1e-4)
    assert np.abs(c2[:, 0, 0] - c2[:, 16, 16]).max() > 0.1


def test_stochastic_depth_rises_and_leaves_out_whole_branches():
    model = trunk("mit_b0", drop_path=0.7)
    drops = [layer for layer in model.layers if layer.name.endswith("drop_path")]
    rates = [layer.rate for layer in drops]
    np.testing.assert_allclose(rates, np.repeat(0.1 * np.arange(1, 8), 2))
    branch = np.ones((200, 2, 3, 4), "float32")
    kept = keras.ops.convert_to_numpy(drops[-1](branch, training=True))
    assert np.all(kept == kept[:, :1, :1, :1])
    np.testing.assert_allclose(np.unique(kept), [0, 1 / 0.3], rtol=1e-5)
    assert 0.15 < np.mean(kept > 0) < 0.45
    np.testing.assert_array_equal(drops[-1](branch, training=False), branch)
    assert layer_names(trunk("mit_b0", drop_path=0.0), "drop_path") == []


@pytest.mark.parametrize("output_stride", [8, 16])
def test_other_output_strides_are_refused(output_stride):
    image = keras.Input((None, None, 3))
    with pytest.raises(ValueError, match=f"must be 32. Received: {output_stride}"):
        backbones.build("mit_b0", image, output_stride)
