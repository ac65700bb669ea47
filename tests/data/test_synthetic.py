import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kseg.data import synthetic
from kseg.data.folder import folder
from kseg.data.synthetic import LABELS, scene, write_folder
from kseg.data.synthetic_canvas import Camera, Canvas, Light
from kseg.labels import Labels

VOID = LABELS.ignore_class

# Lets a new process import a module of kseg.data without the others of the package.
ALONE = (
    "import sys, types\n"
    "package = types.ModuleType('kseg.data')\n"
    f"package.__path__ = [{str(Path(synthetic.__file__).parent)!r}]\n"
    "sys.modules['kseg.data'] = package\n"
)


def _digest(*arguments) -> str:
    return hashlib.sha256(b"".join(a.tobytes() for a in scene(*arguments))).hexdigest()


@pytest.fixture(scope="module")
def scenes():
    return [scene(index) for index in range(20)]


@pytest.fixture(scope="module")
def shares(scenes):
    """Share of every class id of every scene's pixels: (scenes, 256)."""
    counts = [np.bincount(mask.ravel(), minlength=256) for _, mask in scenes]
    return np.array(counts) / scenes[0][1].size


def _agreement(first, second):
    both = (first != VOID) & (second != VOID)
    return (first == second)[both].mean()


def test_a_scene_is_an_image_and_a_mask():
    image, mask = scene(0, size=(61, 97))
    assert image.dtype == mask.dtype == np.uint8
    assert image.shape == (61, 97, 3)
    assert mask.shape == (61, 97)


def test_another_process_draws_the_same_scenes():
    scene(3)  # so that this process has a past
    code = ALONE + (
        "import hashlib; from kseg.data.synthetic import scene;"
        "a = scene(7, 'train', 0, (90, 120));"
        "print(hashlib.sha256(b''.join(x.tobytes() for x in a)).hexdigest())"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == _digest(7, "train", 0, (90, 120))


@pytest.mark.parametrize(
    "other", [(1,), (0, "validation"), (0, "test"), (0, "train", 1)]
)
def test_index_split_and_seed_make_other_streets(other):
    assert _agreement(scene(0)[1], scene(*other)[1]) < 0.95


def test_no_scene_of_one_split_is_in_another():
    digests = {
        _digest(index, split, 0, (48, 64))
        for index in range(10)
        for split in synthetic.SPLITS
    }
    assert len(digests) == 30


def test_the_size_only_decides_how_finely_a_street_is_drawn():
    for index in range(4):
        coarse, fine = (scene(index, size=size) for size in ((180, 240), (360, 480)))
        assert _agreement(coarse[1], fine[1][::2, ::2]) > 0.98
        shrunk = Image.fromarray(fine[0]).reduce(2)
        assert np.abs(np.subtract(coarse[0], shrunk, dtype=float)).mean() < 8


@pytest.mark.parametrize("size", [(32, 32), (240, 80), (64, 300)])
def test_in_any_shape_the_sky_is_above_and_the_road_below(size):
    for index in range(6):
        mask = scene(index, size=size)[1]
        assert not (mask[-1] == LABELS.names.index("sky")).any()
        assert not (mask[0] == LABELS.names.index("road")).any()


def test_masks_hold_class_ids_and_void_and_all_classes_soon_appear(shares):
    used = np.flatnonzero(shares.sum(axis=0))
    assert used.tolist() == [*range(LABELS.num_classes), VOID]


def test_classes_are_as_unbalanced_as_in_a_real_street(shares):
    mean = dict(zip(LABELS.names, shares.mean(axis=0), strict=False))
    assert mean["road"] > 15 * mean["pole"]
    assert mean["road"] > 50 * mean["person"]
    assert 0.15 < mean["road"] < 0.45
    assert min(mean.values()) > 0.0005


def test_void_is_a_border_not_a_region(shares):
    assert 0.02 < shares[:, VOID].mean() < 0.08
    assert 0.01 < shares[:, VOID].min() and shares[:, VOID].max() < 0.12


def test_void_lies_between_a_car_and_what_is_around_it(scenes):
    car, pole = LABELS.names.index("car"), LABELS.names.index("pole")
    touching = outline = 0
    for _, mask in scenes:
        for a, b in ((mask[:, 1:], mask[:, :-1]), (mask[1:], mask[:-1])):
            for one, other in ((a, b), (b, a)):
                touching += ((one == car) & ~np.isin(other, [car, VOID, pole])).sum()
                outline += ((one == car) & (other == VOID)).sum()
    assert outline > 1000
    assert touching < 0.01 * outline


def test_some_scenes_show_the_void_bonnet():
    bonnets = [(scene(i, size=(36, 48))[1][-1] == VOID).mean() > 0.8 for i in range(30)]
    assert 3 <= sum(bonnets) <= 16


def _iou(labels, predictions):
    matrix = np.zeros((LABELS.num_classes, LABELS.num_classes))
    np.add.at(matrix, (labels, predictions), 1)
    hits = matrix.diagonal()
    return (hits / (matrix.sum(0) + matrix.sum(1) - hits)).mean()


def test_neither_colour_nor_place_gives_the_class_away(scenes):
    images = np.stack([image for image, _ in scenes])[:, ::2, ::2]
    masks = np.stack([mask for _, mask in scenes])[:, ::2, ::2]
    known = masks != VOID
    colors, ids = images[known].astype(float), masks[known]

    means = np.stack([colors[ids == c].mean(axis=0) for c in range(LABELS.num_classes)])
    nearest = np.square(colors[:, None] - means).sum(axis=-1).argmin(axis=1)
    assert _iou(ids, nearest) < 0.35

    bins = (colors // 16).astype(int) @ [256, 16, 1]  # the best any colour table can do
    table = np.zeros((4096, LABELS.num_classes))
    np.add.at(table, (bins, ids), 1)
    assert _iou(ids, table.argmax(axis=1)[bins]) < 0.5

    votes = np.stack([(masks == c).sum(axis=0) for c in range(LABELS.num_classes)])
    places = np.broadcast_to(votes.argmax(axis=0), masks.shape)[known]
    assert _iou(ids, places) < 0.5


def test_edges_are_smooth_in_the_image_and_void_in_the_mask():
    camera = Camera(focal=120, center=60, horizon=60, height=0.0)
    light = Light((0, 0, 0), (0, 0, 0), shift=(1.0, 1.0), depth=0.5, sight=1e9)
    canvas = Canvas((40, 40), LABELS, camera, light)
    triangle = [[-0.3, -0.21, 1], [0.33, -0.3, 1], [0.0, 0.37, 1]]
    canvas.brush("sign", 1.0).fill(triangle, (240, 240, 240))
    image, mask = canvas.pixels()[..., 0], canvas.mask()
    sign = LABELS.names.index("sign")
    between = (image > 10) & (image < 230)
    assert 40 < between.sum() < 120  # around a triangle of 80 pixels' outline
    assert set(np.unique(mask)) == {sign, VOID}
    assert (image[mask == sign] > 230).all()
    assert (mask[between] == VOID).all()


def test_a_thin_pole_keeps_its_pixels():
    camera = Camera(focal=120, center=60, horizon=60, height=0.0)
    light = Light((0, 0, 0), (0, 0, 0), shift=(1.0, 1.0), depth=0.5, sight=1e9)
    canvas = Canvas((40, 40), LABELS, camera, light)
    wall = [[-1, -1, 1], [1, -1, 1], [1, 1, 1], [-1, 1, 1]]
    canvas.brush("building", 1.0).fill(wall, (90, 90, 90))
    pole = [[0.009, -1, 1], [0.018, -1, 1], [0.018, 1, 1], [0.009, 1, 1]]
    canvas.brush("pole", 1.0).fill(pole, (10, 10, 10))
    kept, lost = canvas.mask(thin=("pole",)), canvas.mask()
    assert ((kept == LABELS.names.index("pole")).sum(axis=1) >= 1).all()
    assert not (lost == LABELS.names.index("pole")).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"index": 0, "split": "val"}, "split.*Received: 'val'"),
        ({"index": -1}, "Received: index=-1"),
        ({"index": 0, "size": (16, 240)}, "32 or more"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        scene(**arguments)


def test_a_written_folder_reads_back_as_the_scenes(tmp_path):
    path = tmp_path / "streets"
    write_folder(path, num_train=3, num_validation=2, size=(48, 64), seed=5)
    written = json.loads((path / "labels.json").read_text())
    assert Labels.from_dict(written) == LABELS
    for folder_split, split, count in (("train", "train", 3), ("val", "validation", 2)):
        source = folder(folder_split, path)
        assert len(source) == count
        for index in range(count):
            image, mask = scene(index, split, 5, (48, 64))
            np.testing.assert_array_equal(source[index][0], image)
            np.testing.assert_array_equal(source[index][1], mask)
    with Image.open(path / "val" / "masks" / "0001.png") as picture:
        assert picture.mode == "P"
        ids, colors = np.asarray(picture), np.asarray(picture.convert("RGB"))
    road = LABELS.names.index("road")
    assert (colors[ids == road] == LABELS.colors[road]).all()


def test_an_existing_path_is_refused_and_stays(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="does not exist yet. Received: .*mine"):
        write_folder(tmp_path / "mine.txt", 1, 1, (32, 32))
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_folder_appears_whole_or_not_at_all(tmp_path, monkeypatch):
    def failing(index, *rest):
        if index == 2:
            raise KeyboardInterrupt
        assert not (tmp_path / "streets").exists()
        return scene(index, *rest)

    monkeypatch.setattr(synthetic, "scene", failing)
    with pytest.raises(KeyboardInterrupt):
        write_folder(tmp_path / "streets", 4, 1, (32, 32))
    assert list(tmp_path.iterdir()) == []


def _same(record, expected):
    np.testing.assert_array_equal(record["image"], expected[0])
    np.testing.assert_array_equal(record["segmentation_mask"][..., 0], expected[1])


class TestBuilder:
    @pytest.fixture(autouse=True)
    def _builder(self):
        pytest.importorskip("tensorflow_datasets")
        from kseg.data import synthetic_builder

        self.builder = synthetic_builder

    def test_records_are_the_scenes_in_any_order(self, tmp_path, capfd):
        sources = self.builder.prepare(tmp_path, 12, 3, (48, 64), seed=2)
        assert {k: len(v) for k, v in sources.items()} == {"train": 12, "validation": 3}
        for split, index in (("train", 11), ("validation", 1), ("train", 0)):
            record = sources[split][index]
            assert record["index"] == index
            _same(record, scene(index, split, 2, (48, 64)))
        out, err = capfd.readouterr()
        lines = [line.strip() for line in err.split("\r")]
        assert out == ""
        assert all(not line or re.match("draw (train|val)", line) for line in lines)

    def test_what_is_there_is_not_drawn_again(self, tmp_path, monkeypatch):
        self.builder.prepare(tmp_path, 2, 1, (32, 32))
        monkeypatch.setattr(self.builder, "scene", None)
        sources = self.builder.prepare(tmp_path, 2, 1, (32, 32))
        _same(sources["train"][1], scene(1, size=(32, 32)))

    @pytest.mark.parametrize("changed", [(3, 1), (2, 2), (2, 1, (32, 40)),
                                         (2, 1, (32, 32), 1)])  # fmt: skip
    def test_other_scenes_have_another_folder(self, tmp_path, changed):
        names = [
            self.builder.SceneConfig(
                **dict(zip(("num_train", "num_validation", "size", "seed"), values,
                           strict=False))
            ).name
            for values in ((2, 1, (32, 32), 0), changed)
        ]  # fmt: skip
        assert names[0] != names[1]

    def test_a_faster_process_wins(self, tmp_path, monkeypatch):
        def racing(*arguments):
            monkeypatch.setattr(self.builder, "scene", scene)
            self.builder.prepare(tmp_path, 2, 1, (32, 32))
            return scene(*arguments)

        monkeypatch.setattr(self.builder, "scene", racing)
        sources = self.builder.prepare(tmp_path, 2, 1, (32, 32))
        _same(sources["validation"][0], scene(0, "validation", 0, (32, 32)))

    def test_a_failure_leaves_nothing_that_looks_whole(self, tmp_path, monkeypatch):
        def failing(*arguments):
            raise OSError("disk full")

        monkeypatch.setattr(self.builder, "scene", failing)
        with pytest.raises(OSError, match="disk full"):
            self.builder.prepare(tmp_path, 2, 1, (32, 32))
        monkeypatch.setattr(self.builder, "scene", scene)
        assert len(self.builder.prepare(tmp_path, 2, 1, (32, 32))["train"]) == 2

    def test_an_empty_split_is_refused(self, tmp_path):
        with pytest.raises(ValueError, match="1 or more. Received: 2 and 0"):
            self.builder.prepare(tmp_path, 2, 0)

    def test_tensorflow_is_not_needed(self, tmp_path):
        code = ALONE + (
            "import importlib.machinery as m\n"
            "class Without(m.PathFinder):\n"
            "    @classmethod\n"
            "    def find_spec(cls, name, path=None, target=None):\n"
            "        if name.split('.')[0] != 'tensorflow':\n"
            "            return m.PathFinder.find_spec(name, path, target)\n"
            "sys.meta_path[sys.meta_path.index(m.PathFinder)] = Without\n"
            "from kseg.data.synthetic_builder import prepare\n"
            f"s = prepare({str(tmp_path)!r}, 2, 1, (32, 32))\n"
            "print(s['train'][1]['image'].shape, 'tensorflow' in sys.modules)"
        )
        run = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True
        )
        assert run.stdout == "(32, 32, 3) False\n", run.stderr
