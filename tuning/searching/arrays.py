"""A user's arrays as the data of a search: in a file, for trials in processes of their own."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from zoo.common.files import atomic
from zoo.data import ImageData, from_arrays
from zoo.data.arrays import checked
from zoo.data.targets import kind_of


class Arrays:
    """Images and labels in a file of a search's folder.

    Args:
        path: Of the file.
        digest: Of what is in it, by which another search is recognised.
    """

    def __init__(self, path: Path, digest: str) -> None:
        self.path, self.digest = path, digest

    def __str__(self) -> str:
        return f"arrays {self.digest}"

    @classmethod
    def of(cls, pair: Any, folder: Path) -> Arrays:
        """Check a pair (images, labels), as `zoo.data.from_arrays` takes it; nothing is written.

        Args:
            pair: The arrays.
            folder: Of the search.

        Raises:
            ValueError: If it is no such pair.
        """
        images, labels = _arrays(pair)
        digest = hashlib.sha256(np.ascontiguousarray(images).data)
        digest.update(np.ascontiguousarray(labels).data)
        name = digest.hexdigest()[:16]
        return cls(folder / f"data-{name}.npz", name)

    def write(self, pair: Any) -> None:
        """Write the file, unless it is there."""
        if not self.path.exists():
            images, labels = _arrays(pair)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with atomic(self.path) as temporary:
                np.savez(temporary, images=images, labels=labels)

    def __call__(self, **options: Any) -> ImageData:
        """The data set; options as `zoo.data.from_arrays` takes them."""
        with np.load(self.path) as arrays:
            return from_arrays((arrays["images"], arrays["labels"]), **options)


def _arrays(pair: Any) -> tuple[np.ndarray, np.ndarray]:
    images, labels = checked("data", pair)
    _, values = kind_of("data labels", labels)
    return images, values
