import keras
import numpy as np
import pytest

from kseg import backbones


def trunk(**options):
    image = keras.Input((None, None, 3))
    return keras.Model(image, backbones.vgg16_bn(image, **options))


def test_it_is_vgg16_and_batch_norm():
    """The 13 convolutions with biases have 14,714,688 parameters; 4,224 channels."""
    model = trunk()
    parameters = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    assert parameters == 14_714_688 + 2 * 4224
    theirs = keras.applications.VGG16(weights=None, include_top=False)
    names = [x.name for x in theirs.layers if x.weights]
    ours = [x.name for x in model.layers if isinstance(x, keras.layers.Conv2D)]
    assert ours == names


@pytest.mark.parametrize("size", [(1, 1), (33, 47), (64, 32)])
def test_taps_halve_and_indices_go_with_them(size):
    keras.utils.set_random_seed(0)
    image = np.random.default_rng(0).uniform(0, 255, (1, *size, 3)).astype("float32")
    taps = trunk(filters=2)(image)
    for stage, width in enumerate((2, 4, 8, 16, 16), start=1):
        full, pooled = taps[f"conv{stage}"], taps[f"c{stage}"]
        assert full.shape == (1, *size, width)
        size = tuple(-(-side // 2) for side in size)
        assert pooled.shape == taps[f"indices{stage}"].shape == (1, *size, width)
        expected = keras.ops.max_pool(full, 2, 2, "same")
        np.testing.assert_array_equal(pooled, expected)


def test_dropout_lies_behind_the_three_deepest_poolings():
    def dropped(**options):
        layers = trunk(filters=2, **options).layers
        return {x.name: x.rate for x in layers if isinstance(x, keras.layers.Dropout)}

    assert dropped() == {}
    expected = dict.fromkeys((f"block{i}_dropout" for i in (3, 4, 5)), 0.4)
    assert dropped(dropout=0.4) == expected
