"""Coordinate descent, the partitions of coordinates it uses, and systems on forests."""

from linalg_ml.relaxation.block_partitions import (
    color_graph,
    grow_forest,
    lattice_trees,
    red_black,
    split_coordinates,
    tree_partition,
)
from linalg_ml.relaxation.coordinate import coordinate_descent
from linalg_ml.relaxation.forests import solve_forest

__all__ = [
    "color_graph",
    "coordinate_descent",
    "grow_forest",
    "lattice_trees",
    "red_black",
    "solve_forest",
    "split_coordinates",
    "tree_partition",
]
