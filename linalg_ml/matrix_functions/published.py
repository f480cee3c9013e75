"""Published lists of polynomials, as data, each with its source."""

from linalg_ml._core import checks
from linalg_ml.matrix_functions.composition import Schedule
from linalg_ml.matrix_functions.odd_polynomials import newton_schulz_polynomial

__all__ = ["schedule", "schedule_names"]

POLAR_EXPRESS = (
    'N. Amsel, D. Persson, C. Musco, R. M. Gower, "The Polar Express: Optimal matrix sign methods '
    'and their application to the Muon algorithm", 2025, arXiv:2505.16932'
)
_POLAR_EXPRESS_RAW = (
    (8.28721201814563, -23.595886519098837, 17.300387312530933),
    (4.107059111542203, -2.9478499167379106, 0.5448431082926601),
    (3.9486908534822946, -2.908902115962949, 0.5518191394370137),
    (3.3184196573706015, -2.488488024314874, 0.51004894012372),
    (2.300652019954817, -1.6689039845747493, 0.4188073119525673),
    (1.891301407787398, -1.2679958271945868, 0.37680408948524835),
    (1.8750014808534479, -1.2500016453999487, 0.3750001645474248),
    (1.875, -1.25, 0.375),
)
_JORDAN = (3.4445, -4.775, 2.0315)
_JORDAN_SOURCE = (
    'K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024, '
    "https://kellerjordan.github.io/posts/muon"
)


def _newton_schulz(degree):
    return {
        "coefficients": (newton_schulz_polynomial(degree),),
        "after": "repeat",
        "source": "Taylor polynomial of (1 + t)^(-1/2) at t = x^2 - 1; for degree 3 G. Schulz, "
        '"Iterative Berechnung der reziproken Matrix", 1933, in the form for the polar factor of '
        'Z. Kovarik, "Some iterative methods for improving orthonormality", 1970',
    }


_PUBLISHED = {
    "polar-express": {
        "coefficients": tuple(
            tuple(c / 1.01 ** (2 * i + 1) for i, c in enumerate(row))
            for row in _POLAR_EXPRESS_RAW[:-1]
        )
        + _POLAR_EXPRESS_RAW[-1:],
        "safety": 0.01,
        "source": f"{POLAR_EXPRESS}, Algorithm 1: made for [0.001, 1], every polynomial but the "
        "last then evaluated at x / 1.01",
    },
    "polar-express-raw": {
        "coefficients": _POLAR_EXPRESS_RAW,
        "source": f"{POLAR_EXPRESS}, Algorithm 1, without the division by 1.01",
    },
    "polar-express-modded": {
        "coefficients": (
            (8.156554524902461, -22.48329292557795, 15.878769915207462),
            (4.042929935166739, -2.808917465908714, 0.5000178451051316),
            (3.8916678022926607, -2.772484153217685, 0.5060648178503393),
            (3.285753657755655, -2.3681294933425376, 0.46449024233003106),
            (2.3465413258596377, -1.7097828382687081, 0.42323551169305323),
        ),
        "safety": 0.02,
        "source": "the list of the modded-nanogpt speed runs (K. Jordan et al., 2025, "
        "https://github.com/KellerJordan/modded-nanogpt), made for 5 steps with safety 0.02 and "
        f"cushion 0.02 after {POLAR_EXPRESS}",
    },
    "polar-express-repository": {
        "coefficients": (
            (8.237312490495547, -23.15774741455817, 16.680568411445893),
            (4.082441999064833, -2.893047735332584, 0.5252849256975642),
            (3.9263479922546485, -2.8547468034765227, 0.5318022422894975),
            (3.2982187133085183, -2.4245419810267084, 0.486320083588441),
            (2.2970369434552587, -1.6366255812590316, 0.40026284559536296),
            (1.8763805351440404, -1.2347896577722244, 0.35891887501668474),
            (1.8564423485604251, -1.2132449880908598, 0.35680034878126726),
            (1.8564356435863227, -1.2132376849334814, 0.3567996328548762),
            (1.8564311662246085, -1.2132289066937931, 0.3567953302377914),
            (1.8749954775653717, -1.249990955152559, 0.3749954775871875),
        ),
        "after": "repeat",
        "safety": 0.01,
        "source": "default list of https://github.com/NoahAmsel/PolarExpress: 10 steps, safety "
        "0.01, cushion 0.02, the Newton-Schulz polynomial scaled to the upper end where the ends "
        f"agree to 5e-6; recomputed without the rounding errors of the original, after "
        f"{POLAR_EXPRESS}",
    },
    "newton-schulz-3": _newton_schulz(3),
    "newton-schulz": _newton_schulz(5),
    "newton-schulz-7": _newton_schulz(7),
    "jordan": {
        "coefficients": (_JORDAN,) * 5,
        "after": "repeat",
        "source": _JORDAN_SOURCE,
    },
    "you": {
        "coefficients": tuple(
            tuple(c / 1024 for c in row)
            for row in (
                (3955, -8306, 5008),
                (3735, -6681, 3463),
                (3799, -6499, 3211),
                (4019, -6385, 2906),
                (2677, -3029, 1162),
                (2172, -1833, 682),
            )
        ),
        "after": "repeat",
        "source": f"J. You, 2025, as compared with in {POLAR_EXPRESS}",
    },
    "cesista": {
        "coefficients": (
            (4.0848, -6.8946, 2.9270),
            (3.9505, -6.3029, 2.6377),
            (3.7418, -5.5913, 2.3037),
            (2.8769, -3.1427, 1.2046),
            (2.8366, -3.0525, 1.2012),
        ),
        "after": "cycle",
        "source": 'F. L. Cesista, J. You, K. Jordan, "Squeezing 1-2% efficiency gains out of Muon '
        'by optimizing the Newton-Schulz coefficients", 2025, '
        "https://leloykun.github.io/ponder/muon-opt-coeffs",
    },
    "cans": {
        "coefficients": (
            (8.4703, -25.1081, 18.6293),
            (4.1828, -3.1087, 0.5806),
            (3.9619, -2.9541, 0.5630),
            (3.2866, -2.4647, 0.5074),
            (2.2737, -1.6447, 0.4162),
        ),
        "source": 'E. Grishina, M. Smirnov, M. Rakhuba, "Accelerating Newton-Schulz iteration for '
        'orthogonalization via Chebyshev-type polynomials", 2025, arXiv:2506.10935, to four '
        "digits; equal to minimax_schedule(0.001, 5, safety=0, cushion=0)",
    },
    "turbo": {
        "coefficients": (
            (4.0098, -7.0585, 2.4635),
            (3.4585, -5.5479, 2.5959),
            (2.7573, -3.2939, 1.4254),
            (2.7215, -3.0494, 1.3169),
        ),
        "after": "cycle",
        "normalization": "aol",
        "source": 'T. Boissin, T. Massena, F. Mamalet, M. Serrurier, "Turbo-Muon: Accelerating '
        'orthogonality-based optimization with pre-conditioning", 2025, arXiv:2512.04632; not '
        "for singular values close to 1, which it sends beyond 2",
    },
    "deepseek-v4": {
        "coefficients": (_JORDAN,) * 8 + ((2.0, -1.5, 0.5),) * 2,
        "after": "repeat",
        "source": f"DeepSeek-AI, technical report of DeepSeek-V4, 2026; the first 8 rows "
        f"{_JORDAN_SOURCE}",
    },
    "cubic5": {
        "coefficients": (
            (3.3656576, -3.3420992),
            (2.5744352, -1.4957376),
            (2.5368962, -1.4312570),
            (2.4418906, -1.2764040),
            (2.2230472, -0.9630650),
        ),
        "source": 'H. Huang, "How much orthogonalization does Muon need?", 2026, arXiv:2606.00371; '
        "meant for exactly 5 steps, to values in [0.7, 1.3]; equal to chen_chow_schedule(0.007, 5) "
        "with every range stretched from 1 to 1.3",
    },
}


def schedule_names():
    """Return the names that `schedule` knows.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> from linalg_ml import schedule_names
    >>> "polar-express" in schedule_names()
    True
    """
    return tuple(_PUBLISHED)


def schedule(name):
    """Return a published schedule by name.

    Parameters
    ----------
    name : str
        One of `schedule_names`. ``"polar-express"`` is the list of Algorithm 1 of that paper with
        its safety factor, ``"polar-express-raw"`` the same without it.

    Returns
    -------
    Schedule
        Its ``source`` says who published it and ``after`` what follows its rows. Its ``error`` is
        that on [0.001, 1], whether or not the list was made for that interval.

    Raises
    ------
    ValueError
        If there is no such name.

    Examples
    --------
    >>> from linalg_ml.matrix_functions.schedules import schedule
    >>> schedule("jordan").coefficients[0]
    (3.4445, -4.775, 2.0315)
    >>> round(schedule("polar-express").take(6).error, 5)
    0.00559
    """
    return _SCHEDULES[checks.choice(name, tuple(_PUBLISHED), "schedule")]


_SCHEDULES = {name: Schedule(name=name, **entry) for name, entry in _PUBLISHED.items()}
