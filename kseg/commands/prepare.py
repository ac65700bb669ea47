"""`kseg prepare`: a data set as files of records."""

import argparse

from kseg.commands.arguments import add_beam, add_set, read_options

HELP = "Convert a data set to files of records."


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    command.add_argument("data", metavar="DATA", help="name of a data set")
    add_set(command, "options of the data set, such as path=photos")
    command.add_argument("--output", required=True, help="a new folder")
    command.add_argument(
        "--format",
        default="array_record",
        help="array_record, which kseg reads (the default), or tfrecord",
    )
    command.add_argument(
        "--splits",
        nargs="+",
        default=["train", "val"],
        help="which parts; train val by default",
    )
    command.add_argument(
        "--shards",
        type=int,
        help="files of each split; by default so many that each has about 256 MB",
    )
    command.add_argument(
        "--beam", action="store_true", help="let Apache Beam read and write"
    )
    add_beam(command, "; implies --beam")


def run(arguments) -> int:
    """Converts a data set to files of records."""
    from kseg.data import open_source, prepare

    options = read_options(arguments)
    sources = {
        split: open_source(arguments.data, split, **options)
        for split in arguments.splits
    }
    with_beam = arguments.beam or arguments.beam_options
    written = prepare(
        sources,
        arguments.output,
        arguments.format,
        arguments.shards,
        arguments.beam_options if with_beam else None,
    )
    print(f"{'split':<12} {'examples':>9} {'files':>6} {'MB':>10}")
    for split, (examples, files, size) in written.items():
        print(f"{split:<12} {examples:>9} {files:>6} {size / 1e6:>10.1f}")
    if arguments.format == "array_record":
        print(
            f"\n{arguments.output} is whole. Train on it:\n  kseg train CONFIG --set "
            f"data.name=prepared data.path={arguments.output}"
        )
    else:
        print(
            f"\n{arguments.output} is whole. Read it without kseg:\n  "
            "tensorflow_datasets.builder_from_directory("
            f'"{arguments.output}").as_dataset()'
        )
    return 0
