"""Configs, and what the command line may change in them."""

import json

import pytest

from kseg.training.experiment import config_names, literal, load_experiment


@pytest.mark.parametrize("name", config_names())
def test_every_config_that_comes_along_is_right(name):
    loaded, experiment = load_experiment(name)
    assert loaded == name
    experiment.check()
    assert json.loads(json.dumps(experiment.to_dict())) == experiment.to_dict()


def test_values_are_replaced_by_literals_or_text():
    _, experiment = load_experiment("demo")
    experiment.replace(["data.crop=(64, 96)", "fit.epochs=3", "optimizer.name=sgd"])
    assert experiment.data["crop"] == (64, 96)
    assert experiment.fit["epochs"] == 3
    assert experiment.optimizer["name"] == "sgd"


def test_a_key_may_be_one_that_the_config_leaves_at_its_default():
    _, experiment = load_experiment("demo")
    experiment.replace(["network.padding=same", "data.num_train=10"])
    assert experiment.network["padding"] == "same"


def test_a_key_that_a_section_does_not_take_is_found_in_the_config_too():
    _, experiment = load_experiment("demo")
    experiment.data["batchsize"] = 4
    with pytest.raises(ValueError, match="Did you mean 'batch_size'"):
        experiment.check()


def test_the_keys_of_a_loss_are_its_own_and_those_of_its_terms():
    _, experiment = load_experiment("demo")
    experiment.loss = {"name": "focal", "class_weights": "inverse", "gamma": 3.0}
    experiment.check()
    with pytest.raises(ValueError, match="key of 'loss' .*'alpha'"):
        experiment.replace(["loss.alpha=0.3"])
    terms = [{"name": "cross_entropy"}, {"name": "dice", "factor": 0.5}]
    experiment.loss = {"name": "sum", "terms": terms}
    experiment.check()
    terms[1]["alpha"] = 1
    with pytest.raises(ValueError, match="key of the loss 'dice' .*'alpha'"):
        experiment.check()
    experiment.loss = {"name": "dic"}
    with pytest.raises(ValueError, match="mean 'dice'"):
        experiment.check()


def test_a_file_without_config_is_refused(tmp_path):
    path = tmp_path / "empty.py"
    path.write_text("x = 1\n")
    with pytest.raises(ValueError, match=r"function `config\(\)`"):
        load_experiment(str(path))


def test_literal():
    assert literal("1e-3") == 1e-3
    assert literal("[1, 2]") == [1, 2]
    assert literal("resnet50") == "resnet50"
    assert literal("../a b.png") == "../a b.png"
