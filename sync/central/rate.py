"""How many tries one address, and all together, have: a bucket that fills with time."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

MOST_ADDRESSES = 10_000


@dataclass(slots=True)
class Bucket:
    """`left` tries, refilled at `per_s` up to `most`."""

    most: float
    per_s: float
    left: float
    at_s: float

    def take(self, now_s: float) -> bool:
        """Use up one try, if there is one."""
        self.left = min(self.most, self.left + (now_s - self.at_s) * self.per_s)
        self.at_s = now_s
        if self.left < 1:
            return False
        self.left -= 1
        return True


class Rate:
    """Limits tries: `each` per minute and address, `together` per minute. Memory is bounded. For one thread."""

    def __init__(self, each: int, together: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._each, self._clock = float(each), clock
        self._together = self._bucket(float(together))
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def allows(self, address: str) -> bool:
        """Say whether one more try from this address may be looked at, and count it."""
        bucket = self._buckets.pop(address, None) or self._bucket(self._each)
        self._buckets[address] = bucket
        if len(self._buckets) > MOST_ADDRESSES:
            self._buckets.popitem(last=False)
        return bucket.take(self._clock()) and self._together.take(self._clock())

    def _bucket(self, most: float) -> Bucket:
        return Bucket(most, most / 60, most, self._clock())
