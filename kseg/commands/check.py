"""`kseg check`: a data set looked at before it is trained on."""

import argparse
from pathlib import Path

from kseg.commands.arguments import add_set, read_options

HELP = "Look for mistakes in a data set, before training."


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    command.add_argument(
        "data",
        nargs="?",
        metavar="DATA",
        help="name of a data set or path of a folder; by default that of --config",
    )
    add_set(command, "options of the data set, such as classes=5")
    command.add_argument(
        "--splits", nargs="+", default=["train", "val"], help="train and val by default"
    )
    command.add_argument(
        "--output", type=Path, help="HTML page for the report, with pictures"
    )
    command.add_argument("--json", type=Path, help="JSON file for the report")
    command.add_argument(
        "--augment",
        action="store_true",
        help="show training examples before and after augmentation, as a PNG beside "
        "the page, and look whether classes survive it",
    )
    command.add_argument(
        "--config", help="name or path of the config whose data, crop and augmentation"
    )
    command.add_argument(
        "--strict", action="store_true", help="end with 1 for warnings, too"
    )
    command.add_argument(
        "--workers", type=int, help="threads that read; by default one a processor"
    )


def run(arguments) -> int:
    """Checks a data set; returns 1 if it has errors, or with `--strict` warnings."""
    import dataclasses

    from kseg.data.check import check_data, exit_code, ranked, table
    from kseg.data.check.opening import open_splits
    from kseg.data.check.page import write_page
    from kseg.files import write_json

    if arguments.workers is not None and arguments.workers < 1:
        raise ValueError(f"--workers must be 1 or more. Received: {arguments.workers}.")
    name, options, feeding = _what(arguments)
    for path in (arguments.output, arguments.json):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
    sources, known = open_splits(name, arguments.splits, options)
    crop = feeding.get("crop")
    report = check_data(sources, crop and tuple(crop), arguments.workers, known)
    augmented, written = None, []
    if arguments.augment:
        augmented = _augmented(name, sources, options, feeding)
    if augmented is not None:
        findings = ranked([*report.findings, *augmented.findings])
        report = dataclasses.replace(report, findings=findings)
        path = arguments.output or Path("check.html")
        picture = path.with_name(f"{path.stem}_augment.png")
        augmented.write(picture)
        written.append(f"before and after augmentation: {picture}")
    elif arguments.augment:
        written.append("before and after augmentation: no training example is readable")
    if arguments.json:
        write_json(arguments.json, report.to_dict())
    if arguments.output:
        title = arguments.data or str(options.get("path", name))
        write_page(arguments.output, report, sources, title, augmented)
        written.append(f"page: {arguments.output}")
    print("\n".join([table(report), *written]))
    return exit_code(report.findings, arguments.strict)


def _what(arguments) -> tuple[str, dict, dict]:
    """Returns the data set, its options, and how a config feeds it."""
    from kseg.data import names
    from kseg.data.catalogue import option_names
    from kseg.registry import unknown
    from kseg.training.experiment import load_experiment

    section = {}
    if arguments.config:
        section = dict(load_experiment(arguments.config)[1].data)
    configured = section.pop("name", None)
    of_data = set(option_names(configured)) if configured else set()
    # What a map of weights is made of does not change what examples look like.
    feeding = {
        key: value
        for key, value in section.items()
        if key not in of_data and key != "weight_map"
    }
    options = read_options(arguments)
    if arguments.data is None:
        if configured is None:
            raise ValueError(
                "`kseg check` takes a data set, a folder, or --config. Received: none "
                "of them."
            )
        own = {key: value for key, value in section.items() if key in of_data}
        return configured, {**own, **options}, feeding
    if arguments.data in names():
        return arguments.data, options, feeding
    if Path(arguments.data).is_dir():
        return "folder", {"path": arguments.data, **options}, feeding
    raise ValueError(
        unknown("data set", arguments.data, names()) + " A folder that exists is right "
        "too."
    )


def _augmented(name: str, sources, options: dict, feeding: dict):
    """Augments a few training examples as a run would; `None` if it can read none."""
    from kseg.data.check.augmented import augment_examples
    from kseg.data.lenient import lenient
    from kseg.training.feeds import open_feeds

    split = "train" if "train" in sources else next(iter(sources))
    with lenient():
        feeds = open_feeds(name, **feeding, **options, train=sources[split])
    examples = feeds.train_examples
    augmented = augment_examples(
        sources[split],
        examples.augment or (),
        split,
        examples.mixes,
        seed=examples.seed,
    )
    return augmented if augmented.pairs else None
