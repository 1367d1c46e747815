"""A session is worth what its guard's row in the guards file is worth now: removed, changed, unreadable."""

import json

import pytest

from station import guards
from station.guard_screen import GuardRequest, HandReading, VisitorRequest

from .conftest import NAME, PIN

WHY = {"why": "resident"}
REQUESTS = [
    ("/lanes/east-in/open", WHY),
    ("/lanes/east-in/temperature", {"celsius": 36.8}),
    ("/visitors", {"name": "Li", "hours": 2}),
]


def reached(gate) -> list:
    """What the gate was asked beside signing in."""
    return [one for one in gate.requests if isinstance(one, GuardRequest | HandReading | VisitorRequest)]


@pytest.mark.parametrize(("path", "body"), REQUESTS)
def test_a_removed_guard_operates_nothing(gate, page, guards_path, path, body):
    """Who was taken off the file is signed out with the next request, whatever it asks for."""
    page.sign_in()
    guards.remove(guards_path, NAME)
    status, answer = page.post(path, body)
    assert (status, answer["text"]["en"]) == (401, "Sign in first, then try again.")
    assert reached(gate) == []


def test_a_new_pin_ends_the_sessions_of_the_old_one(gate, page, guards_path):
    """A PIN is changed because somebody else knows it: what was opened with it closes, the new one opens."""
    page.sign_in()
    guards.add(guards_path, NAME, "730915")
    assert page.post("/lanes/east-in/open", WHY)[0] == 401
    assert page.sign_in()[0] == 401
    assert page.sign_in("730915")[0] == 200
    assert page.post("/lanes/east-in/open", WHY)[0] == 200
    assert len(reached(gate)) == 1


def test_an_ended_session_stays_ended(gate, page, guards_path):
    """A guard put back as before (the file of yesterday restored) signs in again; no session comes to life by it."""
    page.sign_in()
    before = guards_path.read_bytes()
    guards.remove(guards_path, NAME)
    assert page.post("/lanes/east-in/open", WHY)[0] == 401
    guards_path.write_bytes(before)
    assert page.post("/lanes/east-in/open", WHY)[0] == 401
    assert reached(gate) == []


def test_other_guards_stay_signed_in(gate, page, guards_path):
    """What happens to one guard's row signs out nobody else."""
    guards.add(guards_path, "g08", "730915")
    page.sign_in()
    guards.remove(guards_path, "g08")
    assert page.post("/lanes/east-in/open", WHY)[0] == 200
    assert len(reached(gate)) == 1


def test_a_removed_guard_sees_no_names(page, watch, guards_path):
    """An open stream stops naming people within its heartbeat, with nobody touching the screen."""
    page.sign_in()
    events = watch()
    assert events.next()[1]["operator"] == NAME
    guards.remove(guards_path, NAME)
    data = events.until(lambda data: data["operator"] is None)
    assert "王" not in json.dumps(data, ensure_ascii=False)


def _opened_to_all(path):
    path.chmod(0o644)


def _broken(path):
    path.write_text("[[guard", encoding="utf-8")


def _gone(path):
    path.unlink()


@pytest.mark.parametrize("damage", [_opened_to_all, _broken, _gone])
def test_an_unusable_file_denies_and_says_so_once(gate, page, guards_path, caplog, watch, damage):
    """Where nobody can tell who the guards are, nobody is one: the screen says what is wrong, the log once.

    The session itself outlives it: the fault is the station's.
    """
    caplog.set_level("INFO", "station.screen")
    before = guards_path.read_bytes()
    page.sign_in()
    damage(guards_path)
    for path, body in REQUESTS:
        status, answer = page.post(path, body)
        assert status == 503
        assert "gate-station doctor" in answer["text"]["en"]
    assert watch().next()[1]["operator"] is None
    assert reached(gate) == []
    guards_path.touch()
    guards_path.chmod(0o640)
    guards_path.write_bytes(before)
    assert page.post("/lanes/east-in/open", WHY)[0] == 200
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]


def test_no_pin_is_computed_for_a_request(page, monkeypatch):
    """What a request costs is a look at the file: no scrypt, and no reading where nothing changed."""
    page.sign_in()

    def never(*_):
        raise AssertionError("computed or read for a request")

    monkeypatch.setattr(guards, "_hash_like", never)
    assert page.post("/lanes/east-in/open", WHY)[0] == 200
    monkeypatch.setattr(guards, "load", never)
    assert page.post("/lanes/east-in/open", WHY)[0] == 200


def test_a_duress_pin_taken_away_ends_its_session(gate, page, guards_path):
    """A session opened with the duress PIN is good as long as that PIN is."""
    guards.set_duress(guards_path, NAME, "918275")
    page.sign_in("918275")
    guards.set_duress(guards_path, NAME, "")
    assert page.post("/lanes/east-in/open", WHY)[0] == 401
    assert page.sign_in(PIN)[0] == 200
