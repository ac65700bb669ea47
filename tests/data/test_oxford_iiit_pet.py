import numpy as np
import pytest
from published import every, laid_out, pack, photograph, picture, serve

from kseg.data import open_source
from kseg.data import oxford_iiit_pet as module
from kseg.data.oxford_iiit_pet import BREED_LABELS, CARD, LABELS, oxford_iiit_pet

# Name, breed (from 1), species and number, as in the lists.
LISTS = {
    "trainval": ["Abyssinian_100 1 1 1", "yorkshire_terrier_9 37 2 25"],
    "test": ["shiba_inu_27 32 2 21"],
}
NAMES = {split: [line.split()[0] for line in lines] for split, lines in LISTS.items()}


@pytest.fixture
def archives(tmp_path):
    """Two folders with what the two archives hold."""
    images, annotations = tmp_path / "one", tmp_path / "two"
    root = annotations / "annotations"
    for name in sum(NAMES.values(), []):
        photograph(images / "images" / f"{name}.jpg")
        picture(root / "trimaps" / f"{name}.png", every([1, 2, 3]))
        (root / "trimaps" / f"._{name}.png").write_bytes(b"of a Macintosh")
    (images / "images" / "Abyssinian_100.mat").write_bytes(b"")
    (root / "xmls").mkdir()
    (root / "xmls" / "Abyssinian_100.xml").write_text("<annotation/>")
    for name, lines in {**LISTS, "list": ["#Image CLASS-ID SPECIES BREED ID"]}.items():
        (root / f"{name}.txt").write_text("\n".join(lines) + "\n")
    return images, annotations


@pytest.fixture
def files(archives):
    images, annotations = archives
    (images / "images").rename(annotations / "images")
    return annotations


def test_the_published_facts():
    breeds = BREED_LABELS.names[:-1]
    assert len(breeds) == 37 and list(breeds) == sorted(breeds, key=str.lower)
    # Cats have capitals: 12 breeds of them, 25 of dogs.
    assert sum(name[0].isupper() for name in breeds) == 12
    assert dict(CARD.splits) == {"train": 3680, "val": 3669}
    assert LABELS.names == ("pet", "background", "border")


@pytest.mark.parametrize(
    ("target", "expected"),
    [("trimap", [0, 1, 2]), ("pet", [0, 1, 255]), ("breed", [36, 37, 255])],
)
def test_the_border_is_a_class_or_void(files, target, expected):
    source = open_source("oxford_iiit_pet", "train", path=files, target=target)
    assert [source.name(i) for i in range(2)] == NAMES["trainval"]
    image, mask = source[1]
    assert image.shape == (8, 8, 3) and mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, every(expected))
    in_use = set(expected) - {255}
    assert max(in_use) == source.labels.num_classes - 1


def test_breeds_are_those_of_the_lists(files):
    for split in ("train", "val"):
        source = oxford_iiit_pet(split, files, target="breed")
        for index in range(len(source)):
            breed = source.labels.names[source.mask(index)[0, 0]]
            assert source.name(index).rsplit("_", 1)[0] == breed
    listing = files / "annotations" / "test.txt"
    for line in ("shiba_inu_27", "shiba_inu_27 38 2 1", "shiba_inu_27 x 2 1"):
        listing.write_text(line)
        with pytest.raises(ValueError, match=f"1 to 37. Received: '{line}'"):
            oxford_iiit_pet("val", files, target="breed")


def test_what_is_missing_is_an_error(files, tmp_path):
    with pytest.raises(ValueError, match="'trimap', 'pet'.*Did you mean 'breed'"):
        oxford_iiit_pet("train", files, target="breeds")
    with pytest.raises(ValueError, match="Received: 'trainval'"):
        oxford_iiit_pet("trainval", files)
    with pytest.raises(FileNotFoundError, match="annotations/trimaps"):
        oxford_iiit_pet("train", tmp_path / "nowhere")
    next(files.rglob("images/shiba_inu_27.jpg")).unlink()
    with pytest.raises(ValueError, match="1 files are missing.*shiba_inu_27.jpg"):
        oxford_iiit_pet("val", files)


def test_two_archives_make_one_data_set(archives, tmp_path, monkeypatch):
    monkeypatch.setenv("KSEG_HOME", str(tmp_path / "cache"))
    server = tmp_path / "server"
    # Those of the authors say .gz and are plain.
    packed = [
        pack(server / f"{folder.name}.tar", folder).rename(server / f"{folder.name}.gz")
        for folder in archives
    ]
    serve(monkeypatch, module, packed)
    with pytest.raises(ValueError, match="3680.*Received: {'train': 2, 'val': 1}"):
        oxford_iiit_pet("train")
    assert not (tmp_path / "cache" / "oxford_iiit_pet").exists()
    serve(monkeypatch, module, packed, splits={"train": 2, "val": 1})
    assert len(oxford_iiit_pet("train")) == 2
    assert laid_out(tmp_path / "cache" / "oxford_iiit_pet") == {
        *(f"annotations/{name}.txt" for name in ("trainval", "test", "list")),
        *(f"images/{name}.jpg" for name in sum(NAMES.values(), [])),
        *(f"annotations/trimaps/{name}.png" for name in sum(NAMES.values(), [])),
    }
