"""Keras Tuner on a tiny config."""

import pytest

from kseg.training.tuning import check_choice, hypermodel

keras_tuner = pytest.importorskip("keras_tuner")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Keras Tuner
def test_random_search_trains_what_it_draws(config, tmp_path):
    model = hypermodel(
        str(config),
        {
            "optimizer.learning_rate": (1e-4, 1e-2, "log"),
            "network.filters": [2, 3],
            "data.crop": [(16, 16), (16, 32)],
        },
        [
            "fit.epochs=1",
            "fit.steps_per_epoch=1",
            "network.depth=2",
            "data.check=False",
        ],
    )
    tuner = keras_tuner.RandomSearch(
        model, model.objective, max_trials=1, seed=1, directory=tmp_path / "search"
    )
    tuner.search()
    (trial,) = tuner.oracle.get_best_trials(2)
    values = trial.hyperparameters.values
    assert 1e-4 <= values["optimizer.learning_rate"] <= 1e-2
    assert values["network.filters"] in ("2", "3")
    assert values["data.crop"] in ("(16, 16)", "(16, 32)")
    assert 0 <= trial.score < 1
    built = model.build(trial.hyperparameters)
    # The first convolution has as many filters as the trial says.
    filters = next(layer for layer in built.layers if hasattr(layer, "filters")).filters
    assert filters == int(values["network.filters"])


def test_hyperband_says_the_epochs(config):
    assignments = ["data.check=False", "network.depth=2", "network.filters=2"]
    model = hypermodel(str(config), {"fit.seed": (0, 9)}, assignments)
    hp = keras_tuner.HyperParameters()
    hp.values.update({"tuner/epochs": 3, "tuner/initial_epoch": 2})
    built = model.build(hp)
    assert model.epochs == 3
    with pytest.raises(ValueError, match=r"fit\.epochs=3"):
        model.fit(hp, built, epochs=2)
    history = model.fit(hp, built, epochs=3, initial_epoch=2)
    assert history.epoch == [2]


@pytest.mark.parametrize(
    "choice",
    [[], (1,), (2, 1), (1, 2, "linear"), (0.0, 1.0, "log"), ("a", "b"), 3, (True, 2)],
)
def test_a_choice_of_another_form_is_explained(choice):
    with pytest.raises(ValueError, match=r"list of values.*Received"):
        check_choice("fit.seed", choice)


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"optimizer.rate": (0.1, 1.0)}, "key of 'optimizer'"),
        ({"network.name": ["unet", "unett"]}, "Did you mean 'unet'"),
    ],
)
def test_a_wrong_key_or_name_stops_before_the_search(config, choices, words):
    with pytest.raises(ValueError, match=words):
        hypermodel(str(config), choices)
