from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from .dataset import IterableDataset

T = TypeVar("T")


class DataLoader(Generic[T]):
    def __init__(
        self, dataset: IterableDataset[T], batch_size: int, shuffle: bool, collate_fn: Callable[[list[T]], Any], **_: Any
    ) -> None:
        if batch_size != 1 or shuffle:
            raise ValueError(f"batch_size {batch_size}, shuffle {shuffle} (expected: 1, False)")
        self.dataset = dataset
        self.collate_fn = collate_fn

    def __iter__(self) -> Iterator[Any]:
        return (self.collate_fn([item]) for item in self.dataset)  # type: ignore[attr-defined]
