import io

import numpy as np
import pytest
from PIL import Image, ImageFilter
from planted import image
from real_pictures import pictures_of

from kseg.data.check.hashes import NEAR, content_hash, nearest, perceptual_hash


@pytest.fixture(scope="module")
def camvid_images(reference):
    """Images of CamVid: of the training split, and of the validation split."""
    archive = reference / "data/camvid_trainval.tar"
    return [
        pictures_of(archive, f"{s}/images", n) for s, n in (("train", 12), ("val", 6))
    ]


@pytest.fixture(scope="module")
def isbi_images(reference):
    """Slices of ISBI 2012, of which neighbours look alike."""
    return pictures_of(reference / "data/isbi2012_train.tar", "images/", 1)


def bits(one, two):
    return (one ^ two).bit_count()


def hashes_of(pictures):
    return np.array([perceptual_hash(picture) for picture in pictures], np.uint64)


def test_content_hashes_tell_every_change():
    rng = np.random.default_rng(0)
    array = rng.integers(0, 256, (4, 6), np.uint8)
    other = array.copy()
    other[3, 5] ^= 1
    hashes = [array, other, array.reshape(6, 4), array.T, array[:, ::-1]]
    assert len({content_hash(a) for a in hashes}) == 5
    assert content_hash(array.T.copy()) == content_hash(array.T)


def test_half_of_the_bits_are_set_and_flat_images_have_none():
    for seed in range(5):
        assert perceptual_hash(Image.fromarray(image(seed))).bit_count() == 32
    assert perceptual_hash(Image.new("RGB", (50, 40), (9, 200, 3))) is None
    noise = np.random.default_rng(0).integers(100, 102, (40, 50), np.uint8)
    assert perceptual_hash(Image.fromarray(noise)) is None


def copies(picture):
    """What becomes of an image on its way through programs."""
    width, height = picture.size
    for quality in (20, 50, 90):
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=quality)
        yield Image.open(file)
    yield picture.resize((width // 2, height // 2), Image.Resampling.BICUBIC)
    yield picture.resize((width * 3 // 2, height * 3 // 2), Image.Resampling.BILINEAR)
    yield picture.convert("L")
    yield picture.filter(ImageFilter.GaussianBlur(2))
    noise = np.random.default_rng(0).normal(0, 10, (height, width, 3))
    noisy = np.clip(np.asarray(picture) + noise, 0, 255)
    yield Image.fromarray(noisy.astype(np.uint8))


def test_copies_of_real_images_are_near_and_others_are_not(camvid_images, isbi_images):
    for pictures in (camvid_images[1][::3], isbi_images[::5]):
        pictures = [picture.convert("RGB") for picture in pictures]
        for picture in pictures:
            own = perceptual_hash(picture)
            for copy in copies(picture):
                assert bits(own, perceptual_hash(copy)) <= NEAR / 2
    looks = hashes_of(isbi_images)
    distances = np.bitwise_count(looks[:, None] ^ looks[None])
    np.fill_diagonal(distances, 64)
    assert distances.min() >= 2 * NEAR


def test_the_splits_of_camvid_are_told_apart(camvid_images):
    train, val = map(hashes_of, camvid_images)
    assert np.bitwise_count(train[:, None] ^ val[None]).min() > 2 * NEAR


def test_a_camera_that_stands_still(monkeypatch):
    """Of equal hashes not all pairs are compared, which would take forever."""
    count, compared = np.bitwise_count, []

    def counted(bits):
        compared.append(len(bits))
        return count(bits)

    monkeypatch.setattr(np, "bitwise_count", counted)
    groups = np.arange(2000) % 2
    inside, across = nearest(np.full(2000, 7, np.uint64), groups)
    assert sum(compared) < 100
    assert (groups[inside] == groups).all() and (inside != np.arange(2000)).all()
    assert (across >= 0).all() and (groups[across] != groups).all()


@pytest.mark.parametrize("alone", [False, True])
def test_a_view_that_hardly_changes(monkeypatch, alone):
    """Who has a near neighbour is not compared with all that look alike."""
    count, compared = np.bitwise_count, []

    def counted(bits):
        compared.append(bits.size)
        return count(bits)

    monkeypatch.setattr(np, "bitwise_count", counted)
    each = []
    for images in (3000, 24_000):
        rng = np.random.default_rng(0)
        bits = np.packbits(rng.random((images, 64)) < 0.03, axis=1)
        hashes = np.unique(bits.view(np.uint64)[:, 0])
        groups = np.arange(len(hashes)) % 2
        if alone:  # and the other group shows something else
            groups = np.repeat([0, 1], len(hashes))
            other = rng.integers(0, 2**64, len(hashes), np.uint64)
            hashes = np.concatenate([hashes, other])
        compared.clear()
        inside, across = nearest(hashes, groups)
        each.append(sum(compared) / len(hashes))
        assert (inside[groups == 0] >= 0).mean() > 0.99
        assert ((across >= 0).mean() > 0.9) == (not alone)
    assert len(hashes) > 8000
    assert each[1] < 1.5 * each[0]


@pytest.mark.parametrize("distance", [0, 1, 4, 7])
def test_nearest_is_what_all_pairs_give(distance):
    rng = np.random.default_rng(distance)
    hashes = rng.integers(0, 2**63, 10, np.uint64)
    few = [rng.choice(hashes) for _ in range(160)]
    hashes = np.array(
        [
            h ^ sum(1 << int(b) for b in set(rng.integers(0, 64, rng.integers(0, 6))))
            for h in map(int, few)
        ],
        np.uint64,
    )
    groups = rng.integers(0, 3, len(hashes))
    far = np.bitwise_count(hashes[:, None] ^ hashes[None]).astype(int)
    np.fill_diagonal(far, 99)
    same = groups[:, None] == groups[None]
    for found, allowed in zip(
        nearest(hashes, groups, distance), (same, ~same), strict=True
    ):
        expected = np.where(allowed, far, 99).min(axis=1)
        has = expected <= distance
        np.testing.assert_array_equal(found >= 0, has)
        rows = np.flatnonzero(has)
        assert len(rows) > 5
        np.testing.assert_array_equal(far[rows, found[rows]], expected[rows])
        assert allowed[rows, found[rows]].all()


def test_nearest_of_nothing_and_of_many():
    none = np.zeros(0, np.uint64)
    assert [len(found) for found in nearest(none, none)] == [0, 0]
    many = np.random.default_rng(0).integers(0, 2**64, 50_000, np.uint64)
    many[-1] = many[7] ^ np.uint64(0b1011)
    inside, across = nearest(many, np.zeros(len(many), int))
    assert inside[7] == len(many) - 1 and inside[-1] == 7
    assert (inside >= 0).sum() == 2 and (across < 0).all()
