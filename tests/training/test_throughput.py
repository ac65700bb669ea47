import keras
import pytest
from PIL import Image

from kseg.cli import main
from kseg.training.experiment import Experiment
from kseg.training.throughput import throughput, verdict

TINY = dict(name="synthetic", num_train=4, num_val=2, size=(32, 48))


def experiment(**data):
    return Experiment(
        network=dict(name="unet", filters=2, depth=2),
        data={**TINY, "crop": (32, 48), "batch_size": 2, **data},
    )


def test_every_part_is_measured():
    rates = throughput(experiment(), seconds=0.2)
    assert sorted(rates) == ["feed", "kept", "model", "read"]
    assert all(rate > 0 for rate in rates.values()) and rates["kept"] == 1
    assert throughput(experiment(cache=False), seconds=0.1)["kept"] == 0


def test_a_slow_feed_is_found(monkeypatch):
    import time

    from kseg.data import RandomFlip

    flip = RandomFlip.__call__

    def slow(self, example, rng):
        time.sleep(0.5)
        return flip(self, example, rng)

    monkeypatch.setattr(RandomFlip, "__call__", slow)
    rates = throughput(experiment(), seconds=0.3)
    assert rates["feed"] < rates["model"]
    assert verdict(rates).startswith("The feed is the limit: the model waits")


def test_the_model_is_the_one_that_is_trained(monkeypatch):
    from kseg.training import throughput as module

    seen = []

    def step(trained, batch, seconds):
        seen.append({layer.compute_dtype for layer in trained.layers})
        return 1.0

    monkeypatch.setattr(module, "_step", step)
    half = experiment()
    half.fit["dtype_policy"] = "mixed_bfloat16"
    throughput(half, seconds=0.1)
    keras.config.set_dtype_policy("float32")
    assert "bfloat16" in seen[0]


def test_a_broken_picture_is_told_as_it_is(tmp_path):
    for kind, value in (("images", 9), ("masks", 1)):
        (tmp_path / kind).mkdir()
        for name in "abcd":
            picture = Image.new("RGB" if value == 9 else "L", (48, 32), value)
            picture.save(tmp_path / kind / f"{name}.png")
    for name in "abcd":
        path = tmp_path / "images" / f"{name}.png"
        path.write_bytes(path.read_bytes()[:60])
    broken = experiment(cache=False)
    broken.data = dict(
        name="folder", path=str(tmp_path), classes=3, crop=(32, 48), batch_size=2
    )
    with pytest.raises(ValueError, match=r"whole file.*\.png"):
        throughput(broken, seconds=0.1)


def test_the_verdict_names_the_share_that_is_waited():
    rates = {"read": 1.0, "kept": 0.5, "feed": 5.0, "model": 20.0}
    assert "waits 75% of the time" in verdict(rates) and "cache" in verdict(rates)
    assert "cache" not in verdict({**rates, "kept": 1.0})
    assert verdict({**rates, "feed": 20.0}).startswith("The model is the limit")


def test_the_command_prints_the_rates(tmp_path, capsys):
    config = tmp_path / "tiny.py"
    config.write_text(
        "from kseg.training.experiment import Experiment\n"
        "def config():\n"
        "    return Experiment(network=dict(name='unet', filters=2, depth=2),\n"
        f"        data=dict(**{TINY!r}, crop=(32, 48), batch_size=2))\n"
    )
    assert main(["bench-data", str(config), "--seconds", "0.2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["read", "feed", "model"]
    assert lines[3].endswith(".") and "is the limit" in lines[3]
    assert main(["bench-data", str(config), "--seconds", "0"]) == 2
    assert "`seconds` must be positive. Received: 0.0" in capsys.readouterr().err


def test_no_time_is_refused():
    with pytest.raises(ValueError, match="`seconds` must be positive. Received: -1"):
        throughput(experiment(), seconds=-1)
