"""Schedules: optimal compositions, published lists and what can be asked of them."""

import pickle
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linalg_ml.matrix_functions.minimax import (
    DEGREES,
    evaluate,
    minimax_polynomial,
    newton_schulz_polynomial,
)
from linalg_ml.matrix_functions.schedules import (
    CUSHIONS,
    PRODUCTS,
    Schedule,
    chen_chow_schedule,
    minimax_schedule,
    schedule,
    schedule_names,
    shortest_schedule,
)
from tests.reference.remez import composition, remez

# Optimal compositions on [l, 1], computed in 60 digits: degree, l, then for each step the
# coefficients (14 digits) and the error after it (10 digits).
OPTIMAL = """
3 0.001
5.1801021433616 -5.1749220463931 0.994819903
2.5840279040023 -0.64768015413615 0.9866145749
2.5620590660361 -0.64480135442009 0.9657072967
2.5076207458734 -0.63765110885516 0.9140326209
2.3820795186988 -0.62106819820186 0.7956134518
2.1374993505711 -0.58835642738231 0.5681472821
1.8030516168731 -0.54263161166583 0.2650503404
1.5624062352615 -0.50888539331632 0.05372932399
3 0.01
5.0398392738212 -4.9894458705289 0.9496065967
2.467161049681 -0.63232122757188 0.8757522788
2.2968010223449 -0.60972560489155 0.7157972056
2.0019610915957 -0.56997513843404 0.4441210757
1.6801228988187 -0.52549106225646 0.1563172996
1.5214931071236 -0.50306687290278 0.01845123102
1.5002979136689 -0.5000425584056 0.000255360093
1.5000000570577 -0.5000000081511 4.89065837e-8
3 0.1
3.9634050793514 -3.5706352066229 0.6072301273
1.8497404350968 -0.54909158601667 0.3067481821
1.5840183892966 -0.51194894542778 0.07244521517
1.5045974395871 -0.50065661295955 0.003941975498
1.5000135968197 -0.50000194240138 1.165442842e-5
1.5000000001188 -0.50000000001698 1.018692764e-10
1.5 -0.5 7.783012109e-21
5 0.001
8.4703288038481 -25.108074706662 18.629275599118 0.9915296963
4.1828341832939 -3.1087011098892 0.58060668135005 0.9645720133
3.9618572789616 -2.9540637463594 0.5629761179539 0.8597707005
3.286586217028 -2.4647201345313 0.50735769386145 0.5458932839
2.273749994434 -1.6446603679081 0.41619092749789 0.1134484574
1.8887161973518 -1.2651572253386 0.37651892555749 0.0009164721887
1.8750008858551 -1.2500009842831 0.37500009842832 4.811029371e-10
1.875 -1.25 0.375 6.959756447e-29
5 0.01
8.0933685125483 -23.620430328824 17.446151749836 0.9190899336
3.636585554259 -2.7219267466089 0.53654628832736 0.7072034913
2.6612999857771 -1.9771545218846 0.4526164069964 0.2694359703
1.9561716388845 -1.3375077459441 0.38385270132988 0.0125282918
1.8751655627365 -1.2501839462937 0.37501839510573 1.229073816e-6
1.8750000000016 -1.2500000000018 0.37500000000018 1.160416557e-18
1.875 -1.25 0.375 9.766113553e-55
5 0.1
5.6036945066405 -13.883690224017 9.7334126228103 0.4534169054
2.1306115651416 -1.5116475323562 0.40198372179218 0.0626752412
1.8791561757483 -1.2546102599651 0.37546132436205 0.0001540737709
1.8750000250369 -1.2500000278188 0.37500000278188 2.285946999e-12
1.875 -1.25 0.375 7.465836725e-36
7 0.001
11.774845372617 -69.53406064246 128.77049272299 -70.999502677305 0.9882252242
5.7184738472685 -8.4406973856237 3.9403830604511 -0.54867162458646 0.932680031
4.8899266233287 -7.103841376855 3.4328553897016 -0.50046682165489 0.6729728776
3.0279373292288 -3.8657939247761 2.1237773806587 -0.3798947870641 0.1371946925
2.2104924393457 -2.2355805529659 1.3394770427119 -0.31458136440763 0.000195075603
2.1875000457843 -2.1875000957308 1.3125000541087 -0.31250000416221 7.91953912e-16
2.1875 -2.1875 1.3125 -0.3125 2.778932444e-61
7 0.01
11.053755603922 -63.853178952182 117.48542785374 -64.575530790875 0.8895262854
4.3980540458207 -6.2874348918735 3.1161832204709 -0.47064569981703 0.5225566104
2.6073062218863 -3.0500967799918 1.7540665823827 -0.34805909290027 0.04556563834
2.1900021188841 -2.1927318267801 1.3154547122714 -0.31272736003853 2.359189304e-6
2.1875000000067 -2.187500000014 1.3125000000079 -0.31250000000061 1.694100742e-23
7 0.1
6.8868745595764 -31.506751746798 53.650135881946 -28.372544326409 0.3422856317
2.3431000085286 -2.5119503800312 1.4879137702466 -0.32625373023356 0.007846850881
2.1875740837486 -2.1876549024983 1.3125875514703 -0.31250673479387 2.073381864e-9
2.1875 -2.1875 1.3125 -0.3125 1.010660405e-35
"""


def optimal_tables():
    tables = []
    for line in OPTIMAL.strip().splitlines():
        numbers = [float(x) for x in line.split()]
        if len(numbers) == 2:
            tables.append((int(numbers[0]), numbers[1], []))
        else:
            tables[-1][2].append((numbers[:-1], numbers[-1]))
    return tables


@pytest.mark.parametrize(("degree", "lower", "rows"), optimal_tables())
def test_optimal_compositions(degree, lower, rows):
    made = minimax_schedule(lower, len(rows), degree=degree, safety=0, cushion=0)
    for row, error, (expected, expected_error) in zip(made, made.errors(), rows, strict=True):
        assert row == pytest.approx(expected, rel=1e-11)
        # What is left is the rounding of values close to 1.
        assert error == pytest.approx(expected_error, rel=1e-9, abs=2e-15)
    assert made.error == made.errors()[-1]


@pytest.mark.parametrize("degree", [9, 11, 13])
def test_optimal_compositions_of_high_degree(degree):
    made = minimax_schedule(1e-3, 3, degree=degree, safety=0, cushion=0)
    expected = composition(1e-3, 3, degree, digits=40)
    for row, error, (reference, level) in zip(made, made.errors(), expected, strict=True):
        assert row == pytest.approx([float(c) for c in reference], rel=1e-10)
        assert error == pytest.approx(float(level), rel=1e-9)


def test_cushions_keep_values_within_a_factor_of_ten():
    assert tuple(CUSHIONS) == DEGREES
    for degree, cushion in CUSHIONS.items():
        error = minimax_polynomial(cushion, 1.0, degree).error
        assert (1 - error) / (1 + error) == pytest.approx(0.1, rel=1e-14, abs=0)
    level = float(remez(CUSHIONS[7], 1, 7)[1])
    assert (1 - level) / (1 + level) == pytest.approx(0.1, rel=1e-14, abs=0)


# Published lists that the recursion must return: arguments, rows, and how many agree to 1e-12.
MODDED = [
    (8.156554524902461, -22.48329292557795, 15.878769915207462),
    (4.042929935166739, -2.808917465908714, 0.5000178451051316),
    (3.8916678022926607, -2.772484153217685, 0.5060648178503393),
    (3.285753657755655, -2.3681294933425376, 0.46449024233003106),
    (2.3465413258596377, -1.7097828382687081, 0.42323551169305323),
]
REPOSITORY = [
    (8.237312490495555, -23.157747414558184, 16.6805684114459),
    (4.082441999064836, -2.893047735332589, 0.5252849256975652),
    (3.9263479922546516, -2.8547468034765267, 0.5318022422894985),
    (3.298218713308513, -2.424541981026707, 0.486320083588441),
    (2.2970369434552573, -1.6366255812590293, 0.4002628455953622),
    (1.8763805351440364, -1.2347896577722168, 0.358918875016681),
]
REPOSITORY_7 = (1.8564423485556578, -1.2132449880815264, 0.3568003487766989)
REPOSITORY_10 = (1.8749954775667044, -1.2499909551552246, 0.37499547758852014)


def test_recursion_returns_the_published_list():
    made = minimax_schedule(1e-3, 8, safety=0, cushion=0.02407327424182761)
    published = schedule("polar-express-raw")
    for row, expected in zip(made.coefficients[:6], published, strict=False):
        assert row == pytest.approx(expected, rel=1e-12)
    # The published row 7 has the rounding errors of a solve with monomials, and row 8 is the limit.
    assert made.coefficients[6] == pytest.approx(published.coefficients[6], rel=1e-10)
    assert published.coefficients[7] == newton_schulz_polynomial(5)
    assert made.coefficients[7] == pytest.approx(published.coefficients[7], rel=1e-14)
    default = minimax_schedule(1e-3, 8, safety=0)
    assert default.coefficients[0] == pytest.approx(made.coefficients[0], rel=1e-14)


def test_recursion_returns_the_modded_list():
    made = minimax_schedule(1e-3, 5, safety=0.02, cushion=0.02)
    for row, expected in zip(made, MODDED, strict=True):
        assert row == pytest.approx(expected, rel=1e-12)
    assert schedule("polar-express-modded").coefficients == tuple(MODDED)


def test_recursion_returns_the_repository_list():
    made = minimax_schedule(1e-3, 10, safety=0.01, cushion=0.02)
    listed = schedule("polar-express-repository")
    for row, ours, expected in zip(listed, made, REPOSITORY, strict=False):
        assert row == pytest.approx(expected, rel=1e-12)
        assert ours == pytest.approx(expected, rel=1e-12)
    # From row 7 on the original has the rounding errors of a solve with monomials.
    assert listed.coefficients[6] == pytest.approx(REPOSITORY_7, rel=2e-11)
    assert listed.coefficients[9] == pytest.approx(REPOSITORY_10, rel=5e-12)
    assert max(listed.error, made.error) < 1e-15


def test_cans_is_the_optimal_composition_to_four_digits():
    made = minimax_schedule(1e-3, 5, safety=0, cushion=0)
    for row, expected in zip(made, schedule("cans"), strict=True):
        assert [round(c, 4) for c in row] == list(expected)


# Largest |1 - p| on [1e-3, 1] after t = 1, 2, ... steps, found on a fine grid.
FIXED = {
    "newton-schulz-3": ".9985 .99775 .996625 .994938 .992406 .98861 .982915 .974376 .961572 "
    ".942386",
    "newton-schulz": ".998125 .996484 .993408 .987641 .976829 .95657 .918671 .848179 .71968 "
    ".501285",
    "jordan": ".996556 .988136 .959141 .859587 .529456 .318169 .318169 .318169 .318169 .318169",
    "you": ".996138 .985913 .947755 .795836 .491033 .133696 .00441109 .00326254 .00318057 "
    ".00317459",
    "cesista": ".995915 .983863 .939644 .827051 .525018",
    "polar-express-raw": ".991713 .965966 .865724 .560417 .123559 .00118493 1.03982e-9",
    "polar-express": ".991795 .966636 .869666 .577109 .153823 .00559327 9.05393e-6",
    "polar-express-modded": ".991843 .967025 .871773 .583653 .141127",
    "cubic5": ".996634 .991335 .97802 .94634 .88086",
    "deepseek-v4": ".996556 .988136 .959141 .859587 .529456 .318169 .318169 .318169 .0381253 "
    "5.38053e-4",
}


@pytest.mark.parametrize("name", FIXED)
def test_errors_of_published_lists(name):
    expected = [float(x) for x in FIXED[name].split()]
    # Six figures, of which the last may be half a unit off; leading 9s leave fewer.
    made = schedule(name).take(len(expected))
    for error, e in zip(made.errors(), expected, strict=True):
        assert error == pytest.approx(e, rel=5.1e-6, abs=5.1e-7 if e > 0.1 else 0)


def test_errors_of_chen_chow():
    expected = ".997403 .993262 .982555 .955086 .886175 .72461 .419035 .101979 .00432436 7.04295e-6"
    expected = [float(x) for x in expected.split()]
    made = chen_chow_schedule(1e-3, 10)
    assert made.errors() == pytest.approx(expected, rel=5.1e-6)
    assert all(high <= 1 + 1e-15 for _, high in made.intervals())


# First step from which on the error on [1e-3, 1] stays below a tolerance.
FIRST = {
    "newton-schulz-3": (18, 19, 20, 21, 22),
    "newton-schulz": (12, 13, 13, 14, 14),
    "newton-schulz-7": (10, 10, 11, 11, 12),
    "polar-express-raw": (6, 6, 7, 7, 8),
    "polar-express": (6, 6, 7, 8, 8),
    "you": (7, 7, None, None, None),
    "jordan": (None,) * 5,
}


@pytest.mark.parametrize("name", FIRST)
def test_steps_to_a_tolerance(name):
    errors = schedule(name).take(30).errors()
    for tolerance, steps in zip((1e-1, 1e-2, 1e-3, 1e-6, 1e-12), FIRST[name], strict=True):
        above = [t for t, e in enumerate(errors, 1) if e > tolerance]
        assert (above[-1] + 1 if above[-1] < 30 else None) == steps


@pytest.mark.parametrize(
    ("degree", "steps"),
    [(3, (8, 9, 10, 11, 12)), (5, (6, 6, 6, 7, 8)), (7, (5, 5, 5, 6, 6))],
)
def test_shortest_optimal_schedules(degree, steps):
    for error, count in zip((1e-1, 1e-2, 1e-3, 1e-6, 1e-12), steps, strict=True):
        made = shortest_schedule(1e-3, error, degree=degree, safety=0, cushion=0)
        assert (len(made), made.products) == (count, count * PRODUCTS[degree])
        assert made.error <= error


@pytest.mark.parametrize(
    ("lower", "degree", "error", "products"),
    [
        (1e-3, (3, 3, 3, 3, 5, 9), 0.0985, 15),
        (1e-2, (3, 9, 9), 0.0936, 10),
        (1e-3, (9, 9, 9, 9), 0.00985, 16),
        (1e-2, (3, 3, 3, 3, 9), 0.00923, 12),
        (1e-3, (3,) * 7 + (9,), 6.6e-4, 18),
        (1e-2, (3, 3, 3, 5, 9), 8.9e-4, 13),
        (1e-3, (5, 9, 9, 9, 9), 3.2e-7, 19),
        (1e-2, (3, 3, 3, 3, 5, 9), 3.4e-7, 15),
    ],
)
def test_mixed_degrees(lower, degree, error, products):
    made = minimax_schedule(lower, degree=degree, safety=0, cushion=0)
    assert made.degrees == degree
    assert made.products == products
    digits = len(f"{error:.6e}".split("e")[0].rstrip("0")) - 1
    assert float(f"{made.error:.{max(digits - 1, 0)}e}") == error


def test_products_of_each_degree():
    assert PRODUCTS == {3: 2, 5: 3, 7: 4, 9: 4, 11: 5, 13: 5}


quick = settings(deadline=None, max_examples=40)
lowers = st.floats(-16, -0.001).map(lambda e: 10.0**e)
degree_lists = st.lists(st.sampled_from(DEGREES), min_size=1, max_size=6).map(tuple)
safeties = st.sampled_from([0.0, 0.01, 0.05])
cushions = st.sampled_from([None, 0.0, 0.02, 0.2])


@quick
@given(lowers, degree_lists, safeties, cushions)
def test_error_holds_on_a_dense_grid(lower, degrees, safety, cushion):
    made = minimax_schedule(lower, degree=degrees, safety=safety, cushion=cushion)
    x = np.concatenate([np.geomspace(lower, 1.0, 3000), np.linspace(lower, 1.0, 3000)])
    found = np.abs(1.0 - made(np.clip(x, lower, 1.0))).max()
    assert found <= made.error + 1e-12
    # The worst point is an end of the interval or a smooth extreme that the grid comes close to.
    assert found >= 0.9 * made.error - 1e-12


@quick
@given(lowers, degree_lists)
def test_each_polynomial_is_the_best_on_the_range_of_the_one_before(lower, degrees):
    made = minimax_schedule(lower, degree=degrees, safety=0, cushion=0)
    longer = minimax_schedule(lower, degree=(*degrees, 5), safety=0, cushion=0)
    assert longer.take(len(degrees)).coefficients == made.coefficients
    intervals = made.intervals()
    rounding = 0.0  # relative, of the lower end: a polynomial is rounded to eps * sum |c_i x^k|
    for t, row in enumerate(made):
        low, high = intervals[t]
        if low < 1e-12:
            break  # the least cushion
        rounding += 2.0**-52 * evaluate(np.abs(row), high) / intervals[t + 1][0]
        best = minimax_polynomial(low, high, 2 * len(row) - 1)
        assert made.errors()[t] == pytest.approx(best.error, rel=0, abs=10 * rounding)


@quick
@given(lowers, degree_lists, safeties, cushions, st.data())
def test_no_other_composition_is_closer(lower, degrees, safety, cushion, data):
    best = minimax_schedule(lower, degree=degrees, safety=0, cushion=0)
    other = minimax_schedule(lower, degree=degrees, safety=safety, cushion=cushion)
    assert other.error >= best.error - 1e-11
    change = st.floats(-0.05, 0.05)
    rows = [[c * (1.0 + data.draw(change)) for c in row] for row in best]
    assert Schedule(rows, lower=lower).error >= best.error - 1e-11


@quick
@given(lowers, degree_lists, safeties, cushions, st.floats(-3, 3).map(lambda e: 10.0**e))
def test_scale_changes_the_first_polynomial_alone(lower, degrees, safety, cushion, scale):
    keywords = {"degree": degrees, "safety": safety, "cushion": cushion}
    plain = minimax_schedule(lower, **keywords)
    scaled = minimax_schedule(lower * scale, upper=scale, **keywords)
    assert scaled.error == pytest.approx(plain.error, rel=1e-8, abs=1e-10)
    first = [c * scale ** (2 * i + 1) for i, c in enumerate(scaled.coefficients[0])]
    assert first == pytest.approx(plain.coefficients[0], rel=1e-11)
    for row, expected in zip(scaled.coefficients[1:], plain.coefficients[1:], strict=True):
        assert row == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("degree", DEGREES)
@pytest.mark.parametrize("cushion", [None, 0.0])
@pytest.mark.parametrize("safety", [0.0, 0.01])
@pytest.mark.parametrize("lower", [1e-16, 1e-13, 1e-8])
def test_tiny_lower_ends_converge(lower, degree, cushion, safety):
    made = minimax_schedule(lower, 50, degree=degree, safety=safety, cushion=cushion)
    assert made.error < (3e-8 if degree == 3 and safety else 5e-15)
    # Sign and order of magnitude of small values are never lost on the way.
    assert all(low >= 0.5 * lower for low, _ in made.intervals())


@pytest.mark.parametrize("degree", DEGREES)
def test_cushion_keeps_the_middle_away_from_zero(degree):
    made = minimax_schedule(1e-6, 4, degree=degree, safety=0)
    for (_, high), row in zip(made.intervals()[:3], made, strict=False):
        values = evaluate(row, np.linspace(CUSHIONS[degree] * high, high, 20001))
        assert values.min() >= 0.0999 * values.max()
    bare = minimax_schedule(1e-6, 1, degree=degree, safety=0, cushion=0)
    assert evaluate(bare.coefficients[0], np.linspace(0.01, 1, 20001)).min() < 1e-3


@pytest.mark.parametrize("degree", DEGREES)
def test_safety_leaves_headroom(degree):
    safe = minimax_schedule(1e-3, 6, degree=degree, safety=0.01)
    # Every step but the last may be given values 1 % above its interval.
    for (low, high), (_, top), row in zip(
        safe.intervals()[:5], safe.intervals()[1:], safe, strict=False
    ):
        x = np.linspace(low, 1.01 * high, 5001)
        assert evaluate(row, x).max() <= max(top, 2 - safe.intervals()[1][0]) + 1e-9
    unsafe = minimax_schedule(1e-3, 6, degree=degree, safety=0)
    assert safe.coefficients[0][0] == pytest.approx(unsafe.coefficients[0][0] / 1.01)
    assert safe.safety == 0.01
    assert unsafe.safety == 0.0


def test_last_polynomial_has_no_safety():
    made = minimax_schedule(1e-3, 9, safety=0.05)
    assert made.coefficients[-1] == pytest.approx(newton_schulz_polynomial(5), rel=1e-6)
    assert made.coefficients[-2][0] == pytest.approx(1.875 / 1.05, rel=1e-3)


def test_schedules_are_cached_and_compare():
    a = minimax_schedule(1e-3, 5)
    assert minimax_schedule(1e-3, 5, degree=(5,) * 5) is a
    assert a == Schedule(**{f: getattr(a, f) for f in a.__dataclass_fields__})
    assert hash(a) == hash(pickle.loads(pickle.dumps(a)))
    assert len({a, minimax_schedule(1e-3, 6), pickle.loads(pickle.dumps(a))}) == 2
    with pytest.raises(FrozenInstanceError):
        a.lower = 0.5


@pytest.mark.parametrize(
    "made",
    [
        Schedule(((1.5, -0.5),)),
        Schedule([[2, -1], (1.875, -1.25, 0.375)], 0.1, 2, "a", "b", "cycle", "aol", 0.5),
        minimax_schedule(1e-2, degree=(3, 9)),
        schedule("turbo"),
        chen_chow_schedule(1e-2, 3, upper=7.0),
    ],
)
def test_repr_round_trips(made):
    assert eval(repr(made), {"Schedule": Schedule}) == made


def test_source_of_a_made_schedule_makes_it_again():
    made = minimax_schedule(1e-2, degree=(3, 9), safety=0.02, cushion=0.1, upper=2.0)
    call = made.source.split(", after ")[0]
    assert eval(call, {"minimax_schedule": minimax_schedule}) is made


def test_schedule_is_a_function_and_a_sequence_of_rows():
    made = minimax_schedule(1e-2, degree=(3, 5, 9))
    assert len(made) == 3
    assert tuple(made) == made.coefficients
    assert made.degrees == (3, 5, 9)
    x = np.linspace(0, 1, 7, dtype=np.float32)
    assert made(x).dtype == np.float32
    assert made(0.3) == evaluate(made.coefficients[2], made.take(2)(0.3))
    assert type(made(0.3)) is float
    mixed = Schedule([[2, np.float32(-1)], np.array([1.5, -0.5])])
    assert mixed.coefficients == ((2.0, -1.0), (1.5, -0.5))
    assert {type(c) for row in mixed for c in row} == {float}
    assert np.all(x == np.linspace(0, 1, 7, dtype=np.float32))


def test_intervals_and_errors():
    made = minimax_schedule(1e-2, 4, safety=0.01)
    intervals = made.intervals()
    assert intervals[0] == (1e-2, 1.0)
    assert len(intervals) == 5
    assert made.errors() == [max(1 - a, b - 1) for a, b in intervals[1:]]
    assert made.error_on(1e-2, 1.0) == made.error
    assert made.error_on(0.5, 0.6) <= made.error < made.error_on(1e-4, 1.0)
    x = np.geomspace(1e-4, 1.0, 20001)
    assert made.error_on(1e-4, 1.0) == pytest.approx(np.abs(1 - made(x)).max(), rel=1e-6)


def test_take():
    rows = ((2.0, -1.0), (3.0, -2.0, 0.5))
    made = Schedule(rows)
    assert made.take(2) is made
    assert made.take(1).coefficients == rows[:1]
    assert made.take(4).coefficients == rows + ((1.875, -1.25, 0.375),) * 2
    repeat = Schedule(rows, after="repeat", lower=0.1, safety=0.5, name="x")
    assert repeat.take(4).coefficients == (*rows, rows[1], rows[1])
    assert (repeat.take(4).lower, repeat.take(4).safety, repeat.take(4).name) == (0.1, 0.5, "x")
    cycle = Schedule(rows, after="cycle")
    assert cycle.take(5).coefficients == (*rows, *rows, rows[0])
    assert cycle.take(3).coefficients == (*rows, rows[0])


@quick
@given(st.sampled_from(schedule_names()), st.integers(1, 40))
def test_take_has_the_length_asked_for(name, steps):
    taken = schedule(name).take(steps)
    assert len(taken) == steps
    common = min(steps, len(schedule(name)))
    assert taken.coefficients[:common] == schedule(name).coefficients[:common]


def test_published_lists():
    expected = "polar-express polar-express-raw polar-express-modded polar-express-repository "
    expected += "newton-schulz-3 newton-schulz newton-schulz-7 jordan you cesista cans turbo "
    expected += "deepseek-v4 cubic5"
    assert schedule_names() == tuple(expected.split())
    for name in schedule_names():
        made = schedule(name)
        assert made.name == name
        assert made.source
        assert (made.lower, made.upper) == (1e-3, 1.0)
        assert made.normalization == ("aol" if name == "turbo" else "frobenius")
    lengths = {name: len(schedule(name)) for name in schedule_names()}
    assert list(lengths.values()) == [8, 8, 5, 10, 1, 1, 1, 5, 6, 5, 5, 4, 10, 5]


def test_polar_express_is_divided_by_its_safety_but_for_the_last_row():
    safe, raw = schedule("polar-express"), schedule("polar-express-raw")
    for row, plain in zip(safe.coefficients[:-1], raw, strict=False):
        assert row == pytest.approx([c / 1.01**k for c, k in zip(plain, (1, 3, 5), strict=True)])
    assert safe.coefficients[-1] == raw.coefficients[-1] == (1.875, -1.25, 0.375)
    assert (safe.safety, raw.safety) == (0.01, 0.0)
    assert safe.take(9).coefficients[-1] == (1.875, -1.25, 0.375)


def test_cubic5_is_chen_chow_stretched_to_1_3():
    for t, (row, made) in enumerate(
        zip(schedule("cubic5"), chen_chow_schedule(0.007, 5), strict=True)
    ):
        scale = 1.3 if t else 1.0
        expected = [1.3 * c / scale ** (2 * i + 1) for i, c in enumerate(made)]
        assert row == pytest.approx(expected, abs=6e-8)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("turbo", (-0.5852, 0.5065, 0.8888, 0.9890)),
        ("cesista", (0.1172, 0.2853, 0.4542, 0.9388, 0.9853)),
        ("jordan", (0.7010,) * 5),
        ("you", tuple(round(k / 1024, 9) for k in (657, 517, 511, 540, 810, 1021))),
    ],
)
def test_sums_of_the_rows_of_lists_with_few_decimals(name, values):
    # A slip in any one digit of a list shows here.
    assert [round(sum(row), 9) for row in schedule(name)] == list(values)


def test_turbo_is_not_for_singular_values_near_1():
    errors = [schedule("turbo").error_on(0.9, 1.0), schedule("turbo").error]
    assert 1.5 < min(errors) <= max(errors) < 2.2


@quick
@given(lowers, st.integers(1, 12), st.floats(0.0, 0.9))
def test_chen_chow_stays_below_1_and_keeps_the_contrast(lower, steps, contrast):
    made = chen_chow_schedule(lower, steps, contrast=contrast)
    for (low, high), row in zip(made.intervals(), made, strict=False):
        assert high <= 1 + 1e-14
        assert evaluate(row, 1.0) >= contrast - 1e-14
        assert evaluate(row, low) >= low
    scaled = chen_chow_schedule(8 * lower, steps, upper=8.0, contrast=contrast)
    assert scaled.error == pytest.approx(made.error, abs=1e-9)


def test_chen_chow_contrast_is_reached():
    made = chen_chow_schedule(1e-6, 1, contrast=0.1)
    assert evaluate(made.coefficients[0], 1.0) == pytest.approx(0.1, rel=1e-13)


@quick
@given(lowers, st.sampled_from(DEGREES), safeties)
def test_shortest_schedule_is_the_shortest(lower, degree, safety):
    made = shortest_schedule(lower, 1e-2, degree=degree, safety=safety)
    assert made.error <= 1e-2
    if len(made) > 1:
        fewer = minimax_schedule(lower, len(made) - 1, degree=degree, safety=safety)
        assert fewer.error > 1e-2


def test_shortest_schedule_finishes_with_newton_schulz_where_safety_stalls():
    stalled = minimax_schedule(1e-3, 20, degree=3)
    assert stalled.error == pytest.approx(1.7e-8, rel=0.05)
    made = shortest_schedule(1e-3, 1e-14, degree=3)
    assert made.error <= 1e-14
    assert made.coefficients[-1] == (1.5, -0.5)
    assert len(made) == 12


def test_shortest_schedule_gives_up():
    with pytest.raises(
        ValueError, match=r"error = 0.1 was not reached .* it is \S+ after 200 steps"
    ):
        shortest_schedule(1e-300, 0.1, degree=3)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: minimax_schedule(0.0, 3), ValueError, "0 < lower <= upper"),
        (lambda: minimax_schedule(0.1, 0), ValueError, "steps must be at least 1, got 0"),
        (lambda: minimax_schedule(0.1, 2.0), TypeError, "steps must be an integer, got 2.0"),
        (lambda: minimax_schedule(0.1), TypeError, "steps must be given, unless degree is a"),
        (lambda: minimax_schedule(0.1, 2, degree=4), ValueError, "degree must be one of"),
        (lambda: minimax_schedule(0.1, 2, degree=(3,)), ValueError, "each of the 2 steps, got 1"),
        (lambda: minimax_schedule(0.1, degree=()), ValueError, "not be an empty sequence"),
        (lambda: minimax_schedule(0.1, degree=(3, "5")), TypeError, "degree must be an integer"),
        (lambda: minimax_schedule(0.1, 2, degree=5.0), TypeError, "integer or a sequence"),
        (lambda: minimax_schedule(0.1, 2, safety=-0.1), ValueError, r"safety must be in \[0, 1\)"),
        (lambda: minimax_schedule(0.1, 2, safety="1"), TypeError, "safety must be a real number"),
        (lambda: minimax_schedule(0.1, 2, cushion=1.0), ValueError, r"None or in \[0, 1\), got"),
        (lambda: minimax_schedule(0.1, 2, cushion="x"), TypeError, "cushion must be None or a"),
        (lambda: chen_chow_schedule(0.1, 2, contrast=1), ValueError, r"contrast must be in \[0"),
        (lambda: chen_chow_schedule(0.1, 2, contrast=""), TypeError, "contrast must be a real"),
        (lambda: shortest_schedule(0.1, 0.0), ValueError, "error must be at least 5e-15, got 0.0"),
        (lambda: shortest_schedule(0.1, None), TypeError, "error must be a real number"),
        (lambda: shortest_schedule(0.1, 0.1, degree=(3,)), TypeError, "degree must be an integer"),
        (
            lambda: schedule("muon"),
            ValueError,
            "schedule must be one of 'polar-express', .*, got 'muon'",
        ),
        (lambda: schedule(5), TypeError, "schedule must be one of .*, got 5"),
        (lambda: schedule(["a"]), TypeError, r"schedule must be one of .*, got \['a'\]"),
        (lambda: schedule("you").take(0), ValueError, "steps must be at least 1, got 0"),
        (lambda: schedule("you").take(True), TypeError, "steps must be an integer, got True"),
        (lambda: schedule("you").error_on(1, 0.5), ValueError, "0 < lower <= upper"),
        (lambda: Schedule(()), ValueError, "non-empty sequence of rows of numbers"),
        (lambda: Schedule(1.5), TypeError, "non-empty sequence of rows of numbers, got 1.5"),
        (lambda: Schedule((1.5, -0.5)), TypeError, "got the row 1.5"),
        (lambda: Schedule(((1.5, "a"),)), TypeError, "got the row"),
        (lambda: Schedule(((1.5,),)), ValueError, "2 to 7 entries .degree 3 to 13., got 1"),
        (lambda: Schedule(((1.5, float("nan")),)), ValueError, "coefficients must be finite"),
        (lambda: Schedule(((1.5, -0.5),), lower=2.0), ValueError, "0 < lower <= upper"),
        (lambda: Schedule(((1.5, -0.5),), after="stop"), ValueError, "after must be one of"),
        (
            lambda: Schedule(((1.5, -0.5),), normalization="none"),
            ValueError,
            "normalization must be one of .*, got 'none'",
        ),
        (lambda: Schedule(((1.5, -0.5),), safety=2), ValueError, r"safety must be in \[0, 1\)"),
    ],
)
def test_wrong_arguments(call, kind, message):
    with pytest.raises(kind, match=message):
        call()
