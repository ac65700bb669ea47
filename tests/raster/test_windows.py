"""Windows of image files are windows of what the reader of whole files gives."""

import numpy as np
import pytest
from PIL import Image

from kseg.raster import is_large, open_windows, read_image
from kseg.raster import windows as module

tifffile = pytest.importorskip("tifffile")

WINDOWS = [(0, 70, 0, 90), (3, 4, 88, 90), (17, 60, 30, 31), (63, 70, 0, 90)]


@pytest.fixture
def photo():
    return np.random.default_rng(0).integers(0, 256, (70, 90, 3), np.uint8)


def check(path, expected):
    with open_windows(path) as image:
        assert tuple(image.shape) == expected.shape
        for top, bottom, left, right in WINDOWS:
            part = image[top:bottom, left:right]
            assert part.dtype == np.uint8
            np.testing.assert_array_equal(part, expected[top:bottom, left:right])


@pytest.mark.parametrize(
    "options",
    [
        dict(),
        dict(tile=(16, 32)),
        dict(tile=(16, 32), compression="zlib", predictor=True),
        dict(rowsperstrip=8, compression="zlib"),
        dict(rowsperstrip=8),
        dict(rowsperstrip=70, compression="zlib"),
        dict(byteorder=">", bigtiff=True),
        dict(byteorder=">", tile=(32, 16)),
    ],
)
@pytest.mark.parametrize("kept", [1, 1 << 20])
def test_tiff_tiles_and_strips(tmp_path, photo, monkeypatch, options, kept):
    monkeypatch.setattr(module, "_KEPT_BYTES", kept)
    # Colours, with transparency, grey, each in 8 and 16 bits.
    more = np.concatenate([photo, photo[..., :1]], axis=2)
    for name, array in (("rgb", photo), ("rgba", more), ("grey", photo[..., 0])):
        kind = dict(photometric="minisblack" if name == "grey" else "rgb")
        kind |= dict(extrasamples=["unassalpha"]) if name == "rgba" else {}
        options = {
            k: v for k, v in options.items() if k not in ("byteorder", "bigtiff")
        }
        expected = photo if name != "grey" else np.repeat(photo[..., :1], 3, axis=2)
        for factor, dtype in ((1, np.uint8), (257, np.uint16)):
            path = tmp_path / f"{name}{factor}.tif"
            values = array.astype(dtype) * dtype(factor)
            tifffile.imwrite(path, values, metadata=None, **kind, **options)
            with tifffile.TiffFile(path) as file:
                assert module._unreadable(file.pages[0]) == ""
            check(path, expected)
    np.testing.assert_array_equal(read_image(tmp_path / "rgb1.tif"), photo)


@pytest.mark.parametrize("options", [{}, dict(tile=(16, 16), compression="zlib")])
@pytest.mark.parametrize("kind", ["minisblack", "rgb"])
def test_16_bits_become_8_as_the_reader_has_it(tmp_path, options, kind):
    path = tmp_path / "i.tif"
    values = np.random.default_rng(0).permutation(1 << 16).astype(np.uint16)
    values = values.reshape(256, 256)
    # Grey is scaled and rounded, of colour Pillow keeps the high byte.
    expected = np.floor(values / 257 + 0.5) if kind == "minisblack" else values // 256
    expected = expected.astype(np.uint8)[..., np.newaxis]
    if kind == "rgb":
        values = np.stack([values, values.T, values[::-1]], axis=2)
        expected = np.stack([e := expected[..., 0], e.T, e[::-1]], axis=2)
    expected = np.broadcast_to(expected, (256, 256, 3))
    tifffile.imwrite(path, values, photometric=kind, metadata=None, **options)
    with tifffile.TiffFile(path) as file:
        assert module._unreadable(file.pages[0]) == ""
    np.testing.assert_array_equal(read_image(path), expected)
    check(path, expected)


def test_npy_files(tmp_path, photo):
    np.save(tmp_path / "i.npy", photo)
    assert is_large(tmp_path / "i.npy")
    check(tmp_path / "i.npy", photo)
    np.save(tmp_path / "f.npy", photo / 255)
    (tmp_path / "no.npy").write_bytes(b"\x93NUMPY")
    np.save(tmp_path / "empty.npy", photo[:0])
    np.savez(tmp_path / "two.npz", a=photo, b=photo)
    (tmp_path / "two.npz").rename(tmp_path / "two.npy")
    (tmp_path / "cut.npy").write_bytes((tmp_path / "i.npy").read_bytes()[:999])
    for name, words in (
        ("f.npy", "float64"),
        ("no.npy", "one array"),
        ("empty.npy", "empty|pixel or more"),
        ("two.npy", "one array"),
        ("cut.npy", "one array"),
    ):
        with pytest.raises(ValueError, match=f"({words}).*{name}|{name}.*({words})"):
            check(tmp_path / name, photo)


def test_what_has_no_windows_is_read_at_once(tmp_path, photo):
    Image.fromarray(photo).save(tmp_path / "i.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(photo)).save(tmp_path / "turned.tif", exif=exif)
    Image.fromarray(photo).save(tmp_path / "lzw.tif", compression="tiff_lzw")
    planes = np.moveaxis(photo, 2, 0)
    options = dict(photometric="rgb", planarconfig="separate", metadata=None)
    tifffile.imwrite(tmp_path / "planes.tif", planes, **options)
    Image.fromarray(photo).quantize(200).save(tmp_path / "palette.tif")
    for path in sorted(tmp_path.iterdir()):
        assert not is_large(path)
        expected = read_image(path)
        assert path.stem == "palette" or (expected == photo).all()
        check(path, expected)


def test_large_files_are_read_by_windows_or_not_at_all(tmp_path, photo, monkeypatch):
    tifffile.imwrite(tmp_path / "i.tif", photo, tile=(16, 16), compression="zlib")
    Image.fromarray(photo).save(tmp_path / "i.png")
    Image.fromarray(photo).save(tmp_path / "lzw.tif", compression="tiff_lzw")
    assert not any(is_large(path) for path in tmp_path.iterdir())
    # Pillow warns of more, and refuses more than twice as much.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 6000)
    assert is_large(tmp_path / "i.tif") and not is_large(tmp_path / "i.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 3000)
    check(tmp_path / "i.tif", photo)
    assert is_large(tmp_path / "i.png")
    for name, size in (("i.png", "6300 pixels"), ("lzw.tif", "70x90")):
        with pytest.raises(ValueError, match=f"{name}.*{size}.*tiled TIFF"):
            check(tmp_path / name, photo)
    monkeypatch.setattr(module, "_MOST_BYTES", 100)
    with pytest.raises(ValueError, match="tiles or strips of 16x16"):
        check(tmp_path / "i.tif", photo)


def test_a_truncated_tiff_is_an_error_that_names_it(tmp_path, photo):
    path = tmp_path / "cut.tif"
    tifffile.imwrite(path, photo, tile=(16, 16), compression="zlib")
    whole = path.read_bytes()
    for length in (0, 5, len(whole) // 2):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"must be.* whole.*cut.tif"):
            check(path, photo)


@pytest.mark.parametrize(
    "options", [{}, dict(rowsperstrip=8), dict(tile=(16, 16)), dict(bigtiff=True)]
)
def test_an_uncompressed_file_that_is_cut_is_an_error_that_names_it(
    tmp_path, photo, options
):
    path = tmp_path / "cut.tif"
    tifffile.imwrite(path, photo, metadata=None, **options)
    whole = path.read_bytes()
    for length in (len(whole) // 2, len(whole) - 9):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"must be whole.*cut.tif"):
            check(path, photo)


def test_a_file_that_is_cut_while_it_is_open_is_an_error_that_names_it(tmp_path, photo):
    path = tmp_path / "cut.tif"
    tifffile.imwrite(path, photo, metadata=None)
    with open_windows(path) as image:
        path.write_bytes(path.read_bytes()[:999])
        with pytest.raises(ValueError, match=r"must be whole.*cut.tif"):
            image[0:70, 0:90]


@pytest.mark.parametrize("limit", [Image.MAX_IMAGE_PIXELS, 3000])
@pytest.mark.parametrize(
    ("tag", "value"),
    [
        (None, 0),  # no picture
        ("PhotometricInterpretation", 7000),
        ("Compression", 7000),
        ("TileWidth", 0),
        ("TileLength", 0),
        ("BitsPerSample", 0),
        ("SamplesPerPixel", 0),
        ("ImageWidth", 0),
    ],
)
def test_a_broken_header_is_an_error_that_names_the_file(
    tmp_path, photo, monkeypatch, tag, value, limit
):
    path = tmp_path / "broken.tif"
    tifffile.imwrite(path, photo, metadata=None, tile=(16, 16))
    with tifffile.TiffFile(path) as file:
        tags = file.pages[0].tags
        place = tags[tag].valueoffset if tag else 4
    with path.open("r+b") as file:
        file.seek(place)
        file.write(value.to_bytes(2 if tag else 4, "little"))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with pytest.raises(ValueError, match=r"must be.*broken\.tif"):
        check(path, photo)


def test_jpegs_in_a_tiff_are_read_at_once(tmp_path, photo):
    path = tmp_path / "jpeg.tif"
    Image.fromarray(photo).save(path, compression="jpeg")
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        # As with a decoder that is there, which would lack the file's tables.
        page.__dict__["decode"] = lambda *_: None
        page.photometric = tifffile.PHOTOMETRIC.RGB
        assert module._unreadable(page) == "the compression JPEG"
    check(path, read_image(path))


@pytest.mark.parametrize("name", ["scan.svs", "map", "photo.png"])
def test_a_tiff_is_one_by_any_name(tmp_path, photo, monkeypatch, name):
    path = tmp_path / name
    with path.open("wb") as file:
        tifffile.imwrite(file, photo, tile=(16, 16), compression="zlib")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 3000)
    assert is_large(path)
    check(path, photo)
    Image.fromarray(photo[:20]).save(tmp_path / "i.tif", format="PNG")
    with open_windows(tmp_path / "i.tif") as image:
        np.testing.assert_array_equal(image[0:20, 0:90], photo[:20])
