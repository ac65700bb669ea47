"""`kseg serve`: predictions over HTTP."""

import argparse
import re

from kseg.commands.arguments import add_model, open_model

HELP = "Serve a model over HTTP."
# Limits by the option that sets them.
_LIMITS = {
    "max_bytes": "most bytes of a request; 32 MiB by default",
    "max_pixels": "most pixels of a request's images; 4194304 by default",
    "seconds": "longest wait for the model; 30 by default",
    "max_requests": "most requests at the same time; 32 by default",
    "max_batch": "most images that the model sees at once; 8 by default, or 1 where "
    "processors are all there is",
    "delay": "seconds that an image waits for others; 0.005 by default",
}


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    add_model(command)
    command.add_argument(
        "--host", default="127.0.0.1", help="0.0.0.0 for all addresses"
    )
    command.add_argument("--port", type=int, default=8501, help="8501 by default")
    command.add_argument("--name", help="what clients call the model; its file's name")
    command.add_argument(
        "--copies",
        type=int,
        help="of a LiteRT file, which run at the same time; as many as there are "
        "processors by default, up to 4",
    )
    for name, text in _LIMITS.items():
        kind = float if name in ("seconds", "delay") else int
        command.add_argument(f"--{name.replace('_', '-')}", type=kind, help=text)


def run(arguments) -> int:
    """Serves a model until the process is told to end."""
    from kseg.optional import import_optional

    for module in ("fastapi", "uvicorn", "prometheus_client"):
        import_optional(module, "serve")
    from kseg.serving.limits import Limits
    from kseg.serving.prepare import prepare
    from kseg.serving.server import serve

    given = {name: getattr(arguments, name) for name in _LIMITS}
    limits = {"max_batch": _usual_batch()}
    limits = Limits(**limits | {k: v for k, v in given.items() if v is not None})
    path, model, labels = open_model(arguments.model)
    copies = _copies(path, arguments.copies) or [model]
    name = arguments.name or path.stem
    if not re.fullmatch(r"[\w.-]+", name, re.ASCII):
        raise ValueError(
            "`--name` must be of letters, digits, _, - and ., as it is part of a URL. "
            f"Received: {name!r}."
        )
    served = prepare(name, copies, labels)

    def ready(url):
        print(f"{name} is at {url}/v1/models/{name}", flush=True)

    serve(served, limits, arguments.host, arguments.port, ready)
    return 0


def _usual_batch() -> int:
    """Returns how many images pay at once: on processors they only wait for others."""
    import keras

    devices = keras.distribution.list_devices()
    return 1 if all(name.startswith("cpu") for name in devices) else 8


def _copies(path, count: int | None) -> list:
    """Opens a LiteRT file several times, which share the processors."""
    from kseg.cores import cores
    from kseg.lite import LiteRTModel

    if path.suffix != ".tflite":
        if count is not None:
            raise ValueError(
                "`--copies` are for a LiteRT file; other models run batches. Received: "
                f"{path}."
            )
        return []
    count = min(cores(), 4) if count is None else count
    if count < 1:
        raise ValueError(f"`--copies` must be 1 or more. Received: {count}.")
    threads = max(1, cores() // count)
    return [LiteRTModel(path, threads) for _ in range(count)]
