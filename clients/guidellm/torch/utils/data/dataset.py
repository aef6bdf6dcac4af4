from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class IterableDataset(Generic[T]):
    pass
