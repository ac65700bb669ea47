"""Two devices of JAX, in one process and in two that find each other, beside one.

`make test-jax` runs this file; elsewhere it is skipped.
"""

import csv
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import textwrap

import numpy as np
import pytest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is not None
    or os.environ.get("KERAS_BACKEND") != "jax",
    reason="wants KERAS_BACKEND=jax and an environment without TensorFlow",
)

# Dropout stays on: on JAX its draws are those of one device. Batches of one validation
# image grow, and the three images do not fill them.
CONFIG = """
    from kseg.training.experiment import Experiment

    def config():
        return Experiment(
            network=dict(name="unet", filters=2, depth=2),
            data=dict(name="folder", path={path!r}, crop=(16, 24), batch_size=4,
                      val_size=(48, 64), val_batch_size=1),
            optimizer=dict(learning_rate=0.5, power=0.0),
            fit=dict(epochs=2, steps_per_epoch=2),
            export=dict(pictures=0),
        )
"""
SECONDS = 240  # what hangs, fails


@pytest.fixture(scope="module")
def config(scenes, tmp_path_factory):
    """Path of a config file for a tiny run."""
    path = tmp_path_factory.mktemp("config") / "tiny.py"
    path.write_text(textwrap.dedent(CONFIG).format(path=str(scenes)))
    return path


def start(config, directory, *more, hosts=1, host=0, port=0, devices=1):
    """Starts a run in a process of its own."""
    environment = {
        **os.environ,
        "XLA_FLAGS": f"{os.environ['XLA_FLAGS']} "
        f"--xla_force_host_platform_device_count={devices}",
    }
    if hosts > 1:
        environment |= {
            "KERAS_DISTRIBUTION_JOB_ADDRESSES": f"127.0.0.1:{port}",
            "KERAS_DISTRIBUTION_NUM_PROCESSES": str(hosts),
            "KERAS_DISTRIBUTION_PROCESS_ID": str(host),
        }
    return subprocess.Popen(
        [sys.executable, "-m", "kseg", "train", str(config), "--directory",
         str(directory), *more],
        env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def finish(*processes):
    """Waits for processes, and returns what each one returned, printed and noted."""
    try:
        found = [process.communicate(timeout=SECONDS) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(p.returncode, *texts) for p, texts in zip(processes, found, strict=True)]


def free_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def on_two_hosts(config, directories, *more):
    port = free_port()
    return finish(
        *(
            start(config, directory, *more, hosts=2, host=host, port=port)
            for host, directory in enumerate(directories)
        )
    )


@pytest.fixture(scope="module")
def one(config, tmp_path_factory):
    """The folder of a run on one device."""
    from kseg.training import run

    directory = tmp_path_factory.mktemp("one") / "result"
    assert run.main([str(config), "--directory", str(directory)]) == 0
    return directory


@pytest.fixture(scope="module")
def on_two_devices(config, tmp_path_factory):
    """The folder of the first epoch of a run on two devices."""
    directory = tmp_path_factory.mktemp("two") / "result"
    epoch = ("--set", "fit.epochs=1")
    ((code, _, errors),) = finish(start(config, directory, *epoch, devices=2))
    assert code == 0, errors
    return directory


def assert_same(directory, expected, epoch):
    """Logs; weights, statistics of batch norms, momentum, counts of the matrix."""
    logs = [
        list(csv.DictReader((x / "run/log.csv").read_text().splitlines()))
        for x in (directory, expected)
    ]
    assert len(logs[0]) == epoch
    for row, row_of_one in zip(*logs, strict=False):
        for key, value in row_of_one.items():
            assert float(row[key]) == pytest.approx(float(value), abs=2e-5), key
    name = f"run/checkpoint-{epoch:06d}-00000000.npz"
    with np.load(directory / name) as ours, np.load(expected / name) as theirs:
        for key in set(theirs.files) - {"state"}:
            # The mean of the loss is in the logs; its sum counts what fills a batch.
            if key.startswith("metrics/") and ours[key].dtype.kind == "f":
                continue
            np.testing.assert_allclose(ours[key], theirs[key], 1e-4, 1e-5, err_msg=key)
        assert sum(key.startswith("model/") for key in theirs.files) > 30


def test_two_devices_are_one(on_two_devices, one):
    assert_same(on_two_devices, one, 1)


def test_two_hosts_go_on_where_two_devices_stopped(
    config, on_two_devices, one, tmp_path
):
    """With the files of the first; the second has none and writes none."""
    folders = [tmp_path / "first", tmp_path / "second"]
    shutil.copytree(on_two_devices, folders[0])
    found = on_two_hosts(config, folders, "--resume")
    assert [code for code, _, _ in found] == [0, 0], found
    (_, printed, _), (_, silent, _) = found
    assert "going on after epoch 1" in printed and "IoU %: " in printed
    assert "epoch" not in silent and "IoU" not in silent
    assert not folders[1].exists()
    assert_same(folders[0], one, 2)
    scores, expected = (
        json.loads((x / "metrics.json").read_text())["validation"]
        for x in (folders[0], one)
    )
    assert scores["mean_iou"] == pytest.approx(expected["mean_iou"], abs=1e-5)


def test_all_hosts_refuse_what_the_first_refuses(config, one, tmp_path):
    for code, _, errors in on_two_hosts(config, [one, tmp_path / "second"]):
        assert code == 2 and "holds a run already" in errors


def test_a_wrong_number_of_hosts_is_an_error(monkeypatch):
    from kseg.training import devices

    monkeypatch.setenv("KERAS_DISTRIBUTION_NUM_PROCESSES", "four")
    with pytest.raises(ValueError, match="NUM_PROCESSES must be a number.*'four'"):
        devices.join_hosts()
