import math

import numpy as np
import pytest
from small_network import LABELS, SIZE, build, draw

from kseg.export import LiteRTModel, export_litert, markdown_table, verify
from kseg.labels import Labels
from kseg.metrics import boundary_f1


@pytest.fixture(scope="module")
def rows(model, exported, examples):
    files = {"float32": exported(), "int8": exported("int8", "class_map")}
    return verify(model, files, iter(examples), LABELS)


def independent_iou(predict_ids, examples, identity):
    """Intersection over union from sets of pixels."""
    true, predicted = set(), set()
    for i, (image, mask) in enumerate(examples):
        valid = mask != 255
        true |= {(i, *p) for p in np.argwhere((mask == identity) & valid)}
        found = predict_ids(image) == identity
        predicted |= {(i, *p) for p in np.argwhere(found & valid)}
    return len(true & predicted) / len(true | predicted)


def keras_ids(model):
    return lambda image: np.asarray(model(image[np.newaxis].astype("float32")))[
        0
    ].argmax(-1)


def test_scores_are_those_of_an_independent_count(model, exported, examples, rows):
    predictors = {
        "Keras": keras_ids(model),
        "float32": LiteRTModel(exported()).predict_ids,
        "int8": LiteRTModel(exported("int8", "class_map")).predict_ids,
    }
    assert [row["name"] for row in rows] == list(predictors)
    valid = np.stack([mask != 255 for _, mask in examples])
    masks = np.stack([mask for _, mask in examples])
    reference = np.stack([predictors["Keras"](image) for image, _ in examples])
    for row in rows:
        predict_ids = predictors[row["name"]]
        iou = [
            independent_iou(predict_ids, examples, identity) for identity in range(3)
        ]
        assert row["class_iou"] == pytest.approx(
            dict(zip(LABELS.names, iou, strict=True))
        )
        assert row["mean_iou"] == pytest.approx(np.mean(iou))
        ids = np.stack([predict_ids(image) for image, _ in examples])
        assert row["pixel_accuracy"] == pytest.approx((ids == masks)[valid].mean())
        assert row["agreement"] == pytest.approx((ids == reference)[valid].mean())
        bf = [
            np.nanmean(boundary_f1(*pair, 3)) for pair in zip(masks, ids, strict=True)
        ]
        assert row["boundary_f1"] == pytest.approx(np.mean(bf))


def test_files_agree_with_keras_and_are_as_right(rows):
    keras_row, float32, int8 = rows
    assert keras_row["agreement"] == 1.0
    assert keras_row["mean_iou"] > 0.8
    assert float32["agreement"] > 0.9999
    assert 0.99 < int8["agreement"] < 1.0
    assert int8["mean_iou"] == pytest.approx(keras_row["mean_iou"], abs=0.01)


def test_bytes_and_milliseconds(model, exported, rows):
    assert rows[0]["bytes"] == 4 * model.count_params()
    assert rows[2]["bytes"] == len(exported("int8", "class_map").read_bytes())
    assert all(0 < row["milliseconds"] < 1000 for row in rows)


def test_a_wrong_file_shows(model, examples, tmp_path):
    path = export_litert(build(), tmp_path / "untrained.tflite", SIZE)
    row = verify(model, {"untrained": path}, examples[:2], LABELS)[1]
    assert row["agreement"] < 0.9
    assert row["mean_iou"] < 0.5


def test_void_does_not_count(model, exported, examples):
    image, mask = examples[0]
    half = mask.copy()
    half[:, SIZE[1] // 2 :] = 255
    file = LiteRTModel(exported("int8", "class_map"))
    row = verify(
        model, {"int8": exported("int8", "class_map")}, [(image, half)], LABELS
    )
    valid = half != 255
    right = (file.predict_ids(image) == mask)[valid].mean()
    assert row[1]["pixel_accuracy"] == pytest.approx(right)
    void = np.full_like(mask, 255)
    row = verify(model, {}, [(image, void)], LABELS)[0]
    assert math.isnan(row["agreement"]) and math.isnan(row["mean_iou"])
    assert "| Keras   |" in markdown_table([row])


def test_examples_must_be_there_and_fit(model, exported, examples):
    files = {"float32": exported()}
    with pytest.raises(ValueError, match="at least one image"):
        verify(model, files, [], LABELS)
    wrong = zip(*draw(1, (40, 46)), strict=True)
    with pytest.raises(ValueError, match=r"\(33, 46, 3\).*\(40, 46, 3\)"):
        verify(model, files, wrong, LABELS)
    image, mask = examples[0]
    with pytest.raises(ValueError, match="same shape"):
        verify(model, files, [(image, mask[1:])], LABELS)
    with pytest.raises(ValueError, match="4 classes.*'float32' with 3"):
        verify(model, files, examples, Labels.numbered(4))


def test_markdown_table_holds_every_number(rows):
    summary, classes = markdown_table(rows).strip().split("\n\n")
    for table in (summary, classes):
        assert len({len(line) for line in table.splitlines()}) == 1
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in summary.splitlines()
    ]
    assert lines[0][:3] == ["Variant", "MB", "Same as Keras"]
    for row, line in zip(rows, lines[2:], strict=True):
        assert line[0] == row["name"]
        assert float(line[1]) == pytest.approx(row["bytes"] / 1e6, abs=0.006)
        numbers = ["agreement", "pixel_accuracy", "mean_iou", "boundary_f1"]
        for key, cell in zip(numbers, line[2:6], strict=True):
            assert float(cell) == pytest.approx(row[key], abs=6e-5)
        assert float(line[6]) == pytest.approx(row["milliseconds"], abs=0.06)
    lines = [line.strip("|").split("|") for line in classes.splitlines()]
    assert [line[0].strip() for line in lines[2:]] == list(LABELS.names)
    assert float(lines[3][3]) == pytest.approx(rows[2]["class_iou"]["red"], abs=6e-5)
