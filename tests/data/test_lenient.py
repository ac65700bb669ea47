from pathlib import Path

import pytest

from kseg.data.lenient import DataError, complain, is_lenient, lenient

ERROR = DataError("b.png has no mask.", "unpaired", [Path("b.png")])


def test_an_error_is_raised_unless_somebody_looks():
    with pytest.raises(ValueError, match=r"b\.png has no mask"):
        complain(ERROR)
    assert not is_lenient()
    with lenient() as errors:
        complain(ERROR)
        assert is_lenient()
    assert errors == [ERROR] and errors[0].files == (Path("b.png"),)
    with pytest.raises(DataError):
        complain(ERROR)


def test_what_breaks_within_is_raised_and_leniency_ends():
    with pytest.raises(OSError, match="disk"), lenient():
        raise OSError("disk")
    assert not is_lenient()
