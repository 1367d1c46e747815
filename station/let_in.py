"""Who has been let in and has not gone through yet, where each person is counted: first come, first through."""

from __future__ import annotations

from collections.abc import Iterator

from station.core.model import Credential

Through = tuple[int, tuple[Credential, ...]]
"""The seq of the decision or override, and the people; none of them where nobody showed a pass."""


class LetIn:
    """The people of one lane. Used by the gate thread alone."""

    def __init__(self) -> None:
        self._groups: list[tuple[int, tuple[Credential, ...], int]] = []
        """Seq, the people still to come, and how many they were."""

    def expect(self, seq: int, people: tuple[Credential, ...], *, besides: bool) -> None:
        """Await the people of a grant; `besides` those who are awaited already, or instead of them."""
        self._groups = [*(self._groups if besides else []), (seq, people, len(people))]

    def through(self, *, counted: bool) -> Through | None:
        """Return who went through: the first awaited where each is counted, else all of a grant; None: nobody awaited.

        Which of several people of one grant goes first nobody knows: the one whose pass was shown first is taken.
        """
        if not self._groups:
            return None
        seq, people, whole = self._groups.pop(0)
        if counted and len(people) > 1:
            self._groups.insert(0, (seq, people[1:], whole))
            people = people[:1]
        return seq, people

    def left(self) -> Iterator[Through]:
        """Forget whoever is still awaited; yield each grant, with the people only where others of it went through."""
        groups, self._groups = self._groups, []
        for seq, people, whole in groups:
            yield seq, people if len(people) < whole else ()

    def forget(self) -> None:
        """Await nobody any more."""
        self._groups = []
