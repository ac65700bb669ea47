"""Silence of compiled code, and only of that."""

import os

import pytest

from kseg.quiet import quiet


def test_what_compiled_code_writes_is_dropped_and_python_goes_on(capfd):
    with quiet():
        os.write(2, b"a note from C++\n")
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err == "afterwards\n"


def test_exceptions_pass_and_the_stream_comes_back(capfd):
    with pytest.raises(RuntimeError, match="broken"), quiet():
        raise RuntimeError("broken")
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err == "afterwards\n"
