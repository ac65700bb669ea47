"""A few images by heart, and the rate at which a loss falls fastest."""

import argparse
import copy
import dataclasses

import numpy as np
import pytest

from kseg.commands import doctor
from kseg.training import overfit as overfitting
from kseg.training.experiment import load_experiment
from kseg.training.lr_find import chart, find_rates, steepest
from kseg.training.overfit import few, overfit, verdict


def learner(config, **optimizer):
    """The tiny run, with a rate that learns its images in seconds."""
    _, experiment = load_experiment(str(config))
    experiment.loss = {}
    experiment.optimizer = {"name": "adamw", "learning_rate": 0.03, **optimizer}
    experiment.network |= {"filters": 8}
    return experiment


def test_a_config_that_learns_knows_its_images(config):
    scores = overfit(learner(config), images=2, passes=80, target=0.5)
    assert scores["mean_iou"] >= 0.5 and scores["passes"] < 80
    assert "It can learn" in verdict({**scores, "predicted": 0.5}, 0.5)


def test_a_config_that_does_not_learn_is_told_of(config):
    experiment = learner(config, learning_rate=0.0, ema=0.9, warmup_steps=3)
    before = copy.deepcopy(dataclasses.asdict(experiment))
    scores = overfit(experiment, images=2, passes=3)
    before["network"]["num_classes"] = 9
    assert dataclasses.asdict(experiment) == before
    assert scores["passes"] == 3
    assert "does not learn" in verdict(scores)
    told = verdict({"mean_iou": 0.95, "predicted": 0.1, "passes": 9})
    assert "95 % as it trains, 10 % as it predicts" in told


def test_few_images_are_the_first_as_they_are(config):
    from kseg.training.feeds import open_feeds

    feeds = open_feeds(**load_experiment(str(config))[1].data)
    images, masks = few(feeds, 2, ("logits", "auxiliary"))
    again, same = few(feeds, 2)
    assert images.shape == (2, 32, 48, 3) and list(masks) == ["logits", "auxiliary"]
    np.testing.assert_array_equal(images, again)
    np.testing.assert_array_equal(masks["auxiliary"], same)


def test_the_rate_rises_until_the_loss_does(config):
    rates, losses = find_rates(learner(config), 1e-5, 1e3, steps=30)
    assert len(rates) == len(losses) <= 30
    steps = np.diff(np.log(rates))
    np.testing.assert_allclose(steps, np.log(1e8) / 29, rtol=1e-5)
    assert rates[0] < steepest(rates, losses) < 1e3
    assert len(chart(rates, losses, rows=10).splitlines()) <= 10


def test_wrong_numbers_are_an_error(config):
    experiment = learner(config)
    with pytest.raises(ValueError, match="`first` must be over 0"):
        find_rates(experiment, 1.0, 0.1)
    with pytest.raises(ValueError, match="`target` over 0"):
        overfit(experiment, target=0)
    with pytest.raises(ValueError, match="must fall somewhere"):
        steepest([1e-3, 1e-2, 1e-1], [1.0, 2.0, 3.0])


def test_the_doctor_says_what_is_there(config, capsys, monkeypatch):
    parser = argparse.ArgumentParser()
    doctor.add_arguments(parser)
    assert doctor.run(parser.parse_args([])) == 0
    told = capsys.readouterr().out
    assert "keras" in told and "trains on" in told and "GiB free" in told
    with pytest.raises(ValueError, match="give --config too"):
        doctor.run(parser.parse_args(["--set", "fit.epochs=1"]))
    for learned, code in ((0.95, 0), (0.2, 1)):
        scores = {"mean_iou": learned, "predicted": learned, "passes": 9}
        monkeypatch.setattr(overfitting, "overfit", lambda *_, found=scores: found)
        options = ["--config", str(config), "--set", "fit.epochs=1"]
        assert doctor.run(parser.parse_args(options)) == code
        assert verdict(scores) in capsys.readouterr().out
