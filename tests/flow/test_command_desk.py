"""Commands at the station: recorded and counted before anything happens, answered after, carried out once only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from station.command_desk import ANSWERS_KEPT, CannotReloadError
from station.core.command import number
from station.core.door import DoorState
from station.core.events import FIELDS, Kind
from station.core.model import Outcome
from station.core.ration import NOTED
from station.core.reasons import Reason
from station.core.signals import Signal
from station.journal import JournalFault
from tests.core.commanding import command_raw, verb
from tests.core.issuing import STRANGER, pass_text
from tests.flow.command_bench import CommandBench
from tests.flow.lane_bench import fill_up


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[CommandBench]:
    """A gate with documents in force, of which central has heard."""
    made = CommandBench(tmp_path)
    yield made
    made.close()


def _die() -> None:
    """Stand for the power cut."""
    raise KeyboardInterrupt


# --- taken once, recorded, answered ----------------------------------------------------------------------------------


def test_a_command_is_recorded_before_and_after(bench: CommandBench) -> None:
    """Acceptance and outcome are two events; the answer bears the number of the command's bytes."""
    raw = bench.raw("ping")
    bench.receive(raw)
    bench.tend()
    assert bench.told() == [("accepted", "ping"), ("done", "ping")]
    assert {event.payload["id"] for event in bench.events()} == {number(raw)}
    ((command, answer),) = bench.journal.rows("SELECT command, body FROM answer")
    assert command == number(raw)
    assert '"outcome": "done"' in answer
    assert set().union(*(event.payload for event in bench.events())) <= set(FIELDS[Kind.COMMAND])


def test_the_counter_outlives_a_restart(bench: CommandBench) -> None:
    """After a restart, also with a new sync.db, what was taken is not taken again."""
    raw = bench.raw("open-once", lane="in")
    bench.receive(raw)
    bench.tend()
    assert bench.open("in")
    bench.restart()
    bench.sync.execute("UPDATE command SET id = id + 1000")
    bench.tend()
    assert not bench.open("in")
    assert bench.told()[-1] == ("refused", Reason.COMMAND_REPLAYED)


def test_nothing_happens_that_was_not_recorded(bench: CommandBench) -> None:
    """On a full disk the command waits, the door stays shut; with room again it is carried out once."""
    fill_up(bench.recorder, bench.clock.now())
    bench.receive(bench.raw("open-once", lane="in"))
    bench.tend()
    assert not bench.open("in")
    assert bench.told() == []
    bench.journal.rows("PRAGMA max_page_count = 1000000")
    bench.tend()
    assert bench.open("in")
    assert [what for what, _ in bench.told()] == ["accepted", "done"]


def test_what_a_crash_interrupts_is_said_and_not_repeated(bench: CommandBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between acting and recording the outcome: the next start answers `interrupted` and does not act again."""
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(bench.desk, "_settle", lambda _now: _die() if bench.told() else None)
        bench.command("open-once", lane="in")
    assert bench.open("in")
    bench.restart()
    bench.tend()
    assert not bench.open("in")
    assert bench.told() == [("accepted", "open-once"), ("interrupted", Reason.COMMAND_INTERRUPTED)]
    bench.restart()
    bench.tend()
    assert len(bench.told()) == 2


def failing(bench: CommandBench, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the disk refuse the events about commands that tell `what`, until the patch is undone."""
    commit = bench.recorder.commit

    def commit_or_fail(kind: Kind, payload: dict[str, object], *rest: object) -> int:
        if payload.get("what") == what:
            raise JournalFault("no room")
        return commit(kind, payload, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(bench.recorder, "commit", commit_or_fail)


def test_a_disk_that_fails_at_the_acceptance_stops_everything(
    bench: CommandBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the acceptance cannot be committed the door stays shut and the lock-down off, however good the command."""
    failing(bench, "accepted", monkeypatch)
    for name, arguments in (("open-once", {"lane": "in"}), ("lock-down", {})):
        bench.receive(bench.raw(name, **arguments))
    bench.tend()
    assert (bench.open("in"), bench.desk.locked_down, bench.told()) == (False, False, [])
    monkeypatch.undo()
    bench.tend()
    assert (bench.open("in"), bench.desk.locked_down) == (True, True)


def test_an_outcome_that_cannot_be_recorded_is_recorded_later(
    bench: CommandBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the disk fails just after acting, the outcome is recorded and answered once there is room."""
    failing(bench, "done", monkeypatch)
    bench.receive(bench.raw("ping"))
    bench.tend()
    assert (bench.told(), bench.answers()) == ([("accepted", "ping")], [])
    monkeypatch.undo()
    bench.tend()
    assert bench.told() == [("accepted", "ping"), ("done", "ping")]
    assert len(bench.answers()) == 1


# --- refused ---------------------------------------------------------------------------------------------------------


def test_refusals_are_recorded_and_answered(bench: CommandBench) -> None:
    """Retained, forged and replayed commands each leave an event and an answer with the reason; nothing happens."""
    good = bench.raw("open-once", lane="in")
    bench.receive(good, retained=True)
    bench.receive(command_raw(STRANGER, body=verb("open-once", lane="in")))
    bench.receive(bench.raw("open-once", lane="in", times=(-100, -50)))
    bench.tend()
    reasons = [Reason.COMMAND_RETAINED, Reason.COMMAND_OUT_OF_ROLE, Reason.COMMAND_EXPIRED]
    assert bench.told() == [("refused", reason) for reason in reasons]
    assert [answer["reason"] for answer in bench.answers()] == reasons
    assert not bench.open("in")


def test_until_central_has_answered_for_the_journal_nothing_is_taken(bench: CommandBench) -> None:
    """A journal whose hello central has not answered, new or after a quarantine, takes no commands."""
    bench.sync.execute("DELETE FROM delivered")
    assert bench.command("ping")["reason"] == Reason.COMMAND_BEFORE_HELLO
    bench.hear_of_central()
    assert bench.command("ping")["outcome"] == "done"


def test_after_a_quarantine_old_commands_are_for_another_journal(bench: CommandBench) -> None:
    """A damaged journal takes its counter with it; a command to it is not one to the journal that follows."""
    raw = bench.raw("ping")
    bench.close()
    for suffix in ("", "-wal"):
        (bench.folder / f"journal.db{suffix}").write_bytes(b"not a database, " * 512)
    bench.sync = apsw.Connection(str(bench.folder / "sync.db"))
    bench._open("boot-2")
    assert bench.journal.quarantined
    bench.hear_of_central()
    bench.receive(raw)
    bench.tend()
    bench.tend()  # the first look takes up the trust bundle
    assert {reason for what, reason in bench.told() if what == "refused"} <= {
        Reason.COMMAND_OTHER_EPOCH,
        Reason.NO_TRUST,
    }
    assert "done" not in {what for what, _ in bench.told()}


def test_rubbish_does_not_fill_the_journal(bench: CommandBench) -> None:
    """However much rubbish is sent, an hour's journal holds a few refusals and one number; good commands are taken."""
    for number_ in range(100):
        bench.receive(b"rubbish %d" % number_)
    for _ in range(30):
        bench.tend()
    assert len(bench.told()) == NOTED
    assert bench.command("ping")["outcome"] == "done"
    bench.tend(3600)
    assert bench.events()[-1].payload == {"what": "refused", "count": 100 - NOTED}
    bench.receive(b"more")
    bench.tend()
    assert bench.told()[-1] == ("refused", Reason.COMMAND_MALFORMED)
    bench.tend(3600)
    assert bench.told()[-1] == ("refused", Reason.COMMAND_MALFORMED)


def test_few_answers_are_kept(bench: CommandBench) -> None:
    """Answers that nobody fetches do not pile up."""
    for _ in range(ANSWERS_KEPT + 10):
        bench.command("ping")
    assert len(bench.answers()) == ANSWERS_KEPT


# --- what is done ----------------------------------------------------------------------------------------------------


def test_open_once_opens_one_lane_and_names_who_wanted_it(bench: CommandBench) -> None:
    """The lane that was named, or the only one of a direction, opens by an override in central's name."""
    assert bench.command("open-once", direction="out")["outcome"] == "done"
    assert (bench.open("in"), bench.open("out")) == (False, True)
    (override,) = [e for e in bench.flows["out"]._around.recorder.journal.last(50) if b'"override"' in e[1]]
    assert b'"operator":"central ' in override[1]
    answer = bench.command("open-once", lane="attic")
    assert (answer["outcome"], answer["reason"]) == ("failed", Reason.COMMAND_BAD_ARGUMENT)


def test_lock_down_refuses_entry_and_only_entry(bench: CommandBench) -> None:
    """Nobody comes in, with the reason on screen and lamp; people leave; a restart changes nothing; release ends it."""
    assert bench.command("lock-down")["outcome"] == "done"
    bench.restart()
    bench.tend()
    into, out = bench.gate.view().lanes
    assert (into.signal, out.signal) == (Signal.OUT_OF_SERVICE, Signal.READY)
    assert into.headline["en"] == "Entry is closed by central"
    bench.show("in", pass_text())
    bench.show("out", pass_text())
    assert (bench.open("in"), bench.open("out")) == (False, True)
    refused = bench.flows["in"].lane.decision
    assert refused is not None
    assert (refused.outcome, refused.reason) == (Outcome.DENY, Reason.LOCKED_DOWN_BY_CENTRAL)
    bench.tend(10)
    assert bench.command("release")["outcome"] == "done"
    bench.tend(60)
    bench.show("in", pass_text())
    assert bench.open("in")


def test_a_lock_down_ends_what_the_schedule_holds_open(tmp_path: Path) -> None:
    """A door that the schedule would hold open is shut while entry is closed, and held open again after."""
    words = {"zh": "开放", "en": "open"}
    always = {"id": "market-day", "when": {"minute_of_day": {"ge": 0}}, "describe": words}
    bench = CommandBench(tmp_path, hold_open=[always])
    doorways = [flow.doorway for flow in bench.flows.values()]
    bench.tend()
    assert {doorway.door.state for doorway in doorways} == {DoorState.HOLD_OPEN}
    bench.command("lock-down")
    bench.tend()
    assert {doorway.door.state for doorway in doorways} <= {DoorState.LOCKED, DoorState.RELOCKING}
    assert not bench.open("in")
    bench.command("release")
    bench.tend()
    assert {doorway.door.state for doorway in doorways} == {DoorState.HOLD_OPEN}
    bench.close()


def test_a_lock_down_survives_a_crash_right_after_its_acceptance(
    bench: CommandBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a lock-down changes is committed with its acceptance: a crash after it neither loses nor half does it."""
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(bench.desk, "_act", lambda _command: _die())
        bench.command("lock-down")
    bench.restart()
    assert bench.desk.locked_down
    bench.tend()
    assert bench.told()[-1] == ("done", "lock-down")


def test_announce_and_reload_ask_whoever_can(bench: CommandBench) -> None:
    """Without a loudspeaker or somebody to start the station anew they fail and say so; with them they are done."""
    texts = {"zh": "请注意", "en": "Attention"}
    assert bench.command("announce", texts=texts)["reason"] == Reason.COMMAND_IMPOSSIBLE
    said: list[object] = []
    bench.desk.announce = lambda text: not said.append(dict(text))
    assert bench.command("announce", texts=texts)["outcome"] == "done"
    assert said == [texts]
    assert bench.command("reload")["reason"] == Reason.COMMAND_IMPOSSIBLE

    def refuse() -> None:
        raise CannotReloadError("station.toml: unknown key")

    bench.desk.reload = refuse
    assert bench.command("reload")["detail"] == "station.toml: unknown key"
    bench.desk.reload = lambda: None
    assert bench.command("reload")["outcome"] == "done"


def test_what_gate_sync_does_is_passed_on_with_its_arguments(bench: CommandBench) -> None:
    """Ranges and logs are for gate-sync: it finds in the answer what it is to do."""
    assert bench.command("resend-range", first=1, last=2)["arguments"] == {"first": 1, "last": 2}
    answer = bench.command("collect-logs", minutes=5)
    assert (answer["outcome"], answer["arguments"]) == ("passed-on", {"minutes": 5})


def test_with_a_lost_clock_only_the_boots_number_counts(bench: CommandBench) -> None:
    """A station without a clock takes a command that echoes this start's number, and no other."""
    bench.clock.boot_without_a_clock(0)
    epoch = bench.journal.epoch
    bench.receive(command_raw(counter=1, epoch=epoch, boot=b"an other"))
    bench.receive(command_raw(counter=2, epoch=epoch))
    bench.tend()
    assert [answer["reason"] or answer["outcome"] for answer in bench.answers()] == [
        Reason.COMMAND_NO_BOOT_NONCE,
        "done",
    ]
