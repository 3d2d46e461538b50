"""What every runtime offers."""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from zoo.card import Card

if TYPE_CHECKING:
    import numpy as np

    Infer = Callable[[np.ndarray], Mapping[str, np.ndarray]]  # images -> outputs by name

Precision = Literal["float32", "float16", "int8"]


@dataclass(frozen=True)
class Network:
    """An opened file; call it with a float32 batch to get the outputs by name.

    Attributes:
        shape: Of its input, with the batch axis; None where a size is free.
        infer: Computes the outputs.
    """

    shape: tuple[int | None, ...]
    infer: Infer

    def __call__(self, images: np.ndarray) -> Mapping[str, np.ndarray]:
        """Compute the outputs of a batch, by name."""
        return self.infer(images)


class Runtime(ABC):
    """A format of files, and the package that runs them.

    Attributes:
        name: Of the runtime, such as "onnx".
        suffix: Of its files; "" if they are folders.
        packages: Modules that exporting and running need.
        extra: Of this package, which installs them; "" if this package requires them anyway.
        precisions: Those in which it can be exported.
    """

    name: ClassVar[str]
    suffix: ClassVar[str]
    packages: ClassVar[tuple[str, ...]]
    extra: ClassVar[str] = ""
    precisions: ClassVar[tuple[Precision, ...]] = ("float32",)

    @abstractmethod
    def convert(
        self,
        saved: Path,
        path: Path,
        *,
        outputs: Collection[str],
        precision: Precision = "float32",
        calibration: np.ndarray | None = None,
    ) -> None:
        """Write the file.

        Args:
            saved: What `savedmodel.write` wrote; it may be moved.
            path: Where to write.
            outputs: Names of the outputs.
            precision: Of the weights.
            calibration: Images (N, H, W, C) for int8, else None.
        """

    @abstractmethod
    def open(self, path: Path, threads: int) -> Network:
        """Open a file, to be run on so many CPU threads."""

    @abstractmethod
    def write_card(self, path: Path, card: Card) -> None:
        """Put a card into a file."""

    @abstractmethod
    def read_card(self, path: Path) -> Card | None:
        """Read the card of a file; None if it has none, ValueError if it is damaged."""

    def recognizes(self, path: Path) -> bool:
        """Whether a file that is not empty is one of this format, by its first bytes or parts."""
        return False

    def companions(self, path: Path, size: int) -> tuple[str, ...]:
        """Names of the files that the export of a model with `size` bytes of weights adds."""
        return ()

    def is_companion(self, weights: Path, path: Path) -> bool:
        """Whether the weights in one file belong to the model in the other."""
        return False

    @property
    def missing(self) -> tuple[str, ...]:
        """Modules that are not installed."""
        return tuple(name for name in self.packages if importlib.util.find_spec(name) is None)

    def require(self) -> None:
        """Raise ModuleNotFoundError, with what to install, if a module is missing."""
        if self.missing:
            raise ModuleNotFoundError(
                f"{', '.join(self.missing)} missing: pip install 'keras-modelzoo[{self.extra}]'"
            )


def single_input(inputs: Collection[Any]) -> Any:
    """Return the input of a file; ValueError if it has several."""
    if len(inputs) != 1:
        raise ValueError(f"it has {len(inputs)} inputs instead of one")
    return next(iter(inputs))
