"""A web server for one folder, for this computer alone."""

import functools
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def page_server(folder: str | Path, port: int = 8000) -> ThreadingHTTPServer:
    """Returns a server of a folder on 127.0.0.1; `serve_forever` starts it.

    It sends the headers without which browsers give WebAssembly no threads.

    Args:
        folder: The folder.
        port: The port; 0 for any that is free, which `server_port` then is.

    Raises:
        ValueError: If the port is in use or not allowed.
    """
    handler = functools.partial(_Handler, directory=str(folder))
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), handler)
    except (OSError, OverflowError) as error:
        raise ValueError(
            f"The port must be free. Received: {port} ({error}). Give another, or 0 "
            "for any."
        ) from error


class _Handler(SimpleHTTPRequestHandler):
    """Sends files with the types and headers that the page wants."""

    # The system's own table, asked otherwise, may know them as something else.
    extensions_map = {
        "": "application/octet-stream",
        ".css": "text/css",
        ".html": "text/html",
        ".js": "text/javascript",
        ".json": "application/json",
        ".wasm": "application/wasm",
    }

    def end_headers(self) -> None:
        """Ends the headers of an answer."""
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, format: str, *args) -> None:
        """Says nothing of files that are sent."""
