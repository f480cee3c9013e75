"""Claims: every statistic, holding and failing, and no way to pass by accident."""

import math

import pytest

from paper_repro import claims, papers

HEAD = """
[paper]
title = "T"
authors = "A"
year = 2026

[[figure]]
id = "f"
study = "s"
title = "F"
"""
CLAIM = """
[[claim]]
id = "c"
figure = "f"
text = "It holds."
where = "Section 1"
"""

NAN = math.nan
# Two methods on three sizes: iterations grow like n and like sqrt(n).
RECORDS = [
    {"method": "slow", "n": 16, "nit": 32, "error": 1e-3, "status": "CONVERGED", "ok": True},
    {"method": "slow", "n": 64, "nit": 128, "error": 1e-5, "status": "CONVERGED", "ok": True},
    {"method": "slow", "n": 256, "nit": 512, "error": 1e-7, "status": "MAXITER", "ok": False},
    {"method": "fast", "n": 16, "nit": 8, "error": 1e-6, "status": "CONVERGED", "ok": True},
    {"method": "fast", "n": 64, "nit": 16, "error": 1e-8, "status": "CONVERGED", "ok": True},
    {"method": "fast", "n": 256, "nit": 32, "error": 1e-4, "status": "CONVERGED", "ok": True},
    {"method": "broken", "n": 16, "nit": 1, "error": NAN, "status": "BREAKDOWN", "ok": False},
    {"method": "broken", "n": 64, "nit": 0, "error": math.inf, "status": "BREAKDOWN", "ok": False},
]


def load(tmp_path, claim="", head=HEAD, name="p"):
    folder = tmp_path / "paper_repro"
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / "paper.toml").write_text(head + claim)
    return papers.load(name, ["s", "other"], ["s", "d"], folder)


def outcome(tmp_path, text, level="quick", backend="numpy", records=RECORDS):
    paper = load(tmp_path, CLAIM + text)
    return claims.check(paper.claims[0], records, level, backend)


SLOW = 'select = {method = "slow"}\n'
FAST = 'select = {method = "fast"}\n'
BROKEN = 'select = {method = "broken"}\n'
RATIO = 'statistic="ratio"\nfield="nit"\nover={method="slow"}\nunder={method="fast"}\n'


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (SLOW + 'statistic="min"\nfield="nit"\nequals=32', "PASSED"),
        (SLOW + 'statistic="min"\nfield="nit"\nequals=33', "FAILED"),
        (SLOW + 'statistic="max"\nfield="nit"\nat_most=512', "PASSED"),
        (SLOW + 'statistic="max"\nfield="nit"\nat_most=511', "FAILED"),
        (SLOW + 'statistic="max"\nfield="nit"\nat_most=500\nrel=0.03', "PASSED"),
        (SLOW + 'statistic="max"\nfield="nit"\nat_most=500\nrel=0.02', "FAILED"),
        (SLOW + 'statistic="max"\nfield="nit"\nat_least=513\nabs=1', "PASSED"),
        (SLOW + 'statistic="max"\nfield="nit"\nat_least=514\nabs=1', "FAILED"),
        (SLOW + 'statistic="mean"\nfield="nit"\nequals=224.0\nrel=1e-12', "PASSED"),
        (SLOW + 'statistic="mean"\nfield="nit"\nequals=225.0\nrel=1e-3', "FAILED"),
        (SLOW + 'statistic="mean"\nfield="ok"\nequals=0.667\nabs=0.001', "PASSED"),
        (SLOW + 'statistic="median"\nfield="nit"\nequals=128', "PASSED"),
        (SLOW + 'statistic="median"\nfield="nit"\nat_most=127', "FAILED"),
        ('select={method="slow", n=64}\nstatistic="value"\nfield="nit"\nequals=128', "PASSED"),
        ('select={method="slow", n=64}\nstatistic="value"\nfield="nit"\nequals=127', "FAILED"),
        (FAST + 'statistic="value"\nfield="status"\nequals="CONVERGED"', "PASSED"),
        (BROKEN + 'statistic="value"\nfield="status"\nequals="CONVERGED"', "FAILED"),
        (FAST + 'statistic="value"\nfield="ok"\nequals=true', "PASSED"),
        (FAST + 'statistic="value"\nfield="ok"\nequals=1', "ERROR"),  # true is no number
        (SLOW + 'statistic="value"\nfield="nit"\nequals=32', "ERROR"),  # several values
        (SLOW + 'statistic="value"\nfield="status"\nequals="CONVERGED"', "ERROR"),
        ('select={n={min=64}}\nstatistic="count"\nequals=5', "PASSED"),
        ('select={n={above=64}}\nstatistic="count"\nequals=5', "FAILED"),
        ('select={n={above=64}}\nstatistic="count"\nequals=2', "PASSED"),
        ('select={n={max=64}}\nstatistic="count"\nequals=6', "PASSED"),
        ('select={n={below=64}}\nstatistic="count"\nequals=3', "PASSED"),
        ('select={method={not="slow"}}\nstatistic="count"\nequals=5', "PASSED"),
        ('select={method=["slow","fast"],n=[16,64]}\nstatistic="count"\nequals=4', "PASSED"),
        ('statistic="fraction"\nfield="ok"\ncondition=true\nequals=0.625\nabs=1e-9', "PASSED"),
        ('statistic="fraction"\nfield="ok"\ncondition=true\nat_least=0.7', "FAILED"),
        ('statistic="fraction"\nfield="error"\ncondition={below=1e-4}\nat_least=0.5', "PASSED"),
        ('statistic="fraction"\nfield="error"\ncondition={below=1e-4}\nat_least=0.6', "FAILED"),
        (RATIO + "equals=8", "PASSED"),
        (RATIO + "equals=9", "FAILED"),
        (RATIO + 'reduce="max"\nequals=16', "PASSED"),
        (RATIO + 'reduce="min"\npair_by=["n"]\nequals=4', "PASSED"),
        (RATIO + 'reduce="max"\npair_by=["n"]\nat_most=15', "FAILED"),
        (RATIO + 'reduce="max"\npair_by=["m"]\nat_most=15', "ERROR"),  # no such field
        (RATIO + 'reduce="max"\npair_by=["ok"]\nat_most=99', "ERROR"),  # two of a kind
        (RATIO.replace("fast", "broken") + 'pair_by=["n"]\nat_most=99', "ERROR"),  # no partner
        (RATIO.replace("slow", "broken") + 'pair_by=["n"]\nat_most=99', "ERROR"),
        (RATIO.replace('"slow"', '"slow", n=16') + 'pair_by=["status"]\nat_most=99', "ERROR"),
        (RATIO.replace("fast", "broken") + 'reduce="min"\nat_most=99', "ERROR"),  # zero below
        (RATIO.replace("fast", "fat") + "at_most=99", "ERROR"),
        (SLOW + 'statistic="slope"\nfield="nit"\nagainst="n"\nequals=1.0\nabs=0.01', "PASSED"),
        (FAST + 'statistic="slope"\nfield="nit"\nagainst="n"\nequals=0.5\nabs=0.01', "PASSED"),
        (FAST + 'statistic="slope"\nfield="nit"\nagainst="n"\nat_least=0.6', "FAILED"),
        (BROKEN + 'statistic="slope"\nfield="nit"\nagainst="n"\nat_most=9', "ERROR"),  # log 0
        ('select={n=16}\nstatistic="slope"\nfield="nit"\nagainst="n"\nat_most=9', "ERROR"),
        (SLOW + 'statistic="first"\nfield="error"\nagainst="n"\ncondition={max=1e-5}\nequals=64',
         "PASSED"),
        (SLOW + 'statistic="first"\nfield="error"\nagainst="n"\ncondition={max=1e-5}\nequals=16',
         "FAILED"),
        (SLOW + 'statistic="first"\nfield="error"\nagainst="n"\ncondition={max=0}\nat_least=1',
         "FAILED"),  # never
        (FAST + 'statistic="at_min"\nfield="error"\nagainst="n"\nequals=64', "PASSED"),
        (FAST + 'statistic="at_max"\nfield="error"\nagainst="n"\nequals=256', "PASSED"),
        (FAST + 'statistic="at_max"\nfield="error"\nagainst="n"\nequals=64', "FAILED"),
        # NaN meets nothing, infinity only what it should.
        (BROKEN + 'statistic="min"\nfield="error"\nat_most=1e300', "FAILED"),
        ('select={n=16}\nstatistic="min"\nfield="error"\nat_most=1', "FAILED"),
        (BROKEN + 'statistic="min"\nfield="error"\nat_least=-1e300', "FAILED"),
        (BROKEN + 'statistic="max"\nfield="error"\nequals=0\nabs=1e300', "FAILED"),
        (BROKEN + 'statistic="median"\nfield="error"\nat_most=1e300', "FAILED"),
        (BROKEN + 'statistic="at_min"\nfield="error"\nagainst="n"\nat_most=1e9', "FAILED"),
        (BROKEN + 'statistic="slope"\nfield="error"\nagainst="n"\nat_most=9', "FAILED"),
        ('select={n=64}\nstatistic="max"\nfield="error"\nequals=inf\nabs=0', "PASSED"),
        ('select={n=64}\nstatistic="max"\nfield="error"\nequals=-inf\nabs=0', "FAILED"),
        ('select={n=64}\nstatistic="max"\nfield="error"\nat_most=1e300', "FAILED"),
        ('select={n=16}\nstatistic="max"\nfield="nit"\nequals=inf\nrel=0.1', "FAILED"),
        # Selections that match nothing, fields that do not exist.
        ('select={method="fats"}\nstatistic="count"\nequals=0', "ERROR"),
        ('select={method=["fast","slwo"]}\nstatistic="max"\nfield="nit"\nat_most=99', "ERROR"),
        ('select={methd="fast"}\nstatistic="max"\nfield="nit"\nat_most=99', "ERROR"),
        ('select={n={above=256}}\nstatistic="count"\nequals=0', "ERROR"),
        ('select={method="broken",n=256}\nstatistic="max"\nfield="nit"\nat_most=1', "ERROR"),
        ('select={ok=1}\nstatistic="count"\nat_least=0', "ERROR"),  # true is not 1
        ('select={status={min=1}}\nstatistic="count"\nat_least=0', "ERROR"),  # text has no order
        ('statistic="max"\nfield="nti"\nat_most=1e9', "ERROR"),
        ('statistic="max"\nfield="status"\nat_most=1e9', "ERROR"),
        ('statistic="first"\nfield="error"\nagainst="m"\ncondition={max=1}\nat_most=1', "ERROR"),
    ],
)  # fmt: skip
def test_statistic(tmp_path, text, status):
    found = outcome(tmp_path, text)
    assert found.status == status, found.detail
    assert found.detail


def test_detail_says_what_was_found_and_expected(tmp_path):
    found = outcome(tmp_path, SLOW + 'statistic="max"\nfield="nit"\nat_most=500\nrel=0.1')
    assert found.detail == "max nit = 512, at most 500 +- 50"
    found = outcome(tmp_path, 'select={method="fats"}\nstatistic="count"\nequals=0')
    assert found.detail == "no record has method = 'fats'; it has 'broken', 'fast', 'slow'"
    found = outcome(tmp_path, 'select={methd="fast"}\nstatistic="count"\nequals=0')
    assert found.detail.startswith("no record has a field 'methd'; fields: error, method, n")


@pytest.mark.parametrize(
    ("text", "level", "backend", "reason"),
    [
        ('level="full"\n', "quick", "numpy", "needs the records of a full run (--full)"),
        ('level="quick only"\n', "full", "numpy", "is about the quick parameters only"),
        ('backend="cupy"\n', "quick", "numpy", "needs --backend cupy, these records "
         "are from numpy"),
        ('cannot_check="no public data"\n', "full", "numpy", "no public data"),
    ],
)  # fmt: skip
def test_not_checked(tmp_path, text, level, backend, reason):
    wrong = 'statistic="count"\nequals=99'
    found = outcome(tmp_path, text + wrong, level, backend)
    assert (found.status, found.detail) == ("NOT CHECKED", reason)
    assert not found.is_wrong


@pytest.mark.parametrize(
    ("text", "level", "backend"),
    [('level="full"\n', "full", "numpy"), ('level="quick"\n', "full", "numpy"),
     ('level="quick only"\n', "quick", "numpy"), ('backend="cupy"\n', "quick", "cupy")],
)  # fmt: skip
def test_checked_where_it_can_be(tmp_path, text, level, backend):
    assert (
        outcome(tmp_path, text + 'statistic="count"\nequals=9', level, backend).status == "FAILED"
    )
    assert (
        outcome(tmp_path, text + 'statistic="count"\nequals=8', level, backend).status == "PASSED"
    )


def test_claim_in_words_alone(tmp_path):
    found = outcome(tmp_path, 'cannot_check = "needs eight GPUs"')
    assert found.status == "NOT CHECKED"


def test_table_counts(tmp_path):
    text = 'statistic="count"\nequals=8\n'
    found = [outcome(tmp_path, text), outcome(tmp_path, 'level="full"\n' + text)]
    lines = claims.table(found).splitlines()
    assert lines[0] == "p"
    assert lines[1] == "  PASSED         c  count = 8, expected 8  (Section 1)"
    assert lines[-1] == "1 passed, 1 not checked"
    assert claims.table([]) == "no claims"


GOOD = 'statistic="count"\nequals=1\n'


@pytest.mark.parametrize(
    ("head", "claim", "message"),
    [
        (HEAD + "tolerance=1\n", "", "figure 'f': unknown key 'tolerance'; known keys: id, study"),
        (HEAD.replace("year", "yaer"), "", "[paper]: unknown key 'yaer'"),
        (HEAD.replace("year = 2026", ""), "", "[paper]: the key 'year' is missing"),
        (HEAD.replace("2026", '"2026"'), "", "[paper]: year must be of type int, got '2026'"),
        (HEAD.replace('"s"', '"z"'), "", "figure 'f': study = 'z' does not exist; known: other, s"),
        (HEAD + 'drawing="z"', "", "figure 'f': drawing = 'z' does not exist; known: d, s"),
        (HEAD.replace('"s"', '"other"'), "", "figure 'f': drawing = 'other' does not exist"),
        (HEAD.replace('"f"', '"a/b"'), "", "id must be made of letters"),
        (HEAD + HEAD[HEAD.index("[[") :], "", "figure 'f' is there twice"),
        (HEAD + "select={n={minimum=1}}", "", "figure 'f': select.n: a range has the keys min"),
        (HEAD[: HEAD.index("[[")], "", "at least one [[figure]]"),
        (HEAD + "[settings]\n", "", "unknown section 'settings'; known: [paper], [[figure]]"),
        (HEAD.replace("[[figure]]", "[figure]"), "", "'figure' must be written as [[figure]]"),
        ("[paper\n", "", "not valid TOML"),
        (HEAD, CLAIM, "claim 'c': the key 'statistic' is missing (or 'cannot_check')"),
        (HEAD, CLAIM + 'statistic="count"', "exactly one of equals, at_most, at_least"),
        (HEAD, CLAIM + GOOD + "at_most=2", "exactly one of equals, at_most, at_least"),
        (HEAD, CLAIM + 'statistic="mode"\nequals=1', "unknown statistic 'mode'; known: min, max"),
        (HEAD, CLAIM + 'statistic="max"\nequals=1', "the statistic 'max' needs the key 'field'"),
        (HEAD, CLAIM + GOOD + 'against="n"', "'count' has no use for the key 'against'"),
        (HEAD, CLAIM + GOOD + 'level="slow"', "level must be one of quick, quick only, full"),
        (HEAD, CLAIM + GOOD + "tol=1", "claim 'c': unknown key 'tol'; known keys: id, figure"),
        (HEAD, CLAIM + GOOD + "rel=-1", "rel must be finite and not negative, got -1"),
        (HEAD, CLAIM + GOOD + "rel=inf", "rel must be finite and not negative, got inf"),
        (HEAD, CLAIM + GOOD + "abs=nan", "abs must be finite and not negative, got nan"),
        (HEAD, CLAIM + 'statistic="count"\nat_most=nan', "at_most = nan is met by nothing"),
        (HEAD, CLAIM + GOOD + "rel=true", "rel must be of type int or float, got True"),
        (HEAD, CLAIM + 'statistic="count"\nequals=1.5', "a decimal number needs a tolerance"),
        (HEAD, CLAIM + 'statistic="value"\nfield="x"\nequals="a"\nrel=1', "for a number only"),
        (HEAD, CLAIM + GOOD + "select={n=[]}", "select.n: a list holds at least one plain value"),
        (HEAD, CLAIM + GOOD + 'select={n={min="a"}}', "select.n: min must be a number, got 'a'"),
        (HEAD, CLAIM.replace('"f"', '"g"') + GOOD, "figure = 'g' is not a figure of this paper"),
        (HEAD, CLAIM.replace('where = "Section 1"', "") + GOOD, "the key 'where' is missing"),
        (HEAD, CLAIM + GOOD + CLAIM + GOOD, "claim 'c' is there twice"),
        (HEAD, CLAIM + 'cannot_check="x"\nequals=1', "the key 'statistic' is missing"),
        (HEAD, CLAIM + RATIO + 'reduce="mode"\nequals=1', "reduce must be one of min, max"),
    ],
)
def test_mistakes_in_paper_toml(tmp_path, head, claim, message):
    with pytest.raises(papers.PaperError) as caught:
        load(tmp_path, claim, head)
    assert str(caught.value).startswith("paper_repro/p/paper.toml: ")
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["all", "studies"])
def test_reserved_names(tmp_path, name):
    with pytest.raises(papers.PaperError, match="cannot be called"):
        load(tmp_path, name=name)


def test_figure_defaults(tmp_path):
    figure = load(tmp_path).figures[0]
    assert (figure.drawing, figure.select, figure.paper_figure) == ("s", {}, None)


@pytest.mark.parametrize(("bound", "status"), [(0.5, claims.KNOWN), (2, claims.ERROR)])
def test_known_deviation_stays_visible_and_must_be_true(tmp_path, bound, status):
    text = CLAIM + f'statistic = "max"\nfield = "ok"\nat_most = {bound}\ndeviates = "By half."\n'
    claim = load(tmp_path, text).claims[0]
    records = [{"ok": 1.0}]
    outcome = claims.check(claim, records, "quick", "numpy")
    assert outcome.status == status
    assert outcome.is_wrong == (status == claims.ERROR)
    assert ("By half." in outcome.detail) == (status == claims.KNOWN)
    assert status.lower() in claims.table([outcome])
