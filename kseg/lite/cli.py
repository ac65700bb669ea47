"""The `kseg-lite` command: model files on images, videos and cameras."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

_INTERRUPTED = 130  # as shells have it


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        argv: Arguments of the command line; `None` for the process's.

    Returns:
        The exit code: 0; 2 for wrong input, which a message explains; or 130 where the
        user ended it.
    """
    # File names may hold what the terminal cannot show: no reason to end a run.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    arguments = parser().parse_args(argv)
    try:
        return arguments.run(arguments)
    except KeyboardInterrupt:
        print("kseg-lite: stopped", file=sys.stderr)
        return _INTERRUPTED
    except (ValueError, OSError, ImportError, RuntimeError) as error:
        print(f"kseg-lite: {error}", file=sys.stderr)
        return 2


def parser() -> argparse.ArgumentParser:
    """Returns the parser of all subcommands."""
    parser = argparse.ArgumentParser(
        prog="kseg-lite",
        description="Segments images, videos and cameras with a LiteRT file of kseg.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    predict = _command(commands, "predict", _predict, "Segment images; writes masks.")
    text = "image files or folders"
    predict.add_argument("inputs", nargs="+", type=Path, help=text)
    text = "folder for results; where they are there, their images are skipped"
    predict.add_argument("--output", type=Path, default=Path("predictions"), help=text)
    text = "also paint the classes over the images"
    predict.add_argument("--overlay", action="store_true", help=text)
    _add_alpha(predict)
    _add_threads(predict)

    video = _command(commands, "video", _video, "Paint the classes over a video.")
    video.add_argument("input", type=Path, metavar="IN", help="the video")
    text = "the video to write: .mp4, .mov, .mkv or .avi"
    video.add_argument("output", type=Path, metavar="OUT", help=text)
    _add_alpha(video)
    _add_threads(video)

    webcam = _command(commands, "webcam", _webcam, "Show the classes of a camera.")
    text = "its number, or an address or video that OpenCV reads; 0 by default"
    webcam.add_argument("--camera", default="0", help=text)
    webcam.add_argument("--output", type=Path, help="a video to write, too")
    webcam.add_argument("--seconds", type=float, help="when to end; never by default")
    webcam.add_argument("--no-window", action="store_true", help="show nothing")
    _add_alpha(webcam)
    _add_threads(webcam)

    timing = _command(commands, "time", _time, "Measure milliseconds and memory.")
    text = "numbers of CPU threads; 1 2 by default"
    timing.add_argument("--threads", nargs="+", type=int, default=[1, 2], help=text)
    timing.add_argument("--runs", type=int, default=50, help="50 by default")

    _command(commands, "info", _info, "Say what a file takes and gives.")
    return parser


def _command(commands, name: str, run: Callable, text: str) -> argparse.ArgumentParser:
    """Adds a subcommand, which takes a model."""
    command = commands.add_parser(name, help=text, description=text)
    command.set_defaults(run=run)
    command.add_argument(
        "model", type=Path, metavar="MODEL", help="a .tflite file that kseg exported"
    )
    return command


def _add_alpha(command: argparse.ArgumentParser) -> None:
    """Adds `--alpha`."""
    text = "share of colour in the overlay; 0.5 by default"
    command.add_argument("--alpha", type=float, default=0.5, help=text)


def _add_threads(command: argparse.ArgumentParser) -> None:
    """Adds `--threads`."""
    text = "CPU threads; 2 by default"
    command.add_argument("--threads", type=_positive, default=2, help=text)


def _positive(text: str) -> int:
    """Reads a number of 1 or more."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, not {text}")
    return number


def _predict(arguments) -> int:
    """Writes masks of images; 2 if some failed."""
    from kseg.lite.batch import predict_files

    def progress(done: int, total: int, file: Path) -> None:
        _tell(f"{done}/{total} {file.name}")

    done, skipped, failures = predict_files(
        arguments.model,
        arguments.inputs,
        arguments.output,
        arguments.overlay,
        arguments.alpha,
        arguments.threads,
        progress,
    )
    _tell("")
    kept = f", {len(skipped)} were there" if skipped else ""
    print(f"{len(done)} images: masks are in {arguments.output}{kept}")
    for path, error in failures.items():
        print(f"kseg-lite: {path} failed: {error}", file=sys.stderr)
    return 2 if failures else 0


def _video(arguments) -> int:
    """Writes a video; 2 if some of it could not be read."""
    from kseg.lite.litert_model import LiteRTModel
    from kseg.lite.video import write_video

    model = LiteRTModel(arguments.model, arguments.threads)
    written, promised = write_video(
        model,
        arguments.input,
        arguments.output,
        arguments.alpha,
        lambda done, total: _tell(f"frame {done}/{total or '?'}"),
    )
    _tell("")
    print(f"{written} frames: {arguments.output}")
    if written < promised:
        print(
            f"kseg-lite: {arguments.input} failed: of {promised} frames that it says "
            f"it has {written} could be read",
            file=sys.stderr,
        )
        return 2
    return 0


def _webcam(arguments) -> int:
    """Shows and writes what a camera sees."""
    import contextlib

    from kseg.lite.camera import open_camera, open_window, watch
    from kseg.lite.litert_model import LiteRTModel
    from kseg.lite.video import check_target

    if arguments.output is not None:
        check_target(arguments.output)
    model = LiteRTModel(arguments.model, arguments.threads)
    capture = open_camera(arguments.camera)
    try:
        with contextlib.ExitStack() as stack:
            show = None
            if not arguments.no_window:
                show = stack.enter_context(open_window())
            count, rate = watch(
                model,
                capture,
                show,
                arguments.output,
                arguments.alpha,
                arguments.seconds,
            )
    finally:
        capture.release()
    print(f"{count} frames, {rate:.1f} a second")
    return 0


def _time(arguments) -> int:
    """Prints what a file takes."""
    from kseg.lite.timing import measure

    print(f"{'threads':>7} {'load ms':>8} {'median ms':>10} {'p90 ms':>8} {'MB':>6}")
    for count in arguments.threads:
        (row,) = measure(arguments.model, [count], arguments.runs)
        memory = "-" if row["memory"] is None else f"{row['memory'] / 1e6:.0f}"
        print(
            f"{count:>7} {row['load']:>8.1f} {row['median']:>10.1f} "
            f"{row['p90']:>8.1f} {memory:>6}",
            flush=True,
        )
    return 0


def _info(arguments) -> int:
    """Prints what a file takes and gives."""
    from kseg.lite.litert_model import LiteRTModel

    model = LiteRTModel(arguments.model, num_threads=1)
    labels, size = model.labels, arguments.model.stat().st_size
    (height, width), (high, wide) = model.input_size, model.output_size
    print(f"file       {arguments.model}, {size / 1e6:.2f} MB")
    print(f"precision  {model.precision}")
    print(f"images     {height}x{width}, {model.image_shape[-1]} channels")
    print(f"output     {model.output} of {high}x{wide} pixels")
    print(f"classes    {labels.num_classes}; void is {labels.ignore_class}")
    for number, (name, color) in enumerate(
        zip(labels.names, labels.colors, strict=True)
    ):
        print(f"{number:>9}  #{bytes(color).hex()}  {name}")
    return 0


def _tell(text: str) -> None:
    """Shows how far a command is, in one line of a terminal."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
