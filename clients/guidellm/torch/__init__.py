"""Stands in for PyTorch, of which guidellm uses the data loader alone: several gigabytes less to install.

The modules hold what guidellm/data/loaders/torch.py (0.8.1) imports; items come in their order, in the calling process.
"""

from __future__ import annotations

from . import utils

__all__ = ["Generator", "utils"]


class Generator:
    """Takes a seed; nothing is shuffled."""

    def manual_seed(self, seed: int) -> Generator:
        self.seed = seed
        return self
