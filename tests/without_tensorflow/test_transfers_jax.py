"""What goes from the host to the device: a batch for a step, an image for its mask.

`make test-jax` runs this file; elsewhere it is skipped. The other way cannot be seen on
a CPU, whose arrays NumPy reads where they are.
"""

import importlib.util
import os
import re

import numpy as np
import pytest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is not None
    or os.environ.get("KERAS_BACKEND") != "jax",
    reason="wants KERAS_BACKEND=jax and an environment without TensorFlow",
)

# JAX says what of a transfer when it is the first of its kind.
TRANSFER = re.compile(r"host-to-device transfer: *(?:aval=ShapedArray\((.*?\]))?")


class Transfers:
    """Collects what JAX says went to the device inside of it."""

    def __init__(self, capfd):
        self.capfd, self.found = capfd, []

    def __enter__(self):
        import jax

        self.capfd.readouterr()
        self.guard = jax.transfer_guard_host_to_device("log")
        self.guard.__enter__()
        return self

    def __exit__(self, *error):
        self.guard.__exit__(*error)
        self.found.append(TRANSFER.findall(self.capfd.readouterr().err))


@pytest.mark.parametrize("name", ["unet", "hed"])
def test_an_image_goes_once_and_as_bytes(name, capfd):
    """HED gives one logit, which is compared with 0 where it is."""
    import kseg

    model = kseg.build(name, **(dict(filters=2, depth=2) if name == "unet" else {}))
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (33, 47, 3), np.uint8)
    transfers = Transfers(capfd)
    for _ in range(2):
        with transfers:
            kseg.predict(model, image)
    # 12 tiles in batches of 8.
    with transfers:
        kseg.predict(model, np.tile(image, (8, 7, 1))[:256, :320], (128, 128), 64)
    first, second, tiles = transfers.found
    assert first == ["uint8[1,33,47,3]"] and len(second) == 1
    assert tiles == ["uint8[8,128,128,3]", ""]


CONFIG = """
from kseg.training.experiment import Experiment

def config():
    return Experiment(
        network=dict(name="unet", filters=2, depth=2),
        data=dict(name="folder", path={path!r}, crop=(16, 24), batch_size=4,
                  val_size=(48, 64), val_batch_size=2),
    )
"""


def test_a_step_takes_its_batch_and_nothing_else(scenes, tmp_path, capfd, monkeypatch):
    """Images, masks, and in validation which images count."""
    from keras.callbacks import CallbackList

    from kseg.training.experiment import load_experiment
    from kseg.training.fit import fit

    (tmp_path / "tiny.py").write_text(CONFIG.format(path=str(scenes)))
    _, experiment = load_experiment(str(tmp_path / "tiny.py"))
    transfers = {kind: Transfers(capfd) for kind in ("train", "test")}

    def around(kind):
        begin = getattr(CallbackList, f"on_{kind}_batch_begin")
        end = getattr(CallbackList, f"on_{kind}_batch_end")

        def begun(self, *arguments):
            begin(self, *arguments)
            transfers[kind].__enter__()

        def ended(self, *arguments):
            end(self, *arguments)
            transfers[kind].__exit__(None, None, None)

        monkeypatch.setattr(CallbackList, f"on_{kind}_batch_begin", begun)
        monkeypatch.setattr(CallbackList, f"on_{kind}_batch_end", ended)

    for kind in transfers:
        around(kind)
    fit(experiment, tmp_path, False, epochs=1, steps_per_epoch=3)
    train, test = (found.found for found in transfers.values())
    assert train[0] == ["uint8[4,16,24,3]", "uint8[4,16,24]"]
    assert test[0] == ["uint8[2,48,64,3]", "uint8[2,48,64]", "float32[2]"]
    assert [len(x) for x in train[1:] + test[1:]] == [2, 2, 3]
