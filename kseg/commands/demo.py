"""`kseg demo`: a model as a page that runs in the browser."""

import argparse
from pathlib import Path

from kseg.commands.arguments import add_model, add_size, open_model, read_size

HELP = "Show a model in the browser: a web page that segments pictures."


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    command.description = (
        "Writes a static web page that runs a model in the browser, on pictures and on "
        "the camera, and serves it on this computer. (The training of the same name "
        "is `kseg train demo`.)"
    )
    add_model(command)
    add_size(command, "what a .keras model sees")
    command.add_argument(
        "--output",
        type=Path,
        help="folder for the page, which any web host can serve; exports/<model>_page "
        "by default",
    )
    command.add_argument(
        "--runtime",
        type=Path,
        metavar="NODE_MODULES",
        help="where npm installed @litertjs/core, to be copied beside the page; "
        "without it, the browser loads it from cdn.jsdelivr.net",
    )
    command.add_argument(
        "--port", type=int, default=8000, help="8000 by default; 0 for any that is free"
    )
    command.add_argument("--no-serve", action="store_true", help="write the page only")


def run(arguments) -> int:
    """Writes the page, and serves it until the process is told to end."""
    from kseg.export.browser import page_server, write_browser_page
    from kseg.models import find

    path = find(arguments.model)
    if path.suffix not in (".keras", ".tflite"):
        raise ValueError(
            f"The browser runs LiteRT files. Received: {path}. Give its .keras or "
            ".tflite file."
        )
    if path.suffix == ".tflite" and arguments.size:
        raise ValueError(f"--size is for .keras models. Received: {path}.")
    folder = arguments.output or Path("exports") / f"{path.stem}_page"
    if path.suffix == ".keras":
        path = _as_litert(arguments, folder)
    page = write_browser_page(path, folder, arguments.runtime)
    print(f"page: {page}")
    if arguments.no_serve:
        return 0
    with page_server(folder, arguments.port) as server:
        print(f"http://127.0.0.1:{server.server_port}/   Ctrl-C ends it", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
    return 0


def _as_litert(arguments, folder: Path) -> Path:
    """Exports a Keras model as float16, which CPU and GPU run, into the folder."""
    from kseg.export import export_litert

    path, model, labels = open_model(arguments.model)
    size = read_size(arguments, path)
    target = folder / f"{path.stem}_float16.tflite"
    return export_litert(model, target, size, "float16", labels=labels)
