"""A short run with fake quantisation, that stops and goes on, and what it leaves."""

import keras
import numpy as np
import pytest

from kseg.training.run import main


def test_a_run_goes_on_and_leaves_the_network_as_it_is_built(config, tmp_path):
    folder = tmp_path / "out"
    command = [str(config), "--directory", str(folder), "--set"]
    command += ["fit.quantisation_aware=True", "fit.keep=last", "export.pictures=0"]
    assert main([*command, "fit.epochs=1"]) == 0
    saved = folder / "tiny.keras"
    first = [np.array(v) for v in keras.models.load_model(saved).weights]
    assert main([*command[:3], "--resume", *command[3:], "fit.epochs=2"]) == 0
    model = keras.models.load_model(saved)
    assert {type(layer).__name__ for layer in model.layers}.isdisjoint(
        ("FakeQuantisation", "QuantisedKernel")
    )
    changed = [
        (np.array(v) != w).any() for v, w in zip(model.weights, first, strict=True)
    ]
    assert any(changed)


def test_half_precision_is_refused(config, tmp_path, capsys):
    options = ["fit.quantisation_aware=True", "fit.dtype_policy=mixed_bfloat16"]
    command = [str(config), "--directory", str(tmp_path / "out"), "--set", *options]
    assert main(command) == 2
    assert "compute in float32" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["True", "False"])
def test_the_option_is_known(config, value):
    from kseg.training.experiment import load_experiment

    _, experiment = load_experiment(str(config))
    experiment.replace([f"fit.quantisation_aware={value}"])
