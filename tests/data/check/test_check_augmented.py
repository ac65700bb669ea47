import numpy as np
import pytest
from PIL import Image
from planted import NAMES, write_clean

from kseg.data import RandomFlip, RandomRotation, RandomScaleCrop
from kseg.data.augment import CutMix
from kseg.data.check.augmented import augment_examples
from kseg.data.folder import folder


@pytest.fixture
def train(tmp_path):
    return folder("train", write_clean(tmp_path), classes=NAMES)


def smear(example, rng):
    """What resizing a mask like an image does."""
    picture = Image.fromarray(example.mask)
    small = picture.resize((40, 30), Image.Resampling.BILINEAR)
    large = small.resize(picture.size, Image.Resampling.BILINEAR)
    return example._replace(mask=np.asarray(large))


def test_augmentations_that_keep_the_classes(train):
    functions = [RandomRotation(20), RandomScaleCrop((48, 48)), RandomFlip()]
    found = augment_examples(train, functions, mixes=[CutMix()])
    assert list(found.findings) == [] and len(found.pairs) == 6
    for index, (before, after) in enumerate(found.pairs):
        np.testing.assert_array_equal(before.image, train[index][0])
        assert after.image.shape == (48, 48, 3)


def test_an_augmentation_that_invents_ids_is_named(train):
    functions = [RandomScaleCrop((48, 48)), smear, RandomFlip()]
    found = augment_examples(train, functions)
    (finding,) = found.findings
    assert finding.kind == "augment" and finding.severity == "error"
    assert finding.found.startswith("smear makes [")
    assert finding.examples == (("train", 0),)


def test_a_mix_may_bring_what_its_partners_have(train):
    def alone(example, rng):
        """Leaves one class, another for every example."""
        return example._replace(mask=np.full((64, 96), rng.integers(3), np.uint8))

    class Wrong(CutMix):
        def __call__(self, examples, rng):
            return examples[0]._replace(mask=examples[0].mask + np.uint8(7))

    found = augment_examples(train, [alone], mixes=[CutMix(probability=1.0)])
    assert list(found.findings) == []
    found = augment_examples(train, [alone], mixes=[Wrong()])
    assert [f.found[:13] for f in found.findings] == ["Wrong makes ["]


def test_the_picture_has_a_row_for_each(train, tmp_path):
    found = augment_examples(train, [RandomScaleCrop((32, 40))], count=3)
    assert list(found.names) == ["0", "2", "5"]
    found.write(tmp_path / "grid.png")
    with Image.open(tmp_path / "grid.png") as picture:
        assert picture.size == (2 * 40, 3 * 32)


def test_broken_examples_are_passed_over(train):
    train.pairs[2][0].write_bytes(b"")
    found = augment_examples(train, [], count=6)
    assert list(found.names) == ["0", "1", "3", "4", "5"]
