"""What a run does, whole in one object: a config returns it, a run saves it."""

import ast
import dataclasses
import inspect
import json
import runpy
from collections.abc import Sequence
from pathlib import Path

from kseg.registry import unknown

_CONFIGS = Path(__file__).parent / "configs"


@dataclasses.dataclass
class Experiment:
    """A run, a section per concern; each section is passed to one function.

    Args:
        network: `name` and arguments of `kseg.build`.
        data: Arguments of `kseg.training.feeds.open_feeds`.
        loss: Arguments of `kseg.training.parts.make_loss`.
        optimizer: Arguments of `kseg.training.optimizer.make_optimizer`.
        fit: Arguments of `kseg.training.fit.fit`.
        auxiliary: Arguments of `kseg.training.parts.add_heads`, or empty.
        distillation: Arguments of `kseg.training.distillation.add_teacher`, or empty:
            training without a teacher.
        weak: Arguments of `kseg.training.scribblesup.alternate`, or empty: training
            on the masks as they are.
        export: Arguments of `kseg.training.export.export`.
    """

    network: dict
    data: dict
    loss: dict = dataclasses.field(default_factory=dict)
    optimizer: dict = dataclasses.field(default_factory=dict)
    fit: dict = dataclasses.field(default_factory=dict)
    auxiliary: dict = dataclasses.field(default_factory=dict)
    distillation: dict = dataclasses.field(default_factory=dict)
    weak: dict = dataclasses.field(default_factory=dict)
    export: dict = dataclasses.field(default_factory=dict)

    def to_dict(self) -> dict:
        """Returns the sections as a dictionary that JSON can hold."""
        return json.loads(json.dumps(dataclasses.asdict(self), default=str))

    def replace(self, assignments: Sequence[str]) -> None:
        """Replaces values, as the command line's `--set` asks.

        Args:
            assignments: Texts `section.key=value`; the value is read as a Python
                literal where it is one, and as text otherwise.

        Raises:
            ValueError: If a text has another form, or names a section or key
                that does not exist.
        """
        for text in assignments:
            key, equals, value = text.partition("=")
            section, dot, name = key.partition(".")
            if not (equals and dot):
                raise ValueError(f"--set takes section.key=value. Received: {text!r}.")
            sections = [field.name for field in dataclasses.fields(self)]
            if section not in sections:
                raise ValueError(unknown("section", section, sections))
            getattr(self, section)[name] = literal(value)
        self.check()

    def check(self) -> None:
        """Raises if a section holds a key that its function does not take.

        Raises:
            ValueError: Naming the key and those that are right.
        """
        from kseg.training.parts import check_keys

        for section in (self.network, self.data):
            if "name" not in section:
                raise ValueError(
                    "The sections `network` and `data` must have a `name`. Received: "
                    f"{section}."
                )
        if self.auxiliary and not {"tap", "outputs"} & set(self.auxiliary):
            raise ValueError(
                "The section `auxiliary` must name a layer as `tap`, or layers as "
                f"`outputs`. Received: {self.auxiliary}."
            )
        if self.distillation and "teacher" not in self.distillation:
            raise ValueError(
                "The section `distillation` must name a model as `teacher`. Received: "
                f"{self.distillation}."
            )
        for field in dataclasses.fields(self):
            known = self.known_keys(field.name)
            for key in getattr(self, field.name):
                if key not in known:
                    raise ValueError(
                        unknown(f"key of {field.name!r}", key, sorted(known))
                    )
        check_keys(self.loss)  # and those of its terms

    def known_keys(self, section: str) -> set[str]:
        """Returns the keys that a section may have."""
        from kseg.data.catalogue import option_names
        from kseg.networks import builder
        from kseg.training import (
            distillation,
            export,
            feeds,
            fit,
            optimizer,
            parts,
            scribblesup,
        )

        functions = {
            "network": lambda: _parameters(builder(self.network["name"])) | {"name"},
            "data": lambda: (
                (_parameters(feeds.open_feeds) - {"options", "train"})
                | set(option_names(self.data["name"]))
            ),
            "loss": lambda: parts.loss_keys(self.loss.get("name", "cross_entropy")),
            "optimizer": lambda: (
                _parameters(optimizer.make_optimizer) - {"steps", "model"}
            ),
            "fit": lambda: (
                (_parameters(fit.fit) | set(fit.option_names()))
                - {"experiment", "directory", "resume", "train", "options"}
            ),
            "distillation": lambda: (
                _parameters(distillation.add_teacher) - {"trained", "factors"}
            ),
            "weak": lambda: {"rounds", *scribblesup.option_names()},
            "auxiliary": lambda: _parameters(parts.add_heads) - {"model"},
            "export": lambda: (
                _parameters(export.export)
                - {"name", "experiment", "model", "feeds", "directory", "state"}
            ),
        }
        return functions[section]()


def load_experiment(config: str) -> tuple[str, Experiment]:
    """Loads a config.

    Args:
        config: Path of a Python file with a function `config()`, or the name of
            a config that comes with kseg.

    Returns:
        The config's name, and the experiment.

    Raises:
        ValueError: If there is no such config, or it has no function `config`.
    """
    path = Path(config)
    if path.suffix != ".py":
        path = _CONFIGS / f"{config}.py"
    if not path.is_file():
        raise ValueError(
            unknown("config", config, config_names())
            + " The path of a .py file is right too."
        )
    namespace = runpy.run_path(str(path))
    if "config" not in namespace:
        raise ValueError(
            "A config must have a function `config()` that returns an Experiment. "
            f"Received: {path}."
        )
    experiment = namespace["config"]()
    if not isinstance(experiment, Experiment):
        raise ValueError(
            "A config's `config()` must return an Experiment. Received: "
            f"{type(experiment).__name__}, from {path}."
        )
    return path.stem, experiment


def config_names() -> list[str]:
    """Returns the names of the configs that come with kseg, sorted."""
    return sorted(p.stem for p in _CONFIGS.glob("*.py") if p.stem != "__init__")


def _parameters(function) -> set[str]:
    return set(inspect.signature(function).parameters)


def literal(text: str):
    """Reads a Python literal, or returns the text itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
