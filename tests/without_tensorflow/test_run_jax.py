"""The main job on JAX, in an environment that has no TensorFlow.

`make test-jax` runs this file; elsewhere it is skipped.
"""

import importlib.util
import json
import os
import sys
import textwrap

import pytest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is not None
    or os.environ.get("KERAS_BACKEND") != "jax",
    reason="wants KERAS_BACKEND=jax and an environment without TensorFlow",
)

CONFIG = """
    from kseg.training.experiment import Experiment

    def config():
        return Experiment(
            network=dict(name="deeplabv3plus", filters=16, low_level_filters=8),
            data=dict(name="folder", path={path!r}, crop=(33, 48), batch_size=2,
                      val_size=(48, 64)),
            optimizer=dict(name="sgd", learning_rate=0.01),
            fit=dict(epochs=2, steps_per_epoch=2),
            auxiliary=dict(tap="aspp_fuse_relu", filters=8),
            export=dict(pictures=1),
        )
"""


def test_a_run_trains_evaluates_and_resumes(scenes, tmp_path):
    from kseg.training import run

    config = tmp_path / "tiny.py"
    config.write_text(textwrap.dedent(CONFIG).format(path=str(scenes)))
    directory = tmp_path / "result"
    arguments = [str(config), "--directory", str(directory)]
    assert run.main([*arguments, "--set", "fit.epochs=1"]) == 0
    assert run.main([*arguments, "--resume"]) == 0

    metrics = json.loads((directory / "metrics.json").read_text())
    assert metrics["epochs"] == 2
    assert 0 <= metrics["validation"]["mean_iou"] <= 1
    assert metrics["files"] == []
    assert (directory / "tiny.keras").is_file()
    assert "tensorflow" not in sys.modules


def test_the_model_predicts_from_the_command_line(scenes, tmp_path):
    import kseg
    from kseg import cli

    path = tmp_path / "net.keras"
    kseg.build("unet", num_classes=9, filters=4, depth=3).save(path)
    images = scenes / "val" / "images"
    assert (
        cli.main(
            [
                "predict",
                "--model",
                str(path),
                str(images),
                "--output",
                str(tmp_path / "out"),
            ]
        )
        == 0
    )
    assert len(list((tmp_path / "out").glob("*_mask.png"))) == 3


def test_the_metrics_count_on_jax_what_they_count_in_numpy(scenes):
    import numpy as np

    from kseg import metrics

    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, (2, 40, 50))
    labels[0, :9] = 255
    ids = rng.integers(0, 5, (2, 40, 50))
    metric = metrics.MeanIoU(5)
    metric.update_state(labels, ids)
    matrix = metrics.confusion_matrix(labels, ids, 5)
    assert (metric.confusion_matrix() == matrix).all()
    boundary = metrics.BoundaryF1(5)
    boundary.update_state(labels, ids)
    expected, _ = metrics.mean_boundary_f1(
        np.stack(
            [metrics.boundary_f1(m, i, 5) for m, i in zip(labels, ids, strict=True)]
        )
    )
    assert float(boundary.result()) == pytest.approx(expected, abs=1e-6)
