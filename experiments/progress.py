"""Progress on stderr: one line kept up to date on a terminal, plain lines in a log."""

import sys
import time

_LOG_EVERY = 5.0  # seconds between lines of a log


def duration(seconds: float) -> str:
    """Say a duration as a person would.

    Examples
    --------
    >>> duration(0.4), duration(42), duration(200), duration(9000)
    ('1 s', '42 s', '3 min 20 s', '2 h 30 min')
    """
    seconds = max(1, round(seconds))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        minutes, rest = divmod(seconds, 60)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


class Progress:
    """Says how far a study is and how much time is left.

    Parameters
    ----------
    stream : text file, optional
        Default standard error.
    """

    def __init__(self, stream=None):
        self._stream = sys.stderr if stream is None else stream
        self._live = self._stream.isatty()
        self._open = False  # an unfinished line stands on the terminal
        self._said = 0.0

    def start(self, name: str, cells: int, stored: int, weight: float, seconds: float) -> None:
        """Begin a study: `weight` is the cost of the cells to compute, `seconds` expected."""
        self._name, self._cells, self._done = name, cells, stored
        self._left, self._prior = weight, (seconds / weight if weight else 0.0)
        self._weight = 0.0
        self._start = time.monotonic()
        self._said = self._start
        if stored < cells:
            known = f", {stored} of them stored" if stored else ""
            self.note(f"{name}: {cells} cells{known}, about {duration(seconds)}")

    def step(self, weight: float) -> None:
        """Count one more cell of this cost as done."""
        self._done += 1
        self._left -= weight
        self._weight += weight
        now = time.monotonic()
        rate = (now - self._start) / self._weight if self._weight else self._prior
        text = f"{self._name}: {self._done} of {self._cells} cells"
        if self._done < self._cells:
            text += f", about {duration(rate * self._left)} left"
        if self._live:
            self._stream.write(f"\r{text}\x1b[K")
            self._stream.flush()
            self._open = True
        elif now - self._said > _LOG_EVERY:
            self.note(text)

    def note(self, text: str) -> None:
        """Say something on a line of its own."""
        if self._open:
            self._stream.write("\r\x1b[K")
            self._open = False
        self._stream.write(text + "\n")
        self._stream.flush()
        self._said = time.monotonic()
