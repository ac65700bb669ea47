"""A run compiles one training step and one validation step, whatever its data."""

import keras
import pytest

from kseg.training import run

CONFIG = """
from kseg.training.experiment import Experiment

def config():
    return Experiment(
        network=dict(name="unet", filters=2, depth=2),
        data=dict(name="folder", path={path!r}, crop=(16, 24), batch_size=4,
                  val_size=(48, 64), val_batch_size=2),
        optimizer=dict(learning_rate=0.1),
        fit=dict(epochs=3, steps_per_epoch=2, checkpoint_steps=1),
        export=dict(pictures=0, formats=()),
    )
"""


@pytest.fixture
def traced(monkeypatch):
    """How often each step became a graph: what is in the graph runs no Python."""
    counts = dict.fromkeys(("train_step", "test_step"), 0)

    def counted(name):
        step = getattr(keras.Model, name)

        def trace(self, *arguments):
            counts[name] += 1
            return step(self, *arguments)

        return trace

    for name in counts:
        monkeypatch.setattr(keras.Model, name, counted(name))
    return counts


def test_epochs_with_batches_that_are_filled_up(scenes, tmp_path, traced):
    """Six images in batches of four, and three in batches of two."""
    config = tmp_path / "tiny.py"
    config.write_text(CONFIG.format(path=str(scenes)))
    assert run.main([str(config), "--directory", str(tmp_path / "result")]) == 0
    assert traced == {"train_step": 1, "test_step": 1}
