"""Python functions that TensorFlow's threads call: their end, and their errors."""

import atexit
import contextlib
import threading
import time
from collections.abc import Callable, Iterator

# Seconds that the end of the process waits for calls that run.
_PATIENCE = 10.0


class _Calls:
    """Calls that end before the interpreter does.

    A thread that wants the interpreter after that never comes back, and TensorFlow
    waits for it for ever: a script that ends while `tf.data` reads ahead would hang.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self._running = self._begun = 0
        self._closed = False
        self.error: Exception | None = None
        atexit.register(self._close)

    def wrap(self, function: Callable) -> Callable:
        """Returns a function whose calls are counted and whose errors are kept."""

        def call(*arguments):
            with self._lock:
                self._begun += 1
                self._running += 1
            try:
                if self._closed:
                    raise StopIteration  # which TensorFlow does not print
                return function(*arguments)
            except Exception as error:
                self.error = error
                raise
            finally:
                with self._lock:
                    self._running -= 1

        return call

    def _close(self) -> None:
        """Waits until no call runs and none begins: what is read ahead is bounded."""
        self._closed = True
        begun, end = -1, time.monotonic() + _PATIENCE
        while self._running or begun != self._begun:
            if time.monotonic() > end:
                return
            begun = self._begun
            time.sleep(0.05)


_calls = _Calls()
# For a function that `tf.numpy_function` gets.
for_tensorflow = _calls.wrap


@contextlib.contextmanager
def original_errors() -> Iterator[None]:
    """Raises what a function raised, and not what TensorFlow made of it."""
    _calls.error = None
    try:
        yield
    except Exception as error:
        if _calls.error is not None and _calls.error is not error:
            raise _calls.error from None
        raise
