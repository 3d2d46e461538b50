"""What a candidate may cost."""

from __future__ import annotations

import dataclasses
import math
import numbers
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zoo.common.plain import plain_fields
from zoo.graph.profile import human

UNITS = {"parameters": "", "macs": "", "activation_memory": "B", "disk": "B"}
FACTORS = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


@dataclass(frozen=True)
class Budget:
    """Limits; a candidate beyond one of them is skipped, counted, and listed in the report.

    Attributes:
        parameters: Trainable ones.
        macs: Multiply-accumulates for one image.
        activation_memory: Bytes that training keeps for one image, in float32.
        disk: Bytes of the weights.
        latency: Seconds for one image; measured in the trial's process, before it trains.

    Raises:
        ValueError: If a limit is not a number above 0.

    Example:
        >>> Budget(macs=50e6).excess({"macs": 68_000_000})
        'macs 68.0 M, over the budget of 50.0 M'
    """

    parameters: float | None = None
    macs: float | None = None
    activation_memory: float | None = None
    disk: float | None = None
    latency: float | None = None

    def __post_init__(self) -> None:
        plain_fields(self)
        for name, limit in self.limits.items():
            number = isinstance(limit, numbers.Real) and not isinstance(limit, bool)
            if not number or not 0 < limit < math.inf:
                raise ValueError(f"Budget: {name} must be a number above 0. Received: {limit!r}")

    @classmethod
    def of(cls, limits: Budget | Mapping[str, Any] | None) -> Budget:
        """A budget from one, from its limits as numbers or text, or from None: no limits.

        Raises:
            TypeError: If it is something else, or there is no such limit.
            ValueError: If a limit is not a number above 0.

        Example:
            >>> Budget.of({"macs": "50M"}).macs
            50000000.0
        """
        if isinstance(limits, Budget):
            return limits
        names = ", ".join(field.name for field in dataclasses.fields(cls))
        if limits is not None and not isinstance(limits, Mapping):
            raise TypeError(
                'budget must be a tuning.Budget, or its limits, such as {"macs": "50M"}, of '
                f"{names}; received {limits!r}"
            )
        for name in limits or {}:
            if name not in names.split(", "):
                raise TypeError(f"a budget has no limit {name!r}; it has {names}")
        found = (limits or {}).items()
        return cls(**{name: parse(v) if isinstance(v, str) else v for name, v in found})

    @property
    def limits(self) -> dict[str, float]:
        """Those that are set."""
        return {k: v for k, v in dataclasses.asdict(self).items() if v is not None}

    def excess(self, costs: Mapping[str, float]) -> str | None:
        """Which limit the costs break, in words; None if they keep them all."""
        for name, limit in self.limits.items():
            if name in costs and costs[name] > limit:
                found, most = (_shown(name, value) for value in (costs[name], limit))
                return f"{name} {found}, over the budget of {most}"
        return None


def _shown(name: str, value: float) -> str:
    if name == "latency":
        return f"{value * 1e3:.3g} ms"
    return f"{human(value, 1024 if UNITS[name] else 1000)}{UNITS[name]}".strip()


def parse(text: str) -> float:
    """A number with a suffix, as the command line takes it.

    Raises:
        ValueError: If it is no such number.

    Example:
        >>> parse("50M"), parse("2.5e6"), parse("1G")
        (50000000.0, 2500000.0, 1000000000.0)
    """
    match = re.fullmatch(r"([0-9.]+(?:e[0-9]+)?) *([kMGT]?)", text.strip())
    try:
        if match is None:
            raise ValueError
        return float(match[1]) * FACTORS[match[2]]
    except ValueError:
        raise ValueError(
            f"a limit is a number with k, M, G or T after it, such as 50M; received {text!r}"
        ) from None
