"""The latest view of the station, published by the gate thread for whoever watches (the guard screen)."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace

from station.guard_screen import PassageView, StationView


class NoticeBoard:
    """One publisher, any number of watchers. A watcher's callback runs on the gate thread and must only set a flag."""

    def __init__(self, empty: StationView, passages: int) -> None:
        """`empty`: what is shown before the first step; `passages`: how many of the last are listed."""
        self._view = empty
        self._passages: deque[PassageView] = deque(maxlen=passages)
        self._watchers: set[Callable[[], None]] = set()
        self._lock = threading.Lock()

    def list_passages(self, passages: Iterable[PassageView]) -> None:
        """Add passages to the list, oldest first."""
        self._passages.extendleft(passages)

    def publish(self, view: StationView) -> None:
        """Publish a view with the listed passages, unless it says nothing but a later time."""
        view = replace(view, passages=tuple(self._passages))
        if replace(view, now_us=self._view.now_us) == self._view:
            return
        self._view = view
        with self._lock:
            watchers = list(self._watchers)
        for changed in watchers:
            changed()

    def view(self) -> StationView:
        """The latest published view."""
        return self._view

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call `changed` after each new view; returns the function that ends it."""
        with self._lock:
            self._watchers.add(changed)

        def end() -> None:
            with self._lock:
                self._watchers.discard(changed)

        return end
