import json

import numpy as np
import pytest
from small_network import LABELS, SIZE, build, draw

from kseg.export import LiteRTModel
from kseg.export.cures import ALL_CURES, PLAIN, SCORES, cures_table, loses, try_cures
from kseg.export.image_choice import cover_classes
from kseg.metrics import DatasetScores


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cures")


@pytest.fixture(scope="module")
def result(model, examples, folder):
    images = draw(8, seed=3)[0]
    dark = {"dark images": [image // 8 for image in images]}
    return try_cures(
        model, folder, SIZE, LABELS, images, examples, ALL_CURES, dark, build()
    )


def test_every_cure_leaves_a_file_that_runs(result, folder, examples):
    names = [row["name"] for row in result["variants"]]
    assert names == [
        "Keras",
        PLAIN,
        "one scale per kernel",
        "1 layer in float32",
        "2 layers in float32",
        "4 layers in float32",
        "8 layers in float32",
        "dark images",
        "equalised",
        "biases as they are",
        "fine-tuned",
        "int16 activations",
    ]
    for row in result["variants"][1:]:
        file = LiteRTModel(folder / row["file"])
        scores = DatasetScores(LABELS)
        for image, mask in examples:
            scores.update(mask, file.predict_ids(image))
        assert row["mean_iou"] == pytest.approx(scores.result()["mean_iou"])
    precisions = {
        row["name"]: LiteRTModel(folder / row["file"]).precision
        for row in result["variants"][1:]
    }
    assert precisions[PLAIN] == precisions["equalised"] == "int8"
    assert precisions["2 layers in float32"] == "mixed"
    assert precisions["int16 activations"] == "int16"


def test_what_was_bought_is_the_difference_to_plain_int8(result):
    rows = {row["name"]: row for row in result["variants"]}
    for row in rows.values():
        for score in SCORES:
            bought = row["bought"][score]
            points = 100 * (row[score] - rows[PLAIN][score])
            assert bought["points"] == pytest.approx(points, abs=1e-6)
            low, high = bought["interval"]
            assert low - 1e-6 <= points <= high + 1e-6
    lost = 100 * (rows["Keras"]["mean_iou"] - rows[PLAIN]["mean_iou"])
    assert loses(result["variants"])["mean_iou"] == pytest.approx(lost)
    # What must hurt does: a model that was not trained.
    assert rows["fine-tuned"]["bought"]["mean_iou"]["points"] < -5
    assert abs(rows["equalised"]["bought"]["mean_iou"]["points"]) < 2


def test_the_table_and_the_record_hold_every_variant(result):
    lines = cures_table(result["variants"]).splitlines()
    assert len(lines) == 2 + len(result["variants"])
    assert len({len(line) for line in lines}) == 1
    points = result["variants"][7]["bought"]["mean_iou"]["points"]
    assert f"{points:+.2f} (" in lines[9]
    text = json.dumps(result)
    assert json.loads(text)["layers"][0]["layer"] == result["layers"][0]["layer"]


def test_an_unknown_cure_is_told(model, tmp_path):
    with pytest.raises(ValueError, match="The cure must be one of.*'prayer'"):
        try_cures(model, tmp_path, SIZE, LABELS, [], [], ["prayer"])


def test_rare_classes_are_covered_first():
    masks = np.zeros((6, 4, 4), np.uint8)
    masks[2, 0, 0] = 2
    masks[4, :2] = 1
    masks[5, :1] = 1
    masks[3] = 255
    assert set(cover_classes(masks, 3, 3)) > {2, 4}
    assert cover_classes(masks, 3, 3)[0] in (0, 1, 2)
    assert sorted(cover_classes(masks, 3, 99)) == list(range(6))
    assert 3 not in cover_classes(masks, 3, 4)
