"""A run of two steps and two epochs, and the config file that describes it."""

import textwrap

import pytest

CONFIG = """
    from kseg.training.experiment import Experiment

    def config():
        return Experiment(
            network=dict(name="unet", filters=4, depth=3),
            data=dict(name="folder", path={path!r}, crop=(32, 48), batch_size=2,
                      val_size=(48, 64)),
            loss=dict(class_weights="median_frequency"),
            optimizer=dict(name="adamw", learning_rate=1e-3),
            fit=dict(epochs=2, steps_per_epoch=2),
            export=dict(formats=("float32",), pictures=1),
        )
"""


@pytest.fixture
def config(tmp_path, scenes):
    """Path of a config file for a tiny run."""
    path = tmp_path / "tiny.py"
    path.write_text(textwrap.dedent(CONFIG).format(path=str(scenes)))
    return path


@pytest.fixture(autouse=True)
def float32_afterwards():
    """Puts the dtype policy back that a run may set."""
    import keras

    yield
    keras.config.set_dtype_policy("float32")
