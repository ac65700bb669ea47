"""Two devices of TensorFlow beside one."""

import subprocess
import sys

import keras
import numpy as np
import on_two_devices
import pytest
from PIL import Image

from kseg.training import devices
from kseg.training.feeds import open_feeds

VARIABLES = ("JOB_ADDRESSES", "NUM_PROCESSES", "PROCESS_ID")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Ten images, some of which are void wholly or in part."""
    path = tmp_path_factory.mktemp("devices")
    rng = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (path / kind).mkdir()
    for number in range(10):
        mask = rng.integers(0, 3, (16, 24)).astype(np.uint8)
        mask[: (0, 16, 15, 3)[number % 4]] = 255
        image = np.stack([80 * np.minimum(mask, 3)] * 3, axis=-1)
        Image.fromarray(mask).save(path / "masks" / f"{number}.png")
        Image.fromarray(image).save(path / "images" / f"{number}.png")
    return path


@pytest.fixture(scope="module")
def results(folder, tmp_path_factory):
    """What a step of training is on one device and on two, and what two refuse."""
    path = tmp_path_factory.mktemp("results") / "two.npz"
    command = [sys.executable, on_two_devices.__file__, str(folder), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    with np.load(path) as file:
        two = {name: file[name] for name in file.files}
    return on_two_devices.trained(str(folder), 1), two, done.stdout


@pytest.mark.parametrize("kind", ["log", "gradient", "state", "counts"])
def test_two_devices_are_one(results, kind):
    """Loss and scores, gradients, statistics of batch norms, the confusion matrix.

    Void is spread unevenly, and five images fill no batch of three or four.
    """
    one, two, _ = results
    names = [name for name in one if name.startswith(kind)]
    assert names and sorted(one) == sorted(two)
    for name in names:
        np.testing.assert_allclose(two[name], one[name], 1e-4, 1e-5, err_msg=name)
        assert np.abs(one[name]).max() > 1e-3 or name.endswith("bias"), name


def test_validation_counts_its_images_and_nothing_else(results, folder):
    feeds = open_feeds("folder", path=str(folder), classes=3, validation_fraction=0.5)
    masks = np.stack([feeds.val.mask(index) for index in range(len(feeds.val))])
    assert len(masks) == 5
    for arrays in results[:2]:
        assert arrays["counts"].sum() == (masks != 255).sum()


def test_what_keras_cannot_do_is_refused_on_several_devices(results):
    xla, accumulate, several, batch = results[2].splitlines()
    assert "jit_compile=True on 2 devices" in xla and "KERAS_BACKEND=jax" in xla
    assert "accumulate=2 on 2 devices" in accumulate
    assert "steps_per_execution=2 on 2 devices" in several
    assert "`data.batch_size` must be a multiple" in batch and "2. Received: 3" in batch


@pytest.mark.parametrize("batch_size", [1, 2, 3, 5, 8])
def test_the_loss_of_validation_does_not_depend_on_its_batches(folder, batch_size):
    feeds = open_feeds(
        "folder", path=str(folder), classes=3, crop=(16, 24), validation_fraction=0.5,
        val_batch_size=batch_size,
    )  # fmt: skip
    examples = feeds.val_examples
    values = np.random.default_rng(0).random(examples.steps * batch_size)
    weights = [
        batch[2] if len(batch) == 3 else np.ones(batch_size)
        for batch in map(examples.batch, range(examples.steps))
    ]
    mean = np.mean(values * np.concatenate(weights))
    np.testing.assert_allclose(mean, values[:5].mean(), rtol=1e-6)
    assert len(examples.batch(0)) == (2 if 5 % batch_size == 0 else 3)


@pytest.mark.parametrize(("size", "larger"), [(1, 4), (4, 4), (6, 8)])
def test_validation_batches_grow_to_a_multiple_of_the_devices(folder, size, larger):
    feeds = open_feeds("folder", path=str(folder), classes=3, val_batch_size=size)
    feeds.spread(4, (1, 2))
    assert feeds.val_examples.batch_size == larger
    assert feeds.val_examples.share == larger // 2
    assert feeds.train_examples.shard == (1, 2)


def test_several_hosts_are_refused_on_tensorflow(monkeypatch):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("on JAX they are not refused")
    for name in VARIABLES:
        monkeypatch.delenv(f"KERAS_DISTRIBUTION_{name}", raising=False)
    monkeypatch.delenv("TF_CONFIG", raising=False)
    devices.join_hosts()
    cluster = '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"index": 0}}'
    for config in ("{}", '{"cluster": {"worker": ["a:1"]}}', ""):
        monkeypatch.setenv("TF_CONFIG", config)
        devices.join_hosts()
    monkeypatch.setenv("TF_CONFIG", cluster)
    with pytest.raises(ValueError, match="TF_CONFIG with 2 workers.*KERAS_BACKEND=jax"):
        devices.join_hosts()
    for config in ("worker", '["worker"]', '{"cluster": {"worker": 3}}'):
        monkeypatch.setenv("TF_CONFIG", config)
        with pytest.raises(ValueError, match="TF_CONFIG must be JSON"):
            devices.join_hosts()
    monkeypatch.delenv("TF_CONFIG")
    monkeypatch.setenv("KERAS_DISTRIBUTION_NUM_PROCESSES", "4")
    with pytest.raises(ValueError, match="NUM_PROCESSES, and the backend tensorflow"):
        devices.join_hosts()


def test_one_host_is_the_first_and_writes(capsys):
    assert devices.host() == (0, 1) and devices.writes()
    assert devices.on_one_host(lambda: 7) == 7
    with devices.one_host_prints():
        print("seen")
    devices.leave_hosts()
    assert capsys.readouterr().out == "seen\n"
