"""Adds the pages of networks, and those of the reference, while MkDocs builds the site.

They are made anew with every build, so that they are never behind the code, and a new
network needs nothing here. It takes half a minute: no weight is ever made.
"""

from mkdocs.structure.files import File
from reference import page as reference_page

from kseg.backend import import_backend

import_backend()

from network_page import index, page, page_names, title_of  # noqa: E402


def on_config(config):
    """Lists the networks in the group of that name.

    Args:
        config: What mkdocs.yml says.

    Returns:
        The same, with more in `nav`.
    """
    for group in config.nav:
        if "Networks" in group:
            pages = [{title_of(name): f"networks/{name}.md"} for name in page_names()]
            group["Networks"] = ["networks/index.md", *pages, *group["Networks"]]
    return config


def on_files(files, config):
    """Adds the pages.

    Args:
        files: What the folder of pages has.
        config: What mkdocs.yml says.

    Returns:
        The same, with more files.
    """
    pages = {f"networks/{name}.md": page(name) for name in page_names()}
    pages["networks/index.md"] = index()
    for group in config.nav:
        for entry in group.get("Reference", []):
            for package, path in entry.items():
                pages[path] = reference_page(package)
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    return files
