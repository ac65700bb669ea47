import json
import os
import resource
import signal
import subprocess
import sys

import numpy as np
import pytest
from array_source import ArraySource, numbered
from PIL import Image

from kseg.data import FileSource, open_source, prepare
from kseg.labels import Labels

tfds = pytest.importorskip("tensorflow_datasets")

NAMES = ("sky", "road", "car")


def pixels(seed, *shape):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


# Name of a file to the picture in it; only the first four keep their bytes.
PICTURES = {
    "a_colour.png": Image.fromarray(pixels(0, 6, 9, 3)),
    "b_grey.png": Image.fromarray(pixels(1, 6, 9)),
    "c_colour.jpg": Image.fromarray(pixels(2, 6, 9, 3)),
    "d_grey.jpeg": Image.fromarray(pixels(3, 6, 9)),
    "e_turned.jpg": Image.fromarray(pixels(4, 9, 6, 3)),
    "f_16_bits.png": Image.fromarray(pixels(5, 6, 9).astype(np.uint16) * 200),
    "g_clear.png": Image.fromarray(pixels(6, 6, 9, 4)),
    "h_palette.png": Image.fromarray(pixels(7, 6, 9, 3)).quantize(50),
    "i_other.bmp": Image.fromarray(pixels(8, 6, 9, 3)),
    "j_é ü.tiff": Image.fromarray(pixels(9, 6, 9, 3)),
}


@pytest.fixture
def photos(tmp_path):
    """A folder of pictures of every kind, and their masks."""
    path = tmp_path / "photos"
    for kind in ("images", "masks"):
        (path / "train" / kind).mkdir(parents=True)
    for number, (name, picture) in enumerate(PICTURES.items()):
        exif = Image.Exif()
        if "turned" in name:
            exif[0x0112] = 6
        picture.save(path / "train" / "images" / name, exif=exif)
        ids = np.random.default_rng(number).choice([0, 1, 2, 255], (6, 9))
        mask = Image.fromarray(ids.astype(np.uint8))
        mask.save(path / "train" / "masks" / f"{name.split('.')[0]}.png")
    labels = Labels(NAMES, ((1, 2, 3), (4, 5, 6), (7, 8, 9))).to_dict()
    (path / "labels.json").write_text(json.dumps(labels))
    return path


def assert_same(found, expected):
    """Asserts that two sources hold the same under the same names."""
    assert len(found) == len(expected) and found.labels == expected.labels
    for index in reversed(range(len(expected))):
        for one, two in zip(found[index], expected[index], strict=True):
            np.testing.assert_array_equal(one, two)
            assert one.dtype == two.dtype
        np.testing.assert_array_equal(found.mask(index), expected.mask(index))
        assert found.name(index) == expected.name(index)


def records(path, split="train"):
    """The records of a folder, their pictures as bytes."""
    raw = dict.fromkeys(("image", "segmentation_mask"), tfds.decode.SkipDecoding())
    return list(tfds.builder_from_directory(path).as_data_source(split, decoders=raw))


@pytest.mark.parametrize("shards", [None, 1, 4, 99])
def test_a_prepared_data_set_is_the_original(photos, tmp_path, shards):
    source = open_source("folder", "train", path=photos)
    target = tmp_path / "new" / "prepared"
    written = prepare({"train": source}, target, num_shards=shards)
    assert_same(open_source("prepared", "train", path=target), source)
    files = sorted(target.glob("*.array_record-*"))
    assert len(files) == min(shards or 1, 10)
    assert written == {
        "train": (10, len(files), sum(file.stat().st_size for file in files))
    }
    assert [path.name for path in target.parent.iterdir()] == ["prepared"]


def test_files_keep_their_bytes_where_all_decode_them_alike(photos, tmp_path):
    source = open_source("folder", "train", path=photos)
    prepare({"train": source}, tmp_path / "out")
    found = records(tmp_path / "out")
    for index, (record, name) in enumerate(zip(found, PICTURES, strict=True)):
        data = (photos / "train" / "images" / name).read_bytes()
        assert (record["image"] == data) == (index < 4), name
        assert record["image"][:4] in (b"\x89PNG", b"\xff\xd8\xff\xe0"), name
        assert record["index"] == index


@pytest.mark.parametrize(
    ("num_classes", "ignore"), [(255, 255), (300, 65535), (7, 300)]
)
def test_masks_of_8_and_16_bits_without_files(tmp_path, num_classes, ignore):
    rng = np.random.default_rng(0)
    labels = Labels.numbered(num_classes, ignore)
    choices = [*range(num_classes), ignore]
    source = ArraySource(
        [(pixels(i, 5 + i, 40, 3), rng.choice(choices, (5 + i, 40))) for i in range(5)],
        labels,
    )
    prepare({"one": source, "two_2": source}, tmp_path / "out", num_shards=2)
    for split in ("one", "two_2"):
        found = open_source("prepared", split, path=tmp_path / "out")
        assert found.labels == labels
        for index in range(5):
            np.testing.assert_array_equal(found[index][0], source[index][0])
            np.testing.assert_array_equal(found.mask(index), source.mask(index))
            assert found.mask(index).dtype == labels.mask_dtype
            assert found.name(index) == str(index)


def test_large_examples_are_spread_over_files(tmp_path, monkeypatch):
    from kseg.data import prepare_builder

    monkeypatch.setattr(prepare_builder, "SHARD_BYTES", 2000)
    source = ArraySource(
        [(pixels(i, 10, 30, 3), np.zeros((10, 30), np.uint8)) for i in range(20)],
        Labels.numbered(2),
    )
    size = sum(len(r["image"]) + len(r["segmentation_mask"]) for r in (
        prepare_builder.read_record(source, "train", i) for i in range(20)
    ))  # fmt: skip
    written = prepare({"train": source}, tmp_path / "out")
    assert written["train"].files == -(-size // 2000) == 11


def test_tfrecords_are_read_by_tf_data(photos, tmp_path):
    pytest.importorskip("tensorflow")
    source = open_source("folder", "train", path=photos)
    prepare({"train": source}, tmp_path / "out", "tfrecord", num_shards=3)
    assert len(list((tmp_path / "out").glob("*.tfrecord-*"))) == 3
    builder = tfds.builder_from_directory(tmp_path / "out")
    options = tfds.ReadConfig(interleave_cycle_length=1)
    data = list(builder.as_dataset(split="train", read_config=options))
    assert len(data) == 10
    for index, example in enumerate(data):
        assert example["name"].numpy().decode() == source.name(index)
        mask = example["segmentation_mask"].numpy()
        np.testing.assert_array_equal(mask[..., 0], source.mask(index))
        if ".jp" not in str(source.pairs[index][0]):  # which TensorFlow rounds anew
            np.testing.assert_array_equal(example["image"].numpy(), source[index][0])


# What goes wrong.


def test_a_broken_example_stops_it_by_name(photos, tmp_path):
    (photos / "train" / "images" / "c_colour.jpg").write_bytes(b"no picture")
    source = open_source("folder", "train", path=photos)
    with pytest.raises(ValueError, match="'c_colour', example 2 of train, .*c_colour"):
        prepare({"train": source}, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


@pytest.mark.parametrize(
    ("image", "mask", "words"),
    [
        (pixels(0, 4, 5, 3), np.full((4, 5), 9), "example 1 of val.* with 9 in"),
        (pixels(0, 4, 5, 3), np.zeros((4, 6), int), "same height and width"),
        (np.zeros((4, 5, 3)), np.zeros((4, 5), int), "must be a uint8 array"),
        (pixels(0, 4, 5), np.zeros((4, 5), int), "must be a uint8 array"),
    ],
)
def test_wrong_examples_are_errors(tmp_path, image, mask, words):
    source = numbered(3, (4, 5), num_classes=4)
    source.pairs[1] = (image, mask)
    with pytest.raises(ValueError, match=words):
        prepare({"val": source}, tmp_path / "out", num_shards=2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("splits", "options", "words"),
    [
        ({}, {}, "a split or more"),
        ({"train": 0}, {}, "'train', empty"),
        ({"all": 2}, {}, "not 'all'"),
        ({"../train": 2}, {}, "letters, digits and _"),
        ({"train": 2}, {"file_format": "zip"}, r"'array_record', 'tfrecord'.*'zip'"),
        ({"train": 2}, {"num_shards": 0}, "`num_shards` must be 1 or more"),
    ],
)
def test_wrong_arguments_are_errors(tmp_path, splits, options, words):
    sources = {split: numbered(count) for split, count in splits.items()}
    with pytest.raises(ValueError, match=words):
        prepare(sources, tmp_path / "out", **options)
    assert list(tmp_path.iterdir()) == []


def test_all_splits_have_the_same_classes(tmp_path):
    sources = {"train": numbered(2), "val": numbered(2, num_classes=21)}
    with pytest.raises(ValueError, match="All splits must have the same classes"):
        prepare(sources, tmp_path / "out")


def test_a_full_folder_stays_and_an_empty_one_is_filled(tmp_path):
    (tmp_path / "out").mkdir()
    prepare({"train": numbered(2)}, tmp_path / "out")
    before = sorted((tmp_path / "out").iterdir())
    with pytest.raises(FileExistsError, match="must be new or empty"):
        prepare({"train": numbered(3)}, tmp_path / "out")
    assert sorted((tmp_path / "out").iterdir()) == before
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError, match="file, which holds"):
        prepare({"train": numbered(3)}, tmp_path / "file")


def test_a_folder_that_is_filled_in_the_meantime_stays(tmp_path):
    source = numbered(2)

    class Late(ArraySource):
        def __getitem__(self, index):
            (tmp_path / "out" / "mine").mkdir(parents=True, exist_ok=True)
            return super().__getitem__(index)

    with pytest.raises(OSError, match="not empty"):
        prepare({"train": Late(source.pairs, source.labels)}, tmp_path / "out")
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "mine"]


@pytest.mark.parametrize("file_format", ["array_record", "tfrecord"])
def test_nothing_is_left_of_a_disk_that_is_full(tmp_path, file_format):
    if file_format == "tfrecord":
        pytest.importorskip("tensorflow")
    source = ArraySource([(pixels(0, 90, 90, 3), np.zeros((90, 90), int))] * 3,
                         Labels.numbered(2))  # fmt: skip
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, limits[1]))
        with pytest.raises(OSError, match="must be written whole.*File too large"):
            prepare({"train": source}, tmp_path / "out", file_format)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []
    prepare({"train": source}, tmp_path / "out", file_format)


def test_one_process_at_a_time_and_a_killed_one_leaves_nothing(tmp_path):
    part = tmp_path / ".out.part"
    (part / "deep").mkdir(parents=True)
    (part / "deep" / "half.array_record").write_bytes(b"half")
    (part / "half").write_bytes(b"half")
    code = (
        "import sys, time\n"
        "from kseg.download import locked\n"
        "with locked(sys.argv[1]):\n"
        "    print('locked', flush=True)\n"
        "    time.sleep(60)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline() == b"locked\n"
        with pytest.raises(OSError, match=r"may write .*out\. Received: another"):
            prepare({"train": numbered(2)}, tmp_path / "out")
        assert (part / "deep" / "half.array_record").read_bytes() == b"half"
        os.kill(other.pid, signal.SIGKILL)
    prepare({"train": numbered(2)}, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert_same(open_source("prepared", "train", path=tmp_path / "out"), numbered(2))


def test_pictures_of_many_bands_are_kept_as_they_are_read(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    bands = np.random.default_rng(0).integers(0, 255, (6, 7, 5)).astype(np.uint16)
    image, mask = tmp_path / "image.tif", tmp_path / "mask.tif"
    tifffile.imwrite(image, bands, photometric="minisblack", planarconfig="contig")
    tifffile.imwrite(mask, np.ones((6, 7), np.uint8), photometric="minisblack")
    labels = Labels.numbered(2)
    source = FileSource(
        [(image, mask)], labels, channels=(3, 1, 2), value_range=(0, 255)
    )
    prepare({"train": source}, tmp_path / "out")
    found = open_source("prepared", "train", path=tmp_path / "out")
    np.testing.assert_array_equal(found[0][0], source[0][0])
