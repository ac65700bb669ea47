import pytest

from kseg.batch.naming import absolute, find_images, is_image, mask_name


@pytest.fixture
def photos(tmp_path, monkeypatch):
    (tmp_path / "photos").mkdir()
    (tmp_path / "list.txt").write_text("a.jpg\n")
    monkeypatch.chdir(tmp_path)
    return str(tmp_path)


@pytest.mark.parametrize(
    ("text", "root", "expected"),
    [
        ("photos", None, (None, "{}/photos/**", "{}/photos")),
        ("photos/", ".", (None, "{}/photos/**", "{}")),
        ("photos/*/x?.jpg", None, (None, "{}/photos/*/x?.jpg", "{}/photos")),
        ("photos/a*.jpg", None, (None, "{}/photos/a*.jpg", "{}/photos")),
        ("list.txt", None, ("{}/list.txt", None, "")),
        ("list.txt", "photos", ("{}/list.txt", None, "{}/photos")),
        ("gs://b/photos/", None, (None, "gs://b/photos/**", "gs://b/photos")),
        ("gs://b/list.txt", "gs://b", ("gs://b/list.txt", None, "gs://b")),
    ],
)
def test_images_are_found_by_what_names_them(photos, text, root, expected):
    wanted = tuple(x and x.format(photos) for x in expected)
    assert tuple(find_images(text, root)) == wanted


@pytest.mark.parametrize(
    ("text", "words"),
    [("nowhere", "folder, a pattern.*'nowhere'"), ("nowhere.txt", "list.*must exist")],
)
def test_what_is_not_there_is_named(photos, text, words):
    with pytest.raises(ValueError, match=words):
        find_images(text)


def test_every_image_has_a_name_of_its_own():
    paths = ["../x/1.jpg", "1.jpg", "1.png", "a/1.jpg", "a/b/../1.jpg", "gs://x/1.jpg"]
    images = [absolute(path, "/data/photos") for path in paths]
    assert images[4] == images[3]
    for root in ("", "/data"):
        names = {mask_name(image, root) for image in images[:4]}
        assert len(names) == 4 and not any(".." in n or n[0] == "/" for n in names)
    assert mask_name(images[0], "/data") == "x/1.jpg"
    assert mask_name(images[5], "") == "x/1.jpg"
    assert mask_name("/photos/1.jpg", "/") == "photos/1.jpg"
    with pytest.raises(ValueError, match="below /data/photos.*/data/x/1.jpg"):
        mask_name(images[0], "/data/photos")
    with pytest.raises(ValueError, match="below /data/ph"):
        mask_name(images[1], "/data/ph")


def test_a_url_cannot_lead_out_of_the_output():
    assert absolute("gs://bucket/../../etc/1.jpg", "/") == "gs://etc/1.jpg"


def test_images_are_known_by_their_endings():
    names = ["/a/1.jpg", "/a/1.JPEG", "/a/1.txt", "/a/.1.png", "/a/out/1.png"]
    assert [is_image(name, "/a/out") for name in names] == [1, 1, 0, 0, 0]
