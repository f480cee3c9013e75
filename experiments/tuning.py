"""A search over hyper-parameters with a budget: one at a time, as long as that helps."""


class CoordinateDescent:
    """Move one hyper-parameter by one place of its grid while that lowers the loss.

    Both neighbours of each hyper-parameter are tried in turn, and a step that helps is repeated.
    The search ends where no single step helps, or when the budget is spent. It depends on nothing
    but the losses told, so that one which was interrupted is repeated by telling them again.

    Parameters
    ----------
    grids : dict
        Name to the values it may take, in order.
    start : dict
        Name to the value to start from.
    budget : int
        Runs that may be made.
    enough : float
        What counts as a gain: this share of the loss of the best settings.

    Attributes
    ----------
    best, loss
        The settings where the search stands, and their loss. No run told was better by more than
        ``enough``: smaller gains are noise, and move nothing, in the last run neither.

    Raises
    ------
    ValueError
        If ``start`` and ``grids`` name different hyper-parameters, if a value is not on its grid,
        or if the budget allows no run.
    """

    def __init__(self, grids, start, budget, *, enough=1e-3):
        if start.keys() != grids.keys():
            raise ValueError(
                f"start must name a value for each of {sorted(grids)}, got {sorted(start)}"
            )
        if budget < 1:
            raise ValueError(f"budget must be at least 1, got {budget}")
        for name, value in start.items():
            if value not in grids[name]:
                raise ValueError(f"start: {name}={value} is not on its grid {grids[name]}")
        self.grids, self.budget, self.enough = grids, budget, enough
        self.best, self.loss, self._told = dict(start), float("inf"), {}
        self._walk = self._steps()
        self._next = next(self._walk)

    def ask(self):
        """Return the settings to try next, None if the search has ended."""
        return None if self._next is None else dict(self._next)

    def tell(self, loss):
        """Take in the loss of the settings asked for; NaN is worse than everything."""
        loss = float("inf") if loss != loss else float(loss)
        if self._next is None:
            raise ValueError("the search has ended")
        self._told[_key(self._next)] = loss
        proposed = self._walk.send(loss)
        self._next = proposed if len(self._told) < self.budget else None

    def at_an_end(self):
        """Return the hyper-parameters whose best value is the first or last of its grid."""
        ends = {name: (grid[0], grid[-1]) for name, grid in self.grids.items() if len(grid) > 2}
        return [name for name, values in ends.items() if self.best[name] in values]

    def _steps(self):
        self.loss = yield self.best
        moved = True
        while moved:
            moved = False
            for name in self.grids:
                for direction in (1, -1):
                    while (candidate := self._neighbour(name, direction)) is not None:
                        loss = yield candidate
                        gain = self.enough * abs(self.loss) if self.loss < float("inf") else 0.0
                        if not loss < self.loss - gain:
                            break
                        self.best, self.loss, moved = candidate, loss, True
        yield None

    def _neighbour(self, name, direction):
        """Return the best settings with one value moved; None off the grid or if tried before."""
        grid = self.grids[name]
        place = grid.index(self.best[name]) + direction
        if not 0 <= place < len(grid):
            return None
        candidate = {**self.best, name: grid[place]}
        return None if _key(candidate) in self._told else candidate


def _key(settings):
    return tuple(sorted(settings.items()))
