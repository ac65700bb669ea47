"""Keras Tuner on a config: values are searched, the rest is as the config says.

    import keras_tuner
    from kseg.training.tuning import hypermodel

    model = hypermodel("demo", {"optimizer.learning_rate": (1e-4, 1e-2, "log")})
    tuner = keras_tuner.RandomSearch(model, objective=model.objective, max_trials=10)
    tuner.search()

https://keras.io/keras_tuner/
"""

from collections.abc import Mapping, Sequence

from kseg.optional import import_optional
from kseg.training.experiment import load_experiment
from kseg.training.fit import EPOCHS, ready, train_epochs


def hypermodel(
    config: str, choices: Mapping[str, tuple | list], assignments: Sequence[str] = ()
):
    """Returns what the tuners of Keras Tuner search.

    Each trial is a training as `fit` of the config says, without checkpoints; Hyperband
    says the epochs itself. The trained model has the auxiliary heads, if there are any.

    Args:
        config: As in `kseg.training.experiment.load_experiment`.
        choices: `section.key` to what it may be: a list of values; or a range, a tuple
            of the lowest and the highest number, with `"log"` as a third where the
            exponent is to be drawn evenly. Of two integers all are integers.
        assignments: Texts `section.key=value` that replace values of the config.

    Returns:
        A `keras_tuner.HyperModel` with one more attribute, `objective`: the mean IoU
        of validation, which is to be high.

    Raises:
        ValueError: If a key or a value is wrong, or a choice is of another form.
        ImportError: If Keras Tuner is not installed.
    """
    tuner = import_optional("keras_tuner", "tuner")
    experiment = load_experiment(config)[1]
    experiment.replace(assignments)
    experiment.check()
    for key, choice in choices.items():
        check_choice(key, choice)
        for value in choice if isinstance(choice, list) else choice[:2]:
            experiment.replace([f"{key}={value!r}"])
    heads = bool(experiment.auxiliary or experiment.distillation)

    class Segmentation(tuner.HyperModel):
        """Builds and trains the network of a trial."""

        objective = tuner.Objective(f"val_{'logits_' * heads}mean_iou", "max")

        def build(self, hp):
            """Returns the compiled model."""
            experiment = load_experiment(config)[1]
            values = {key: draw(hp, key, choice) for key, choice in choices.items()}
            chosen = [f"{key}={value!r}" for key, value in values.items()]
            experiment.replace([*assignments, *chosen])
            fit = experiment.fit
            if epochs := hp.values.get("tuner/epochs"):
                fit["epochs"] = epochs
            self.epochs = fit.get("epochs", EPOCHS)
            self.feeds, trained, self.heads = ready(experiment)
            self.steps = fit.get("steps_per_epoch") or self.feeds.train_examples.steps
            return trained

        def fit(self, hp, model, epochs=None, initial_epoch=0, callbacks=(), **more):
            """Trains the model that was built last, and returns its history."""
            if more or epochs not in (None, self.epochs):
                raise ValueError(
                    "`search` takes callbacks; the config says the rest, "
                    f"fit.epochs={self.epochs} too. Received: epochs={epochs}, {more}."
                )
            train_epochs(
                model,
                self.feeds,
                self.heads,
                {"epochs": initial_epoch, "step": 0},
                self.steps,
                self.epochs,
                callbacks,
            )
            self.feeds.clear()
            return model.history

    return Segmentation(name=experiment.network["name"])


def check_choice(key: str, choice: object) -> None:
    """Raises if a choice is neither a list nor a range.

    Args:
        key: What it is for.
        choice: As in `hypermodel`.

    Raises:
        ValueError: If so.
    """
    if isinstance(choice, list) and choice:
        return
    parts = choice if isinstance(choice, tuple) else ()
    numbers, scale = parts[:2], parts[2:]
    if (
        len(numbers) != 2
        or not all(type(number) in (int, float) for number in numbers)
        or not numbers[0] < numbers[1]
        or scale not in ((), ("log",))
        or (scale and numbers[0] <= 0)
    ):
        raise ValueError(
            f"A choice of {key!r} must be a list of values, or a tuple of the lowest "
            "and the highest number and, where these are positive, 'log'. Received: "
            f"{choice!r}."
        )


def draw(hp, key: str, choice: tuple | list):
    """Returns a value of a choice, as a tuner draws it.

    Args:
        hp: The `keras_tuner.HyperParameters` of a trial.
        key: The name of the value there.
        choice: As in `hypermodel`.
    """
    if isinstance(choice, list):
        # Values of Keras Tuner are numbers or texts, all of one type.
        texts = {repr(value): value for value in choice}
        return texts[hp.Choice(key, list(texts), ordered=False)]
    low, high, *log = choice
    whole = isinstance(low, int) and isinstance(high, int)
    kind = hp.Int if whole else hp.Float
    return kind(key, low, high, sampling="log" if log else None)
