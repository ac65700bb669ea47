"""Writes the pages of the reference: what each package exports, from where it is.

A function often has the name of its file, which then stands before it where names are
looked up; so the pages name every export by the file it is in. Nothing is imported:
mkdocstrings reads the docstrings from the files, too.
"""

import ast
import re
from pathlib import Path

import griffe

_REPOSITORY = Path(__file__).parents[2]
# From "Example:" to the next empty line.
_DOCTEST = re.compile(r"^Examples?:\n(>>> .*?)(?=\n\n|\Z)", re.MULTILINE | re.DOTALL)


def page(package: str) -> str:
    """Returns the page of a package in Markdown.

    Args:
        package: Its name, such as `"kseg.losses"`.
    """
    path = _REPOSITORY.joinpath(*package.split("."), "__init__.py")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    summary = (ast.get_docstring(tree) or "").split("\n\n")[0]
    entries = [f"::: {home}" for home in _homes(tree, package)]
    return "\n\n".join([f"# {package}", summary, *entries]) + "\n"


def _homes(tree, package):
    """The full names of what a package exports; other packages have pages of theirs."""
    homes, exported = {}, []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                homes[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets) == "__all__":
            exported = ast.literal_eval(node.value)
    found = [homes.get(name, f"{package}.{name}") for name in exported]
    packages = {f"kseg.{path.name}" for path in (_REPOSITORY / "kseg").iterdir()}
    return [home for home in found if home not in packages]


class Examples(griffe.Extension):
    """Gives the examples of docstrings, which stand under "Example:", a fence."""

    def on_instance(self, *, obj, **_):
        """Changes one docstring.

        Args:
            obj: What the docstring belongs to.
            **_: What else griffe hands over.
        """
        if obj.docstring:
            obj.docstring.value = _DOCTEST.sub(
                r"Example:\n\n```pycon\n\1\n```", obj.docstring.value
            )
