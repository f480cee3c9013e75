"""Rules that choose the next block: by chance, in turn, or greedily by the gradient."""

from dataclasses import dataclass

import numpy as np

from linalg_ml.relaxation.block_partitions import grow_forest
from linalg_ml.relaxation.block_quadratic import newton_step

BLIND = ("cyclic", "shuffled", "random", "lipschitz")
GREEDY = ("gs", "gsl", "gsd", "gsd-gershgorin", "gsq")
RULES = BLIND + GREEDY
_THRESHOLDING_STEPS = 10


@dataclass(frozen=True)
class Block:
    """Indices of coordinates; ``key`` numbers a block that comes again, None one that may not."""

    index: np.ndarray
    key: int | None = None


class BlindOrder:
    """Which of ``count`` things comes next under a rule that looks at no gradient."""

    def __init__(self, rule, weights, rng):
        self.rule, self.rng, self.count = rule, rng, len(weights)
        total = weights.sum()
        usable = np.isfinite(total) and total > 0
        self._weights = weights / total if usable else None
        self._left = np.empty(0, np.int64)

    def take(self, many):
        """Return the next ``many``."""
        if self.rule == "random":
            return self.rng.integers(self.count, size=many)
        if self.rule == "lipschitz":
            return self.rng.choice(self.count, many, p=self._weights)
        parts, have = [self._left], self._left.size
        while have < many:
            fresh = np.arange(self.count)
            parts.append(self.rng.permutation(fresh) if self.rule == "shuffled" else fresh)
            have += self.count
        line = np.concatenate(parts)
        self._left = line[many:]
        return line[:many]

    def sample(self, size):
        """Return ``size`` different ones."""
        if self.rule == "random":
            return self.rng.choice(self.count, size, replace=False, shuffle=False)
        if self.rule == "lipschitz":
            weights = self._weights
            if weights is None or np.count_nonzero(weights) < size:
                return self.rng.permutation(self.count)[:size]
            return self.rng.choice(self.count, size, replace=False, p=weights)
        return np.unique(self.take(size))  # where a pass ends inside the block, fewer


class FixedBlocks:
    """Choose among the blocks of a partition."""

    def __init__(self, rule, norm, partition, problem):
        self.rule, self.norm = rule, norm
        self.blocks = [Block(index, key) for key, index in enumerate(partition)]
        self._line = np.concatenate([np.empty(0, np.int64), *partition])
        self._starts = np.cumsum([0, *[len(index) for index in partition]])[:-1]
        self._order = self._weights = None
        self._models = None
        loss, curvature = problem.loss, problem.curvature
        if rule in BLIND:
            constants = np.ones(len(partition))
            if rule == "lipschitz":
                constants = np.array([problem.block_constant(block) for block in self.blocks])
            self._order = BlindOrder(rule, constants, problem.rng)
        elif rule == "gsl":
            constants = [problem.block_constant(block) for block in self.blocks]
            sizes = [block.index.size for block in self.blocks]
            self._weights = 1 / np.sqrt(np.repeat(constants, sizes))[np.argsort(self._line)]
        elif rule == "gsd":
            sizes = np.repeat([block.index.size for block in self.blocks],
                              [block.index.size for block in self.blocks])  # fmt: skip
            self._weights = 1 / np.sqrt(sizes[np.argsort(self._line)] * curvature)
        elif rule == "gsd-gershgorin":
            sums = np.empty(loss.size, curvature.dtype)
            for block in self.blocks:
                sums[block.index] = np.abs(problem.block_matrix(block)).sum(axis=1)
            self._weights = 1 / np.sqrt(np.where(sums > 0, sums, 1))
        elif rule == "gsq":
            self._models = self._inverses(problem) if problem.part.trivial else ()
        else:
            self._weights = np.ones(loss.size, curvature.dtype)

    def _inverses(self, problem):
        """Return the indices and the pseudo-inverses of all blocks, filled up with zeros."""
        widest = max(block.index.size for block in self.blocks)
        index = np.zeros((len(self.blocks), widest), np.int64)
        inverses = np.zeros((len(self.blocks), widest, widest), problem.curvature.dtype)
        for k, block in enumerate(self.blocks):
            size = block.index.size
            index[k, :size] = block.index
            inverses[k, :size, :size] = np.linalg.pinv(problem.block_matrix(block), hermitian=True)
        return index, inverses

    def choose(self, problem, point):
        """Return the next block."""
        if self._order is not None:
            return self.blocks[int(self._order.take(1)[0])]
        pull = problem.pull(point)
        if self._models:
            index, inverses = self._models
            local = pull[index]
            scores = np.einsum("bi,bij,bj->b", local, inverses, local)
        elif self._models is not None:
            scores = np.add.reduceat(problem.gains(point)[self._line], self._starts)
        else:
            weighted = np.abs(pull * self._weights)
            weighted = weighted if self.norm == 1 else weighted * weighted
            scores = np.add.reduceat(weighted[self._line], self._starts)
        return self.blocks[int(np.argmax(scores))]


class VariableBlocks:
    """Choose any ``size`` coordinates."""

    def __init__(self, rule, size, problem):
        self.rule, self.size = rule, size
        self._order = None
        curvature = problem.curvature
        if rule in BLIND:
            weights = problem.loss.lipschitz if rule == "lipschitz" else np.ones(problem.loss.size)
            self._order = BlindOrder(rule, weights, problem.rng)
        elif rule == "gsd-gershgorin":
            sums = problem.loss.gershgorin
            self._weights = 1 / np.sqrt(np.where(sums > 0, sums, 1))
        elif rule in ("gsl", "gsd"):
            self._weights = 1 / np.sqrt(curvature)
        elif rule == "gs":
            self._weights = np.ones_like(curvature)
        elif problem.part.trivial and size > 1:
            self._largest = problem.largest_curvature()

    def choose(self, problem, point):
        """Return the next block."""
        if self._order is not None:
            return Block(np.sort(self._order.sample(self.size)))
        if self.rule == "gsq" and problem.part.trivial and self.size > 1:
            return Block(self._hard_thresholding(problem, point))
        if self.rule == "gsq":
            scores = problem.gains(point)
        else:
            scores = np.abs(problem.pull(point) * self._weights)
        if not problem.part.trivial:
            # Free coordinates that just had their turn score nothing, as those at a bound do. The
            # block must hold all the free ones for a Newton step to finish.
            bonus = np.finfo(scores.dtype).eps * scores.max()
            scores = scores + bonus * problem.part.free(point.x)
        return Block(_largest(scores, self.size))

    def _hard_thresholding(self, problem, point):
        """Return the support of a sparse step that lowers the quadratic bound the most.

        Iterative hard thresholding on g^T d + d^T H d / 2 in the variables sqrt(L_i) d_i, in which
        H has a unit diagonal, started from the steps of the single coordinates. Their best ones
        are taken instead where they promise more.
        """
        g = problem.loss.gradient(point)
        scale = np.sqrt(problem.curvature)
        slope = g / scale
        single = _largest(np.abs(slope), self.size)
        u, kept = np.zeros_like(g), single
        u[kept] = -slope[kept]
        for _ in range(_THRESHOLDING_STEPS):
            moved = u - (slope + problem.apply_bound(u / scale) / scale) / self._largest
            kept = _largest(np.abs(moved), self.size)
            after = np.zeros_like(u)
            after[kept] = moved[kept]
            change = np.linalg.norm(after - u)
            u = after
            if change <= 1e-10 * np.linalg.norm(u):
                break
        if np.array_equal(kept, single):
            return kept
        return max(kept, single, key=lambda index: self._promise(problem, g, index))

    @staticmethod
    def _promise(problem, g, index):
        """Return g_b^T H_b^+ g_b."""
        block = Block(index)
        return -float(g[index] @ newton_step(problem.block_matrix(block), g[index]))


class ForestBlocks:
    """Grow a forest in the graph of a quadratic from the coordinates the rule wants most."""

    def __init__(self, rule, problem):
        self.rule = rule
        self._weights = np.ones_like(problem.curvature)
        if rule == "gsl":
            self._weights = 1 / np.sqrt(problem.curvature)

    def choose(self, problem, point):
        """Return the next block."""
        if self.rule == "random":
            order = problem.rng.permutation(problem.loss.size)
        else:
            pull = np.abs(problem.pull(point)) * self._weights
            order = np.argsort(-pull, kind="stable")
        return Block(grow_forest(problem.graph, order))


def _largest(scores, size):
    """Return the places of the largest scores, in increasing order."""
    if size == 1:
        return np.array([int(np.argmax(scores))])
    if size >= scores.size:
        return np.arange(scores.size)
    return np.sort(np.argpartition(-scores, size - 1)[:size])
