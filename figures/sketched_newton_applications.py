"""KKT residuals along Newton's steps on logistic regression and Poisson control."""

from figures.newton_style import look
from figures.style import PAGE, groups, new_figure

CAPTION = (
    "KKT residual ||(grad_x L, c)|| against Newton steps (iterations of SciPy's trust-constr). "
    "Logistic regression with ten random linear constraints on the unit sphere, and control of "
    "Poisson's equation, which exact solves do in one step. Kaczmarz inner solves, as published, "
    "make up to 100000 row steps for each Newton step and stop at 1e-4. Below 1e-16 residuals "
    "are drawn there."
)
TITLES = {
    "cancer": "breast cancer, n = {n}, m = {m}",
    "digits": "digits, n = {n}, m = {m}",
    "control": "Poisson control, n = {n}, m = {m}",
}
LEAST = 1e-16


def draw(records):
    """Draw a panel for each problem."""
    applications = groups(records, "application")
    columns = min(3, len(applications))
    rows = -(-len(applications) // columns)
    figure, axes = new_figure(PAGE, 2.7 * rows + 0.8, rows=rows, columns=columns)
    seen = {}
    for axis, (name, found) in zip(axes.flat, applications.items(), strict=False):
        for solver, path in groups(found, "solver").items():
            x = [r["step"] for r in path]
            (line,) = axis.plot(x, [max(r["kkt"], LEAST) for r in path], **look(solver))
            seen.setdefault(line.get_label(), line)
        title = TITLES[name.split("-")[0]].format(**found[0])
        axis.set(yscale="log", xlabel="steps", title=title)
        axis.set_xlim(-0.5, min(30.5, max(r["step"] for r in found) + 0.5))
        if all(r["step"] <= 10 for r in found if r["solver"] != "trust-constr"):
            axis.set_xlim(-0.3, 10.3)
        axis.axhline(1e-4, color="#777777", linewidth=0.8)
    for axis in axes.flat[len(applications) :]:
        axis.set_visible(False)
    for axis in axes[:, 0]:
        axis.set_ylabel("KKT residual")
    figure.legend(seen.values(), seen.keys(), loc="outside lower center", ncols=3, handlelength=3.5)
    return figure
