"""A real surveillance video shipped with the package.

``data/surveillance_video.json`` says where it comes from, and under which licence.
"""

from importlib import resources

import numpy as np


def surveillance_video():
    """Load a street surveillance video: a still background, and people who walk through.

    Returns
    -------
    array (199, 120, 160), uint8
        Grey frames, 0.4 seconds apart. A fresh array on every call.

    Notes
    -----
    Every 4th frame of ``vtest.avi`` from the samples of OpenCV (Apache-2.0), grey and averaged
    over areas from 768x576 pixels to 160x120.

    Examples
    --------
    One column per frame, as `linalg_ml.robust_pca` takes them:

    >>> import numpy as np
    >>> from linalg_ml.problems import surveillance_video
    >>> frames = surveillance_video()
    >>> m = frames.reshape(len(frames), -1).T.astype(np.float32) / 255
    >>> m.shape
    (19200, 199)
    """
    place = resources.files("linalg_ml.problems") / "data" / "surveillance_video.npz"
    with place.open("rb") as file, np.load(file, allow_pickle=False) as npz:
        return npz["frames"]
