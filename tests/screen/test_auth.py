"""Sessions end by idleness and age; hosts and origins of others are told from our own."""

import pytest

from station.guards import Guard
from station.screen import auth
from station.screen.auth import Sessions, host_allowed, same_origin

ROW = Guard("scrypt$as-stored")
STANDING = {"g07": ROW, "a": ROW, "b": ROW}


class Hand:
    """A clock set by hand."""

    now = 1000.0

    def __call__(self):
        return self.now


def test_session_ends_when_idle():
    """Fifteen minutes without an operation end a session; watching does not prolong it, operating does."""
    hand = Hand()
    sessions = Sessions(lambda: STANDING, hand)
    token = sessions.begin("g07", ROW)
    hand.now += auth.IDLE_S - 1
    assert sessions.operator(token) == "g07"
    assert sessions.use(token) == "g07"
    hand.now += auth.IDLE_S - 1
    assert sessions.operator(token) == "g07"
    hand.now += 1
    assert sessions.operator(token) is None
    assert sessions.use(token) is None


def test_session_ends_after_a_shift():
    """Eight hours end a session however busy it is."""
    hand = Hand()
    sessions = Sessions(lambda: STANDING, hand)
    token, begun = sessions.begin("g07", ROW), hand.now
    while hand.now + auth.IDLE_S - 1 < begun + auth.ABSOLUTE_S:
        hand.now += auth.IDLE_S - 1
        assert sessions.use(token) == "g07"
    hand.now = begun + auth.ABSOLUTE_S
    assert sessions.use(token) is None


def test_tokens_are_long_and_differ():
    """A token has 256 bits, no two are equal, an invented one or none is nobody's."""
    sessions = Sessions(lambda: STANDING)
    first, second = sessions.begin("a", ROW), sessions.begin("b", ROW)
    assert first != second
    assert len(first) >= 43
    assert sessions.operator(first[:-1]) is None
    assert sessions.operator(None) is None
    sessions.end(first)
    assert sessions.operator(first) is None
    assert sessions.operator(second) == "b"


def test_sessions_are_bounded():
    """Signing in again and again drops the longest unused session instead of growing."""
    hand = Hand()
    sessions = Sessions(lambda: STANDING, hand)
    tokens = []
    for _ in range(auth.MAX_SESSIONS + 1):
        hand.now += 1
        tokens.append(sessions.begin("g07", ROW))
    assert sessions.operator(tokens[0]) is None
    assert all(sessions.operator(token) for token in tokens[1:])


@pytest.mark.parametrize(
    "row", [None, Guard("scrypt$other"), Guard(ROW.pin, "scrypt$duress")], ids=["removed", "new-pin", "new-duress-pin"]
)
def test_session_ends_with_its_row(row):
    """Another row, or none, ends the session for good, also for a look; other sessions go on."""
    standing = STANDING
    sessions = Sessions(lambda: standing)
    watched, used, other = (sessions.begin(name, ROW) for name in ("g07", "g07", "a"))
    standing = {"a": ROW} | ({"g07": row} if row else {})
    assert sessions.operator(watched) is None
    assert sessions.use(used) is None
    standing = STANDING
    assert sessions.operator(watched) is sessions.operator(used) is None
    assert sessions.use(other) == "a"


@pytest.mark.parametrize(
    ("header", "bound", "allowed"),
    [
        ("127.0.0.1:8080", "127.0.0.1", True),
        ("localhost:8080", "127.0.0.1", True),
        ("[::1]:8080", "127.0.0.1", True),
        ("LOCALHOST", "127.0.0.1", True),
        ("evil.example:8080", "127.0.0.1", False),
        ("127.0.0.1.evil.example", "127.0.0.1", False),
        ("192.168.1.9:8080", "127.0.0.1", False),
        ("192.168.1.9:8080", "0.0.0.0", True),  # noqa: S104
        ("evil.example", "0.0.0.0", False),  # noqa: S104
        ("gate7.lan:8080", "gate7.lan", True),
        ("", "127.0.0.1", False),
        ("[", "127.0.0.1", False),
    ],
)
def test_hosts(header, bound, allowed):
    """Loopback and configured names pass; names that merely resolve to us (DNS rebinding) do not."""
    assert host_allowed(header, bound) is allowed


@pytest.mark.parametrize(
    ("origin", "same"),
    [
        ("http://127.0.0.1:8080", True),
        ("http://localhost:8080", False),
        ("http://127.0.0.1:8081", False),
        ("https://127.0.0.1:8080", False),
        ("null", False),
        (None, False),
    ],
)
def test_origins(origin, same):
    """Only the very origin that the page was loaded from may post; a missing one is foreign."""
    assert same_origin(origin, "127.0.0.1:8080") is same
