"""Packages that an extra installs."""

import json
import sys

import pytest

from kseg.optional import import_optional


def test_what_is_there_is_imported():
    assert import_optional("json") is json
    assert import_optional("json.decoder") is json.decoder


def test_what_is_not_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "json.tool", None)
    with pytest.raises(ImportError, match=r"`json.tool`.*pip install \"kseg\[shapes\]"):
        import_optional("json.tool", extra="shapes")
