from . import dataloader, dataset
from .dataloader import DataLoader
from .dataset import IterableDataset

__all__ = ["DataLoader", "IterableDataset", "dataloader", "dataset", "get_worker_info"]


def get_worker_info() -> None:
    """None: no worker process."""
