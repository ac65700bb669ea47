"""What a server takes on, and the answer to what it does not."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator


@dataclasses.dataclass(frozen=True)
class Limits:
    """The bounds of a server.

    Args:
        max_bytes: Most bytes of a request's body.
        max_pixels: Most pixels of the images of a request, and of a batch.
        seconds: Longest time from a request's head to the model's result.
        max_requests: Most requests that are worked on or wait at the same time.
        max_batch: Most images that the model sees at once.
        delay: Seconds that an image waits for others to form a batch with.

    Raises:
        ValueError: If one is not above 0; `delay` may be 0.
    """

    max_bytes: int = 2**25
    max_pixels: int = 2**22
    seconds: float = 30.0
    max_requests: int = 32
    max_batch: int = 8
    delay: float = 0.005

    def __post_init__(self):
        """Checks the rules of the class docstring."""
        for name, value in dataclasses.asdict(self).items():
            if not (value > 0 or (name == "delay" and value == 0)):
                raise ValueError(
                    f"The limit `{name}` must be above 0. Received: {value}."
                )


class Refused(Exception):
    """A request that is not answered as its sender hoped.

    Args:
        status: The code of HTTP.
        sentence: What the sender is told.
    """

    def __init__(self, status: int, sentence: str):
        """Stores the arguments."""
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


class Gate:
    """Lets in as many requests as there may be at the same time.

    Args:
        most: How many.
        count: Called with the number of those inside when it changes.
    """

    def __init__(self, most: int, count: Callable[[int], object]):
        """Stores the arguments."""
        self._most, self._count, self._inside = most, count, 0

    def check(self) -> None:
        """Raises if there is no room.

        Raises:
            Refused: If so.
        """
        if self._inside >= self._most:
            raise Refused(503, "The server is busy. Try again later.")

    @contextlib.contextmanager
    def passed(self) -> Iterator[None]:
        """Lets a request in, as long as the block lasts.

        Raises:
            Refused: If there is no room.
        """
        self.check()
        self._inside += 1
        self._count(self._inside)
        try:
            yield
        finally:
            self._inside -= 1
            self._count(self._inside)
