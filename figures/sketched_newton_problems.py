"""Performance profiles: Newton steps, evaluations and KKT residuals over a collection."""

from figures.newton_style import look
from figures.style import PAGE, groups, new_figure

CAPTION = (
    "Equality-constrained problems solved to a KKT residual of 1e-6 with exact derivatives: the "
    "part of the problems that a solver solves within so many times the steps of the best, "
    "evaluations, or time. Steps of SciPy's solvers are their iterations; evaluations are those "
    "of f with c, of both gradients and of the Hessian, each counted as one (SLSQP uses no "
    "Hessian). Lower right: the part whose KKT residual ends below a threshold; all stop at 1e-6. "
    "Higher is better. Only problems that every solver was given count. Lines of different inner "
    "solvers often lie on each other: these do not change the steps. On problems this small the "
    "time is that of Python."
)
MOST = 20.0


def draw(records):
    """Draw the three profiles."""
    figure, axes = new_figure(PAGE, 5.6, rows=2, columns=2)
    solvers = groups(records, "solver")
    common = set.intersection(*({r["problem"] for r in rows} for rows in solvers.values()))
    records = [r for r in records if r["problem"] in common]
    solvers = groups(records, "solver")
    for axis, field, title, least in (
        (axes[0, 0], "steps", "steps", 1),
        (axes[0, 1], "evaluations", "evaluations", 1),
        (axes[1, 0], "seconds", "time", 0),
    ):
        best = {
            problem: min((r[field] for r in rows if r["solved"]), default=None)
            for problem, rows in groups(records, "problem").items()
        }
        for solver, rows in solvers.items():
            ratios = sorted(
                max(r[field], least) / max(best[r["problem"]], least) for r in rows if r["solved"]
            )
            _staircase(axis, ratios, len(rows), MOST, solver)
        axis.set(xscale="log", xlim=(1, MOST), xlabel="times the best", title=title)
        axis.set_xticks([1, 2, 5, 10, 20], ["1", "2", "5", "10", "20"])
        axis.minorticks_off()
    for solver, rows in solvers.items():
        finals = sorted(max(r["kkt"], 1e-16) if r["kkt"] == r["kkt"] else 1e9 for r in rows)
        _staircase(axes[1, 1], finals, len(rows), 10.0, solver, 1e-16)
    axes[1, 1].set(xscale="log", xlim=(1e-16, 10), xlabel="KKT residual", title="accuracy")
    axes[1, 1].axvline(1e-6, color="#777777", linewidth=0.8)
    for axis in axes.flat:
        axis.set_ylim(0, 1.02)
    for axis in axes[:, 0]:
        axis.set_ylabel(f"part of {len(common)} problems")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, handlelength=3.5)
    return figure


def _staircase(axis, values, number, most, solver, least=1.0):
    """Draw the part of the number of values that are at most x."""
    x, y = [least], [0.0]
    for k, value in enumerate(values, 1):
        x += [value, value]
        y += [y[-1], k / number]
    style = look(solver, marker=None)
    axis.plot([*x, most], [*y, y[-1]], **style)
