"""A LiteRT file in the browser: a static page, and a server for this computer."""

from kseg.export.browser.page import write_browser_page
from kseg.export.browser.serve import page_server

__all__ = ["page_server", "write_browser_page"]
