"""An optional film from a file, for the full level of the studies on video."""

import hashlib
import os
import sys
from pathlib import Path

import numpy as np

VARIABLE = "LINALG_ML_FILM"


def film_path():
    """Return the film that ``$LINALG_ML_FILM`` names, or None where it is not set."""
    chosen = os.environ.get(VARIABLE)
    if not chosen:
        return None
    path = Path(chosen)
    if not path.is_file():
        raise FileNotFoundError(f"{VARIABLE} must be the path of a film, got {chosen!r}")
    return path


def film_or_note(what):
    """Return the name and the checksum of the film, or None and say what is left out."""
    path = film_path()
    if path is None:
        print(f"{VARIABLE} is not set: {what} is left out", file=sys.stderr)
        return None
    return path.name, hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def grey_film(shrink=1, most=None):
    """Read the film, grey, as many frames as there are or ``most``.

    Parameters
    ----------
    shrink : int
        Blocks of so many by so many pixels are averaged; it divides the sides of a frame.
    most : int, optional
        Frames, the first ones.

    Returns
    -------
    array (frames, height, width), uint8
    """
    import av

    frames = []
    with av.open(str(film_path())) as container:
        for frame in container.decode(video=0):
            frames.append(averaged(frame.to_ndarray(format="gray"), shrink))
            if len(frames) == most:
                break
    return np.stack(frames)


def averaged(frame, shrink):
    """Return a frame whose pixels are the means of blocks."""
    if shrink == 1:
        return frame
    height, width = frame.shape[0] // shrink, frame.shape[1] // shrink
    blocks = frame.reshape(height, shrink, width, shrink)
    return blocks.mean(axis=(1, 3)).round().astype(np.uint8)


def columns(frames):
    """Return a float32 matrix with values from 0 to 1 and one column for each frame."""
    frames = frames.reshape(len(frames), -1)
    m = np.empty(frames.shape[::-1], np.float32)
    for start in range(0, len(m), 4096):  # pixels, lest the transposition miss the cache
        rows = slice(start, start + 4096)
        np.divide(frames[:, rows].T, np.float32(255), out=m[rows])
    return m
