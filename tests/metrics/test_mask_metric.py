import math
import os
import pathlib
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest

from kseg import metrics

METRICS = [
    metrics.PixelAccuracy,
    metrics.MeanAccuracy,
    metrics.MeanIoU,
    metrics.FrequencyWeightedIoU,
    metrics.Dice,
    metrics.BoundaryF1,
    metrics.BoundaryIoU,
]


def half_wrong_labels():
    """Half of the labels are 7 where there are 3 classes; the rest is right."""
    predictions = np.tile([0, 1, 2, 1], (4, 6, 2))
    labels = predictions.copy()
    labels[:, ::2] = 7
    return labels, predictions


class BatchLogs(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.values = []

    def on_test_batch_end(self, batch, logs=None):
        self.values.append(logs["mean_iou"])


@pytest.mark.parametrize("metric_class", METRICS)
def test_wrong_labels_raise_at_once(metric_class):
    labels, predictions = half_wrong_labels()
    metric = metric_class(3)
    with pytest.raises(ValueError, match=r"0 to 2, .* Received: labels \[7\]"):
        metric.update_state(labels, predictions)
    assert math.isnan(metric.result())  # the refused batch left no trace


@pytest.mark.parametrize("metric_class", METRICS)
def test_wrong_labels_raise_after_a_compiled_graph(evaluate, metric_class):
    labels, predictions = half_wrong_labels()
    metric = metric_class(3)
    message = f"{labels.size // 2} pixels, counted inside a compiled graph"
    with pytest.raises(ValueError, match=message):
        evaluate(metric, labels, predictions)
    for read in (metric.check, metric.result):
        with pytest.raises(ValueError, match=message):
            read()
    metric.reset_state()
    metric.check()


def test_inside_the_graph_the_result_is_nan(evaluate):
    labels, predictions = half_wrong_labels()
    labels[:2] = predictions[:2]
    logs = BatchLogs()
    with pytest.raises(ValueError, match="compiled graph"):
        evaluate(metrics.MeanIoU(3), labels, predictions, callbacks=[logs])
    assert float(logs.values[0]) == 1.0
    assert math.isnan(logs.values[1])


def test_run_eagerly_names_the_values(evaluate):
    labels, predictions = half_wrong_labels()
    with pytest.raises(ValueError, match=r"labels \[7\]"):
        evaluate(metrics.MeanIoU(3), labels, predictions, run_eagerly=True)


def test_matrix_is_not_given_after_wrong_ids(evaluate):
    labels, predictions = half_wrong_labels()
    metric = metrics.MeanIoU(3)
    with pytest.raises(ValueError):
        evaluate(metric, labels, predictions)
    for read in (metric.confusion_matrix, metric.class_iou):
        with pytest.raises(ValueError, match="compiled graph"):
            read()


@pytest.mark.parametrize(
    ("label", "received"),
    [
        (3, r"labels \[3.0\]"),
        (-1, r"labels \[-1.0\]"),
        (0.5, r"labels \[0.5\]"),
        (255.5, r"labels \[255.5\]"),
        (math.nan, r"labels \[nan\]"),
        (math.inf, r"labels \[inf\]"),
    ],
)
def test_labels_that_are_no_class(label, received):
    labels = np.zeros((1, 2, 2), "float32")
    labels[0, 1, 1] = label
    with pytest.raises(ValueError, match=received):
        metrics.MeanIoU(3).update_state(labels, np.zeros((1, 2, 2), int))


def test_predictions_that_are_no_class():
    labels, predictions = np.zeros((1, 1, 3), int), np.array([[[0, 3, -4]]])
    with pytest.raises(ValueError, match=r"predictions \[-4, 3\]"):
        metrics.MeanIoU(3).update_state(labels, predictions)
    labels[0, 0, 1:] = 255
    metric = metrics.MeanIoU(3)
    metric.update_state(labels, predictions)
    assert metric.confusion_matrix().sum() == 1


@pytest.mark.parametrize("metric_class", METRICS)
def test_one_logit_is_that_of_class_1_of_two(metric_class):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (2, 9, 12))
    logits = rng.normal(size=(2, 9, 12, 1)).astype("float32")
    logits[0, :3] = 0  # no edge yet
    by_logits, by_ids = metric_class(2), metric_class(2)
    by_logits.update_state(labels, logits)
    by_ids.update_state(labels, (logits[..., 0] > 0).astype("int32"))
    assert 0 < by_logits.result() == by_ids.result() < 1


def test_one_logit_is_refused_where_there_are_more_classes():
    labels, logits = np.zeros((1, 2, 2), int), np.zeros((1, 2, 2, 1), "float32")
    with pytest.raises(ValueError, match=r"width, 3\).* Received: \(1, 2, 2, 1\)"):
        metrics.MeanIoU(3).update_state(labels, logits)


def test_weight_leaves_padding_images_out(evaluate):
    rng = np.random.default_rng(0)
    labels, predictions = rng.integers(0, 3, (2, 4, 6, 8))
    labels[3] = 99  # would raise if it counted
    weights = np.array([1, 0, 1, 0], "float32")
    for metric_class in (metrics.MeanIoU, metrics.BoundaryF1):
        kept, weighted, compiled = (metric_class(3) for _ in range(3))
        kept.update_state(labels[[0, 2]], predictions[[0, 2]])
        weighted.update_state(labels, predictions, weights)
        evaluate(compiled, labels, predictions, weights)
        for metric in (weighted, compiled):
            assert float(metric.result()) == pytest.approx(float(kept.result()), 1e-6)


def test_other_weights_are_refused(evaluate):
    labels = np.zeros((2, 2, 2), int)
    metric = metrics.MeanIoU(3)
    with pytest.raises(ValueError, match=r"weights 0 or 1.*sample weights \[0.5\]"):
        metric.update_state(labels, labels, np.array([1, 0.5]))
    with pytest.raises(ValueError, match="compiled graph"):
        evaluate(metric, labels, labels, np.array([1, 0.5]))
    with pytest.raises(ValueError, match=r"shape \(batch,\).*\(2, 2, 2\)"):
        metric.update_state(labels, labels, np.ones((2, 2, 2)))


@pytest.mark.parametrize(
    ("true_shape", "predicted", "message"),
    [
        ((2, 4), np.zeros((2, 4, 4), int), r"`y_true`.*Received: \(2, 4\)"),
        ((2, 4, 4, 3), np.zeros((2, 4, 4), int), r"`y_true`.*\(2, 4, 4, 3\)"),
        ((2, 4, 4), np.zeros((2, 4, 4, 3), int), r"`y_pred`.*\(2, 4, 4, 3\)"),
        ((2, 4, 4), np.zeros((2, 4, 4, 4)), r"width, 3\).*\(2, 4, 4, 4\)"),
        ((2, 4, 4), np.zeros((2, 4, 4)), r"width, 3\).*Cast class ids to int32"),
        ((2, 4, 4), np.zeros((2, 1, 4), int), r"agree.*\(2, 4, 4\) and \(2, 1, 4\)"),
    ],
)
def test_shapes_that_are_refused(true_shape, predicted, message):
    for metric in (metrics.MeanIoU(3), metrics.BoundaryF1(3)):
        with pytest.raises(ValueError, match=message):
            metric.update_state(np.zeros(true_shape, int), predicted)


def run_in_new_process(script, backend):
    """Runs Python source in a fresh interpreter; returns what it printed."""
    maps = """
        import numpy as np
        rng = np.random.default_rng(0)
        labels, predictions = np.kron(
            rng.integers(0, 3, (2, 8, 5, 6)), np.ones((1, 1, 4, 4), int)
        ).astype("int32")
        predictions[:4] = np.roll(labels[:4], 1, axis=2)
        labels[:, 5:9, 5:9] = 255
        logits = np.eye(3, dtype="float32")[predictions]
    """
    root = pathlib.Path(__file__).parents[2]
    environment = {
        "KERAS_BACKEND": backend,
        "PYTHONPATH": str(root),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    process = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(maps) + textwrap.dedent(script)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr[-3000:]
    return process.stdout


@pytest.mark.parametrize("metric_class", [*METRICS, metrics.ExpectedCalibrationError])
@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_scores_that_are_not_finite(metric_class, wrong):
    labels = np.tile([0, 1], (2, 4, 3))
    scores = np.zeros((2, 4, 6, 3), "float32")
    labels[0, 1, 2] = 255
    scores[0, 1, 2] = wrong
    metric = metric_class(3)
    metric.update_state(labels, scores)  # at void anything is allowed
    before = float(metric.result())
    scores[1, 2, 3, 1] = wrong
    with pytest.raises(ValueError, match="predictions from scores that are NaN, inf"):
        metric.update_state(labels, scores)
    assert float(metric.result()) == before
    weights = np.array([1, 0], "float32")
    metric.update_state(labels, scores, weights)


def test_scores_that_are_not_finite_in_a_compiled_graph(evaluate):
    class Undo(keras.callbacks.Callback):
        def on_test_begin(self, logs=None):
            kernel = self.model.weights[0]
            kernel.assign(kernel * math.nan)

    labels = np.tile([0, 1], (2, 4, 3))
    for metric_class in (metrics.MeanIoU, metrics.ExpectedCalibrationError):
        with pytest.raises(ValueError, match="48 pixels, counted inside a compiled"):
            evaluate(metric_class(3), labels, labels, callbacks=[Undo()])


def test_resized_logits_that_are_not_finite():
    logits = np.zeros((1, 4, 4, 3), "float32")
    logits[0, 2, 2, 0] = math.nan
    with pytest.raises(ValueError, match="scores that are NaN"):
        metrics.Resized(metrics.MeanIoU(3)).update_state(
            np.zeros((1, 8, 8), int), logits
        )


def test_two_replicas_count_as_one():
    pytest.importorskip("tensorflow")
    script = """
        import keras
        import tensorflow as tf
        from kseg import metrics

        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0],
            [tf.config.LogicalDeviceConfiguration()] * 2,
        )

        def no_loss(y_true, y_pred):
            return 0.0 * keras.ops.mean(y_pred, axis=(1, 2, 3))

        with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
            iou = metrics.MeanIoU(3)
            boundary = metrics.BoundaryF1(3, tolerance=0.05)
            bands = metrics.BoundaryIoU(3, width=0.05)
            calibration = metrics.ExpectedCalibrationError(3)
            copy = keras.layers.Dense(3, use_bias=False, kernel_initializer="identity")
            model = keras.Sequential([keras.Input((20, 24, 3)), copy])
            model.compile(
                loss=no_loss, metrics=[iou, boundary, bands, calibration]
            )

        def evaluate(labels):
            data = tf.data.Dataset.from_tensor_slices((logits, labels)).batch(4)
            return model.evaluate(data, verbose=0, return_dict=True)

        logs = evaluate(labels)
        one_iou = metrics.MeanIoU(3)
        one_boundary = metrics.BoundaryF1(3, tolerance=0.05)
        one_bands = metrics.BoundaryIoU(3, width=0.05)
        one_calibration = metrics.ExpectedCalibrationError(3)
        for one in (one_iou, one_boundary, one_bands, one_calibration):
            one.update_state(labels, logits)
            assert 0.02 < one.result() < 0.98
            assert abs(logs[one.name] - one.result()) < 1e-6, one.name
        np.testing.assert_array_equal(
            iou.confusion_matrix(), one_iou.confusion_matrix()
        )
        np.testing.assert_allclose(
            boundary.class_f1(), one_boundary.class_f1(), rtol=1e-6
        )
        for many, one in ((bands, one_bands), (calibration, one_calibration)):
            np.testing.assert_array_equal(many.counts.numpy(), one.counts.numpy())

        labels[3, 0, 0] = 7  # in the second replica's half of the batch
        try:
            evaluate(labels)
        except ValueError as error:
            print(error)
    """
    assert "at 1 pixels" in run_in_new_process(script, "tensorflow")


def test_jax_jit():
    pytest.importorskip("jax")
    script = """
        import jax
        from kseg import metrics

        expected = metrics.scores(metrics.confusion_matrix(labels, predictions, 3))
        expected["boundary_f1"], _ = metrics.mean_boundary_f1(
            [metrics.boundary_f1(*pair, 3) for pair in zip(labels, predictions)]
        )
        bands, calibration = metrics.BoundaryIoUScores(3), metrics.CalibrationScores(3)
        shares = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
        for label, prediction, share in zip(labels, predictions, shares):
            bands.update(label, prediction)
            calibration.update(label, share)
        expected |= bands.result() | calibration.result()
        wrong = logits.copy()
        wrong[3, 0, 0] = np.nan
        for name in (
            "PixelAccuracy", "MeanIoU", "Dice", "BoundaryF1", "BoundaryIoU",
            "ExpectedCalibrationError",
        ):
            metric = getattr(metrics, name)(3)
            update = jax.jit(metric.stateless_update_state)
            result = jax.jit(metric.stateless_result)
            state = [variable.value for variable in metric.variables]
            for batch in (slice(0, 3), slice(3, 8)):
                state = update(state, labels[batch], logits[batch])
            assert abs(result(state) - expected[metric.name]) < 1e-5, name
            state = update(state, labels, wrong)
            assert np.isnan(result(state)), name
            try:
                metric.stateless_result(state)
            except ValueError:
                print("raised", name)
    """
    assert run_in_new_process(script, "jax").count("raised") == 6
