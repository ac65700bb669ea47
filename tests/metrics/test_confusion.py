import fractions
import math

import keras
import numpy as np
import pytest

from kseg import metrics

NAMES = {
    metrics.PixelAccuracy: "pixel_accuracy",
    metrics.MeanAccuracy: "mean_accuracy",
    metrics.MeanIoU: "mean_iou",
    metrics.FrequencyWeightedIoU: "frequency_weighted_iou",
    metrics.Dice: "mean_dice",
}


# Keras writes weights with a call that numpy 2 deprecates.
ignore_keras_save = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)


def random_maps(num_classes, shape=(4, 9, 7), void=(255,), seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, num_classes, shape)
    predictions = np.where(
        rng.random(shape) < 0.5, labels, rng.integers(0, num_classes, shape)
    )
    labels[rng.random(shape) < 0.2] = rng.choice(void)
    return labels, predictions


def scores_by_loops(matrix):
    """The definitions, class by class, in exact fractions."""
    matrix = [[int(count) for count in row] for row in matrix]
    size, total = len(matrix), sum(map(sum, matrix))
    accuracy, iou, dice, weighted = [], [], [], fractions.Fraction(0)
    for c in range(size):
        hit, true = matrix[c][c], sum(matrix[c])
        predicted = sum(matrix[row][c] for row in range(size))
        if true:
            accuracy.append(fractions.Fraction(hit, true))
            weighted += fractions.Fraction(true, total) * fractions.Fraction(
                hit, true + predicted - hit
            )
        if true or predicted:
            iou.append(fractions.Fraction(hit, true + predicted - hit))
            dice.append(fractions.Fraction(2 * hit, true + predicted))
    hits = sum(matrix[c][c] for c in range(size))
    return {
        "pixel_accuracy": float(fractions.Fraction(hits, total)),
        "mean_accuracy": float(sum(accuracy) / len(accuracy)),
        "mean_iou": float(sum(iou) / len(iou)),
        "frequency_weighted_iou": float(weighted),
        "mean_dice": float(sum(dice) / len(dice)),
    }


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "int64", "uint64"])
@pytest.mark.parametrize("num_classes", [2, 21])
def test_matrix_counts_each_pair(dtype, num_classes):
    labels, predictions = random_maps(num_classes)
    expected = np.zeros((num_classes, num_classes), "int64")
    for true, predicted in zip(labels.flat, predictions.flat, strict=True):
        if true != 255:
            expected[true, predicted] += 1
    matrix = metrics.confusion_matrix(
        labels.astype(dtype), predictions.astype(dtype), num_classes
    )
    assert matrix.dtype == np.int64
    np.testing.assert_array_equal(matrix, expected)


def test_matrix_of_boolean_masks():
    labels = np.array([True, True, False])
    matrix = metrics.confusion_matrix(labels, ~labels, 2)
    assert matrix.tolist() == [[0, 1], [2, 0]]


def test_matrix_adds_up_and_knows_no_order():
    labels, predictions = random_maps(5)
    whole = metrics.confusion_matrix(labels, predictions, 5)
    parts = [
        metrics.confusion_matrix(label, prediction, 5)
        for label, prediction in zip(labels, predictions, strict=True)
    ]
    np.testing.assert_array_equal(sum(parts), whole)
    order = np.random.default_rng(1).permutation(labels.size)
    shuffled = labels.ravel()[order], predictions.ravel()[order]
    np.testing.assert_array_equal(metrics.confusion_matrix(*shuffled, 5), whole)


@pytest.mark.parametrize("ignored", [[250, 255], (255, 250), np.array([250, 255])])
def test_several_ids_can_be_void(ignored):
    labels, predictions = random_maps(3, void=(250, 255))
    one = np.where(labels == 250, 255, labels)
    np.testing.assert_array_equal(
        metrics.confusion_matrix(labels, predictions, 3, ignored),
        metrics.confusion_matrix(one, predictions, 3),
    )


def test_without_void_all_pixels_count():
    labels, predictions = random_maps(3, void=(0,))
    matrix = metrics.confusion_matrix(labels, predictions, 3, ignore_class=None)
    assert matrix.sum() == labels.size
    with pytest.raises(ValueError, match=r"labels \[255\]"):
        metrics.confusion_matrix(np.array([255]), np.array([0]), 3, None)


def test_prediction_at_void_can_be_anything():
    labels, predictions = np.array([255, 1]), np.array([255, 1])
    assert metrics.confusion_matrix(labels, predictions, 2).sum() == 1


@pytest.mark.parametrize("void", [255, -1, 65535, 10**6, 2])
@pytest.mark.parametrize("num_classes", [3, 260, 300])
def test_matrix_of_any_void_and_any_number_of_classes(void, num_classes):
    labels, predictions = random_maps(num_classes, (60, 50), void=(void,))
    predictions[labels == void] = np.random.default_rng(1).choice([-7, 0, 999, 10**9])
    matrix = metrics.confusion_matrix(labels, predictions, num_classes, void)
    scored = labels != void
    expected = np.zeros((num_classes, num_classes), int)
    np.add.at(expected, (labels[scored], predictions[scored]), 1)
    np.testing.assert_array_equal(matrix, expected)
    assert matrix.flags.owndata or matrix.base.size == matrix.size  # no large table


def test_matrix_of_more_than_a_chunk_in_any_order_of_memory():
    labels, predictions = random_maps(5, (300, 500))
    expected = np.zeros((5, 5), int)
    scored = labels != 255
    np.add.at(expected, (labels[scored], predictions[scored]), 1)
    for change in (np.asarray, np.asfortranarray, lambda ids: ids.astype("uint8")):
        changed = change(labels), predictions
        np.testing.assert_array_equal(metrics.confusion_matrix(*changed, 5), expected)
    turned = metrics.confusion_matrix(labels[::-1].T, predictions[::-1].T, 5)
    np.testing.assert_array_equal(turned, expected)
    assert metrics.confusion_matrix(labels[:0], predictions[:0], 5).sum() == 0


@pytest.mark.parametrize("num_classes", [5, 256, 600])
def test_tables_have_no_more_cells_than_there_are_pixels(monkeypatch, num_classes):
    """Each count of a chunk makes a table anew, which of many classes is large."""
    count, made = np.bincount, []

    def counted(cells, minlength):
        made.append(minlength)
        return count(cells, minlength=minlength)

    monkeypatch.setattr(np, "bincount", counted)
    ids = np.random.default_rng(0).integers(0, num_classes, (2, 500, 800))
    matrix = metrics.confusion_matrix(*ids, num_classes, None)
    assert matrix.sum() == 500 * 800
    assert sum(made) <= 500 * 800 + num_classes**2


@pytest.mark.parametrize(
    ("labels", "predictions", "message"),
    [
        ([0, 7, 9], [0, 0, 0], r"0 to 2\. Received: labels \[7, 9\]"),
        ([0, -1, 0], [0, 0, 0], r"labels \[-1\]"),
        ([0, 1, 2], [0, 3, 3], r"Received: predictions \[3\]"),
        ([0, 4, 2], [0, -3, 5], r"labels \[4\] and predictions \[-3, 5\]"),
        ([0, 1], [0, 1, 2], r"same shape.*\(2,\) and \(3,\)"),
        ([0.0, 1.0], [0, 1], r"`labels` must be integer.*float64"),
        ([0, 1], [0.0, 1.0], r"`predictions` must be integer.*float64"),
    ],
)
def test_matrix_refuses(labels, predictions, message):
    with pytest.raises(ValueError, match=message):
        metrics.confusion_matrix(np.array(labels), np.array(predictions), 3)


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="2 or more. Received: 1"):
        metrics.confusion_matrix(np.zeros(3, int), np.zeros(3, int), 1)
    with pytest.raises(ValueError, match="2 or more. Received: 1"):
        metrics.MeanIoU(1)


@pytest.mark.parametrize("seed", range(5))
def test_scores_are_the_definitions(seed):
    rng = np.random.default_rng(seed)
    matrix = rng.integers(0, 50, (6, 6))
    matrix[2] = 0  # only predicted
    matrix[4], matrix[:, 4] = 0, 0  # absent from both
    result = metrics.scores(matrix)
    for name, value in scores_by_loops(matrix).items():
        assert result[name] == pytest.approx(value, abs=1e-15), name
    assert np.isnan(result["class_accuracy"]).tolist() == [0, 0, 1, 0, 1, 0]
    assert np.isnan(result["class_iou"]).tolist() == [0, 0, 0, 0, 1, 0]
    assert result["class_iou"][2] == result["class_dice"][2] == 0
    iou, dice = result["class_iou"], result["class_dice"]
    np.testing.assert_allclose(dice, 2 * iou / (1 + iou), atol=1e-15)


def test_scores_follow_the_classes():
    matrix = np.random.default_rng(0).integers(0, 50, (5, 5))
    order = [3, 1, 4, 0, 2]
    result, permuted = metrics.scores(matrix), metrics.scores(matrix[order][:, order])
    for name, value in result.items():
        value = value[order] if name.startswith("class") else value
        np.testing.assert_allclose(permuted[name], value, rtol=1e-14)


def test_absent_classes_as_zero():
    matrix = np.array([[3, 1, 0, 0], [0, 4, 2, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    result = metrics.scores(matrix, absent="zero")
    iou = [3 / 4, 4 / 7, 0, 0]
    np.testing.assert_allclose(result["class_iou"], iou)
    assert result["mean_iou"] == pytest.approx(sum(iou) / 4)
    assert result["mean_accuracy"] == pytest.approx((3 / 4 + 4 / 6) / 4)
    assert metrics.scores(matrix)["mean_iou"] == pytest.approx(sum(iou) / 3)
    with pytest.raises(ValueError, match="'skip' or 'zero'. Received: 'one'"):
        metrics.scores(matrix, absent="one")


@pytest.mark.parametrize("absent", ["skip", "zero"])
def test_nothing_scores_nan(absent):
    result = metrics.scores(np.zeros((3, 3), int), absent)
    assert all(np.isnan(value).all() for value in result.values())
    assert len(result) == 8


@pytest.mark.parametrize("matrix", [np.ones(3), np.ones((2, 3)), -np.ones((2, 2))])
def test_scores_refuse_what_is_no_matrix_of_counts(matrix):
    with pytest.raises(ValueError, match="num_classes, num_classes"):
        metrics.scores(matrix)


@pytest.mark.parametrize("metric_class", NAMES)
def test_metrics_equal_the_scores(metric_class):
    labels, predictions = random_maps(6)
    predictions[predictions == 5] = 4
    expected = metrics.scores(metrics.confusion_matrix(labels, predictions, 6))
    metric = metric_class(6)
    assert metric.name == NAMES[metric_class]
    for batch in (slice(0, 1), slice(1, 4)):
        metric.update_state(labels[batch], predictions[batch])
    assert float(metric.result()) == pytest.approx(expected[metric.name], rel=1e-6)
    np.testing.assert_array_equal(metric.class_iou(), expected["class_iou"])
    metric.reset_state()
    assert math.isnan(metric.result())
    assert metric.confusion_matrix().sum() == 0


@pytest.mark.parametrize("jit_compile", [False, True])
def test_metrics_in_a_compiled_graph(evaluate, jit_compile):
    labels, predictions = random_maps(4, void=(250, 255))
    metric = metrics.MeanIoU(4, ignore_class=[250, 255])
    value = evaluate(metric, labels, predictions, jit_compile=jit_compile)
    matrix = metrics.confusion_matrix(labels, predictions, 4, [250, 255])
    np.testing.assert_array_equal(metric.confusion_matrix(), matrix)
    assert value == pytest.approx(metrics.scores(matrix)["mean_iou"], rel=1e-6)


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32"])
def test_labels_and_predictions_in_every_shape(dtype):
    labels, predictions = random_maps(4)
    expected = metrics.confusion_matrix(labels, predictions, 4)
    logits = np.eye(4)[predictions] + 0.5 * np.random.default_rng(2).random(4)
    for y_true in (labels.astype(dtype), labels[..., None].astype(dtype)):
        for y_pred in (predictions, predictions[..., None], logits):
            metric = metrics.MeanIoU(4)
            metric.update_state(y_true, y_pred)
            np.testing.assert_array_equal(metric.confusion_matrix(), expected)


def test_counts_are_exact_beyond_32_bits():
    metric = metrics.MeanIoU(2)
    exact = np.array([[2**40 + 3, 2**24 - 1], [2**31 - 1, 2**53 + 1]])
    metric.counts.high.assign((exact // 2**24).astype("int32"))
    metric.counts.low.assign((exact % 2**24).astype("int32"))
    np.testing.assert_array_equal(metric.confusion_matrix(), exact)
    labels = np.array([[[0, 0, 1, 1, 1]]])
    metric.update_state(labels, np.array([[[0, 1, 0, 1, 1]]]))
    exact += [[1, 1], [1, 2]]
    np.testing.assert_array_equal(metric.confusion_matrix(), exact)
    assert float(metric.result()) == pytest.approx(
        scores_by_loops(exact)["mean_iou"], rel=1e-6
    )


def test_large_batches_carry():
    metric = metrics.PixelAccuracy(2)
    labels = np.zeros((2, 1000, 1000), "uint8")
    for _ in range(20):
        metric.update_state(labels, labels)
    assert metric.confusion_matrix().tolist() == [[40_000_000, 0], [0, 0]]
    assert 0 <= int(metric.counts.low[0, 0]) < 2**24


@pytest.mark.parametrize("metric_class", NAMES)
@pytest.mark.parametrize("ignore_class", [255, None, [250, 255]])
def test_config_round_trip(metric_class, ignore_class):
    metric = metric_class(3, ignore_class, name="score", dtype="float64")
    data = keras.saving.serialize_keras_object(metric)
    again = keras.saving.deserialize_keras_object(data)
    assert data["registered_name"] == f"kseg>{metric_class.__name__}"
    assert type(again) is metric_class
    assert again.get_config() == metric.get_config()
    assert again.ignore_class == ignore_class
    assert (again.name, again.num_classes, again.dtype) == ("score", 3, "float64")


@ignore_keras_save
def test_saved_model_keeps_its_metric(model_that_predicts, tmp_path):
    labels, predictions = random_maps(3)
    model, logits = model_that_predicts(
        predictions, metrics.MeanIoU(3), metrics.Dice(3)
    )
    logs = model.evaluate(logits, labels, verbose=0, return_dict=True)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.evaluate(logits, labels, verbose=0, return_dict=True) == logs
    assert logs["mean_dice"] > logs["mean_iou"] > 0.3


@ignore_keras_save
def test_fit_and_its_callbacks_keep_the_highest(model_that_predicts, tmp_path):
    labels, predictions = random_maps(3)
    model, logits = model_that_predicts(predictions, metrics.MeanIoU(3))
    checkpoint = keras.callbacks.ModelCheckpoint(
        tmp_path / "best.keras", monitor="val_mean_iou", save_best_only=True
    )
    history = model.fit(
        logits,
        labels,
        epochs=2,
        validation_data=(logits[:2], labels[:2]),
        callbacks=[checkpoint],
        verbose=0,
    ).history
    for name, count in (("mean_iou", 4), ("val_mean_iou", 2)):
        matrix = metrics.confusion_matrix(labels[:count], predictions[:count], 3)
        expected = metrics.scores(matrix)["mean_iou"]
        assert history[name] == pytest.approx([expected] * 2, rel=1e-6)
    assert checkpoint.monitor_op(0.7, 0.6)
    assert (tmp_path / "best.keras").exists()
