import multiprocessing
import os
import threading

import numpy as np
import pytest

from kseg.inference.parallel import BLOCK, in_threads, row_blocks


@pytest.mark.parametrize("rows", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK])
def test_blocks_make_up_all_rows(rows):
    numbers = np.arange(rows)
    blocks = [numbers[block] for block in row_blocks(rows)]
    assert all(0 < len(block) <= BLOCK for block in blocks)
    np.testing.assert_array_equal(np.concatenate([*blocks, []]), numbers)


def test_results_are_in_order_and_from_other_threads():
    found = in_threads(lambda i: (i, threading.get_ident()), range(100))
    assert [i for i, _ in found] == list(range(100))
    assert threading.get_ident() not in {thread for _, thread in found}


def test_an_error_is_raised():
    with pytest.raises(ZeroDivisionError):
        in_threads(lambda i: 1 / i, [1, 0])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own():
    """Those of its parent are not there: waiting for them would never end."""
    in_threads(abs, [1])
    process = multiprocessing.get_context("fork").Process(
        target=in_threads, args=(abs, [1])
    )
    process.start()
    process.join(20)
    assert process.exitcode == 0
