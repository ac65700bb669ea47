"""Calibration against its definition, pixel by pixel."""

import math

import keras
import numpy as np
import pytest

from kseg import metrics


def no_loss(y_true, y_pred):
    return 0.0 * keras.ops.sum(y_pred, axis=(1, 2, 3))


def draw(shape=(17, 23), num_classes=4, seed=0, void=True):
    """Labels and probabilities that are confident, and often wrong."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=(*shape, num_classes))
    labels = np.where(
        rng.random(shape) < 0.6,
        logits.argmax(axis=-1),
        rng.integers(0, num_classes, shape),
    )
    if void:
        labels[rng.random(shape) < 0.2] = 255
    scores = np.exp(logits)
    return labels, scores / scores.sum(axis=-1, keepdims=True), logits


def by_loops(pairs, bins, only=None):
    """The definitions, pixel by pixel."""
    members = [[] for _ in range(bins)]
    brier, likelihood = [], []
    for labels, probabilities in pairs:
        rows = probabilities.reshape(labels.size, -1)
        for label, row in zip(labels.flat, rows, strict=True):
            predicted, confidence = int(np.argmax(row)), float(max(row))
            if label == 255 or only not in (None, predicted):
                continue
            index = next(m for m in range(bins) if confidence <= (m + 1) / bins)
            members[index].append((predicted == label, confidence))
            truth = [float(c == label) for c in range(len(row))]
            brier.append(sum((p - t) ** 2 for p, t in zip(row, truth, strict=True)))
            likelihood.append(-math.log(row[label]))
    pixels = sum(map(len, members))
    gaps = [abs(np.mean([r - c for r, c in bin])) if bin else 0.0 for bin in members]
    return {
        "expected_calibration_error": sum(
            len(bin) * gap for bin, gap in zip(members, gaps, strict=True)
        )
        / pixels,
        "maximum_calibration_error": max(gaps),
        "brier_score": np.mean(brier),
        "negative_log_likelihood": np.mean(likelihood),
        "bin_count": [len(bin) for bin in members],
    }


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_equals_the_definition(bins):
    pairs = [draw(seed=seed)[:2] for seed in range(2)]
    collected = metrics.CalibrationScores(4, bins=bins)
    for pair in pairs:
        collected.update(*pair)
    result = collected.result()
    for name, value in by_loops(pairs, bins).items():
        np.testing.assert_allclose(result[name], value, rtol=1e-12, err_msg=name)
    for c in range(4):
        expected = by_loops(pairs, bins, c)["expected_calibration_error"]
        found = result["class_expected_calibration_error"][c]
        assert found == pytest.approx(expected, rel=1e-12)
    assert 0.04 < result["expected_calibration_error"] < 0.5


def test_upper_edges_of_bins_are_within():
    collected = metrics.CalibrationScores(2, bins=4)
    row = np.array([0.5, 0.75, 0.7500001, 1.0])
    probabilities = np.stack([row, 1 - row], axis=-1)[None]
    collected.update(np.zeros((1, 4), int), probabilities)
    assert collected.result()["bin_count"].tolist() == [0, 1, 1, 2]
    metric = metrics.ExpectedCalibrationError(2, bins=4, from_logits=False)
    metric.update_state(np.zeros((1, 1, 4), int), probabilities[None].astype("float32"))
    assert metric.reliability()["bin_count"].tolist() == [0, 1, 1, 2]


def test_a_calibrated_model_has_no_error():
    rng = np.random.default_rng(0)
    _, probabilities, _ = draw((400, 500), 3)
    edges = probabilities.cumsum(axis=-1)[..., :-1]
    labels = (rng.random((400, 500, 1)) > edges).sum(axis=-1)
    collected = metrics.CalibrationScores(3)
    collected.update(labels, probabilities)
    result = collected.result()
    assert result["expected_calibration_error"] < 0.01
    collected = metrics.CalibrationScores(3)
    collected.update(labels, np.eye(3)[probabilities.argmax(axis=-1)])  # too sure
    sure = collected.result()
    assert sure["expected_calibration_error"] == pytest.approx(1 - sure["accuracy"])
    assert sure["brier_score"] == pytest.approx(2 * (1 - sure["accuracy"]))
    assert sure["negative_log_likelihood"] == pytest.approx(
        -(1 - sure["accuracy"]) * math.log(1e-7)
    )


def test_nothing_scores_nan():
    collected = metrics.CalibrationScores(3)
    collected.update(np.full((2, 2), 255), np.full((2, 2, 3), np.nan))
    result = collected.result()
    assert result["bin_count"].sum() == 0
    result.pop("bin_count")
    assert all(np.isnan(value).all() for value in result.values())


@pytest.mark.parametrize("from_logits", [True, False])
@pytest.mark.parametrize("compiled", [False, True])
def test_metric_equals_the_scores(from_logits, compiled):
    drawn = [draw(seed=seed) for seed in range(4)]
    collected = metrics.CalibrationScores(4, bins=15)
    for labels, probabilities, _ in drawn:
        collected.update(labels, probabilities)
    expected = collected.result()
    labels = np.stack([each[0] for each in drawn])
    scores = np.stack([each[2 if from_logits else 1] for each in drawn])
    metric = metrics.ExpectedCalibrationError(4, from_logits=from_logits)
    if compiled:
        model = keras.Sequential(
            [keras.Input(scores.shape[1:]), keras.layers.Identity()]
        )
        model.compile(loss=no_loss, metrics=[metric])
        logs = model.evaluate(scores, labels, batch_size=3, verbose=0, return_dict=True)
        value = logs["expected_calibration_error"]
    else:
        metric.update_state(labels[:1], scores[:1])
        metric.update_state(labels[1:], scores[1:])
        value = float(metric.result())
    assert value == pytest.approx(expected["expected_calibration_error"], abs=2e-5)
    found = metric.reliability()
    assert found["bin_count"].sum() == expected["bin_count"].sum()
    for name in ("maximum_calibration_error", "class_expected_calibration_error"):
        np.testing.assert_allclose(found[name], expected[name], atol=2e-3)
    metric.reset_state()
    assert math.isnan(metric.result())


def test_one_logit_is_that_of_class_1_of_two():
    labels, _, logits = draw(num_classes=2)
    two, one = (metrics.ExpectedCalibrationError(2) for _ in range(2))
    two.update_state(labels[None], logits[None])
    one.update_state(labels[None], (logits[..., 1:] - logits[..., :1])[None])
    assert float(one.result()) == pytest.approx(float(two.result()), abs=2e-5)
    assert float(two.result()) > 0.05


def test_counts_are_exact_beyond_32_bits():
    metric = metrics.ExpectedCalibrationError(2, bins=2, from_logits=False)
    exact = np.zeros((4, 4), np.int64)  # class 0, class 1; two bins each
    exact[1] = 2**33 + 5, 2**32 + 1, (2**33 + 5) * 32, 0
    metric.counts.high.assign((exact // 2**24).astype("int32"))
    metric.counts.low.assign((exact % 2**24).astype("int32"))
    probabilities = np.broadcast_to(np.float32([0.75, 0.25]), (1, 30, 40, 2))
    metric.update_state(np.zeros((1, 30, 40), int), probabilities)
    exact[1] += 1200, 1200, 1200 * 32, 0
    np.testing.assert_array_equal(metric.counts.numpy(), exact)
    assert metric.reliability()["bin_count"].tolist() == [0, 2**33 + 1205]
    gap = 0.75 - (2**32 + 1201) / (2**33 + 1205)
    assert float(metric.result()) == pytest.approx(gap, rel=1e-6)


def test_config_round_trip():
    metric = metrics.ExpectedCalibrationError(4, [7, 255], 9, from_logits=False)
    data = keras.saving.serialize_keras_object(metric)
    again = keras.saving.deserialize_keras_object(data)
    assert data["registered_name"] == "kseg>ExpectedCalibrationError"
    assert again.get_config() == metric.get_config()
    assert (again.bins, again.from_logits) == (9, False)
    with pytest.raises(ValueError, match="needs no probabilities"):
        metrics.Resized(metric)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0.5, math.nan], "NaN or infinity"),
        ([math.inf, 0.0], "NaN or infinity"),
        ([1.5, -0.5], "minimum -0.5"),
        ([2.0, 1.0], "sums from 3 to 3.*softmax of logits"),
    ],
)
def test_what_is_no_probability_is_refused(values, message):
    row = np.array(values)
    with pytest.raises(ValueError, match=message):
        metrics.CalibrationScores(2).update(np.zeros((1, 1), int), row[None, None])
    metric = metrics.ExpectedCalibrationError(2, from_logits=False)
    with pytest.raises(ValueError, match="NaN, infinite or improbable"):
        metric.update_state(np.zeros((1, 1, 1), int), row[None, None, None])
    metric.update_state(np.full((1, 1, 1), 255), row[None, None, None])
    assert math.isnan(metric.result())


def test_shapes_and_options_that_are_refused():
    labels = np.zeros((2, 3), int)
    with pytest.raises(ValueError, match=r"\(2, 3, 4\).*Received: \(2, 3, 5\)"):
        metrics.CalibrationScores(4).update(labels, np.zeros((2, 3, 5)))
    with pytest.raises(ValueError, match=r"labels \[7\]"):
        metrics.CalibrationScores(4).update(labels + 7, np.full((2, 3, 4), 0.25))
    for collect in (metrics.CalibrationScores, metrics.ExpectedCalibrationError):
        with pytest.raises(ValueError, match="1 or more. Received: 0"):
            collect(4, bins=0)
    metric = metrics.ExpectedCalibrationError(2, from_logits=False)
    for scores in (np.zeros((1, 2, 3, 1)), np.zeros((1, 2, 3), int)):
        with pytest.raises(ValueError, match=r"floating point scores.*width, 2\)"):
            metric.update_state(labels[None], scores)
    with pytest.raises(ValueError, match=r"width, 2\).*\(1, 2, 3, 4\)"):
        metric.update_state(labels[None], np.zeros((1, 2, 3, 4)))
