"""What a step's parameter may be: its kind, its limits, and how a range of it is checked, weakened and drawn.

In a recipe a parameter is written in one of these ways: a plain value (used as it is), `[low, high]` (drawn evenly,
both ends included), `[low, median, high]` (half of the draws even below the median, half above it) or, for a parameter
of names, `{"name": weight, ...}` (drawn by weight).
"""

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ...arch import SengaError

DIGITS = 6  # drawn floats are rounded to so many decimals: reports stay readable, and JSON keeps every bit
LARGEST_SEED = 2**53 - 1  # what every JSON reader keeps exactly


def shown(value: object) -> str:
    """A value as an error names it: whole if short."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def unknown(where: str, what: str, name: object, known: Iterable[str]) -> SengaError:
    """The sentence for a mistyped name, with the nearest that exists."""
    names = list(known)
    near = difflib.get_close_matches(str(name), names, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names)}"
    return SengaError(f"{where}: {what} {shown(name)} is unknown; {hint}")


@dataclass(frozen=True)
class Number:
    """A number, or a range to draw one from.

    `neutral` is the value that does no damage; None where there is no such value, and `strength` leaves it alone.
    `odd` admits odd whole numbers only (sizes of kernels).
    """

    low: float
    high: float
    default: Any
    neutral: float | None = None
    whole: bool = False
    odd: bool = False

    def check(self, value: Any, where: str) -> Any:
        """The value in its canonical form, or SengaError."""
        if isinstance(value, list | tuple):
            if len(value) not in (2, 3):
                raise SengaError(f"{where} has {len(value)} ends; a range is [low, high] or [low, median, high]")
            if len(value) == 3 and self.whole:
                raise SengaError(f"{where} has a median; a range of whole numbers is [low, high]")
            ends = [self._check_one(end, where) for end in value]
            if ends != sorted(ends):
                raise SengaError(f"{where} is {ends}, upside down; write the lower end first")
            return ends
        return self._check_one(value, where)

    def _check_one(self, value: Any, where: str) -> Any:
        kind = "an odd whole number" if self.odd else "a whole number" if self.whole else "a number"
        fits = isinstance(value, int) if self.whole else isinstance(value, int | float)
        if isinstance(value, bool) or not fits or not math.isfinite(value):
            raise SengaError(f"{where} is {shown(value)}; expected {kind}, or a range [low, high] of them")
        if not self.low <= value <= self.high:
            raise SengaError(f"{where} is {value}; expected {self.low} to {self.high}")
        if self.odd and value % 2 == 0:
            raise SengaError(
                f"{where} is {value}; expected {kind}, such as {value - 1 if value > self.low else value + 1}"
            )
        return value if self.whole else float(value)

    def weaken(self, value: Any, strength: float) -> Any:
        """The value or range moved towards `neutral`: all the way at strength 0, not at all at 1."""
        if self.neutral is None:
            return value
        if isinstance(value, list):
            return [self._weaken_one(end, strength) for end in value]
        return self._weaken_one(value, strength)

    def _weaken_one(self, value: Any, strength: float) -> Any:
        assert self.neutral is not None
        moved = self.neutral + strength * (value - self.neutral)
        if self.odd:
            return 2 * round((moved - 1) / 2) + 1
        return round(moved) if self.whole else min(max(round(moved, DIGITS), self.low), self.high)

    def draw(self, value: Any, u: float) -> Any:
        """The value that `u`, even in [0, 1), picks; a plain value stays."""
        if not isinstance(value, list):
            return value
        if len(value) == 3:
            half = value[:2] if u < 0.5 else value[1:]
            return self.draw(half, 2 * u if u < 0.5 else 2 * u - 1)
        low, high = value
        if self.whole:
            pace = 2 if self.odd else 1
            return low + pace * min(int(u * ((high - low) // pace + 1)), (high - low) // pace)
        return min(max(round(low + u * (high - low), DIGITS), low), high)


@dataclass(frozen=True)
class Name:
    """One of a few names, or weights to draw one by."""

    names: tuple[str, ...]
    default: str

    def check(self, value: Any, where: str) -> Any:
        if isinstance(value, Mapping):
            for name, weight in value.items():
                self._check_one(name, where)
                check_weight(weight, f"{where}: the weight of {name!r}")
            if not value or sum(value.values()) <= 0:
                raise SengaError(f"{where} has no weight above 0; give at least one name a weight")
            return dict(value)
        self._check_one(value, where)
        return value

    def _check_one(self, value: Any, where: str) -> None:
        if not isinstance(value, str):
            raise SengaError(f"{where} is {shown(value)}; expected one of {', '.join(self.names)}, or weights of them")
        if value not in self.names:
            raise unknown(where, "the value", value, self.names)

    def weaken(self, value: Any, strength: float) -> Any:
        return value

    def draw(self, value: Any, u: float) -> str:
        return value if isinstance(value, str) else pick(list(value), list(value.values()), u)


@dataclass(frozen=True)
class Drops:
    """By how much each further pass is below the first: whole numbers or ranges, drawn by the step."""

    low: int
    high: int
    default: tuple[Any, ...] = ()

    def check(self, value: Any, where: str) -> Any:
        if not isinstance(value, list | tuple):
            raise SengaError(f"{where} is {shown(value)}; expected a list with a number or range for each further pass")
        each = Number(self.low, self.high, 0, whole=True)
        return [each.check(item, f"{where}[{i}]") for i, item in enumerate(value)]

    def weaken(self, value: Any, strength: float) -> Any:
        each = Number(self.low, self.high, 0, neutral=0, whole=True)
        return [each.weaken(item, strength) for item in value]

    def draw(self, value: Any, u: float) -> Any:
        return value


Parameter = Number | Name | Drops


def seed_parameter() -> Number:
    """Where a step makes random pixels they come from a seed of its own, so a report can hold them in one number."""
    return Number(0, LARGEST_SEED, [0, LARGEST_SEED], whole=True)


def check_weight(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise SengaError(f"{where} is {shown(value)}; expected a number of 0 or more")
    return value


def pick(items: list[Any], weights: list[float], u: float) -> Any:
    """The item whose share of the weights holds `u`, even in [0, 1)."""
    left = u * sum(weights)
    for item, weight in zip(items, weights, strict=True):
        left -= weight
        if left < 0:
            return item
    return next(item for item, weight in zip(items[::-1], weights[::-1], strict=True) if weight > 0)
