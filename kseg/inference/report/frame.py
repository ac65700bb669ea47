"""What is around the parts of a page: head, style, links to the parts, script."""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path

from kseg.files import whole_file
from kseg.inference.report.script import SCRIPT
from kseg.inference.report.style import STYLE


def write_page(
    path: str | Path, title: str, sections: Mapping[str, tuple[str, Iterable[str]]]
) -> None:
    """Writes a page that needs nothing else, and no network.

    Args:
        path: The HTML file, which appears when it is whole.
        title: What the page is called.
        sections: Heading and HTML of each section, by what links to it are called. The
            HTML is written as it comes, so that a generator need not keep it.
    """
    with (
        whole_file(path) as temporary,
        # A name that is no text of Unicode must not break the page.
        temporary.open("w", encoding="utf-8", errors="backslashreplace") as file,
    ):
        file.write(_head(title, {key: title for key, (title, _) in sections.items()}))
        for key, (heading, parts) in sections.items():
            file.write(f'<section><h2 id="{key}">{heading}</h2>')
            file.writelines(parts)
            file.write("</section>\n")
        file.write(f"</main><script>{SCRIPT}</script></body></html>\n")


def _head(title: str, headings: dict[str, str]) -> str:
    """Returns what comes before the first section."""
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    links = "".join(f'<a href="#{key}">{text}</a>' for key, text in headings.items())
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n"
        f"<body><main><h1>{escape(title)}</h1>"
        f'<nav aria-label="Parts of the page">{links}</nav>\n'
    )
