"""A search space is a trial config with holes in it.

A hole says what may go there:

    learning_rate: {float: [1.0e-4, 1.0e-1], log: true}
    depth:         {int: [1, 5]}
    batch_size:    [32, 64, 128]
    model:         {choice: [{kind: mlp, ...}, {kind: unet, ...}]}

A hole's name in the database is its path with the chosen kind in it, such as
`model.unet.depth`, so that one name never has two ranges.

    holes     reads and names them
    fill      asks a suggester for each
    params    the way back: from a config to the answers that give it
    enumerate what there is to choose from: parameters, corners, grid cells
"""

from autoencoder_hpo.space.enumerate import (
    MOST_CELLS,
    MOST_CORNERS,
    Parameter,
    architectures,
    cell_count,
    cells,
    corner_count,
    corners,
    every_hole,
    grid_problems,
    inner_points,
    most_at_once,
    parameters,
)
from autoencoder_hpo.space.fill import Filled, FixedSuggester, Suggester, fill
from autoencoder_hpo.space.holes import Path, SpaceError, Tree
from autoencoder_hpo.space.params import UnknownKey, to_params

__all__ = [
    "MOST_CELLS",
    "MOST_CORNERS",
    "Filled",
    "FixedSuggester",
    "Parameter",
    "Path",
    "SpaceError",
    "Suggester",
    "Tree",
    "UnknownKey",
    "architectures",
    "cell_count",
    "cells",
    "corner_count",
    "corners",
    "every_hole",
    "fill",
    "grid_problems",
    "inner_points",
    "most_at_once",
    "parameters",
    "to_params",
]
