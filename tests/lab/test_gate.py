"""The installed station on a real kernel: header line, I2C bus, camera, watchdog, and a power cut in the middle.

The tests run in their order on one machine, as a day at the gate does. The verdicts are those of the fault matrix.
"""

from __future__ import annotations

from itertools import pairwise

import pytest

from station.core.lane import LaneState
from tests.demo.crowd import FEVER, WARM
from tests.lab.gate import READY_S, SOON_S, Gate, expected, until
from tests.lab.installed import installed
from tests.lab.machine import Machine
from tests.lab.papers import REX

pytestmark = pytest.mark.timeout(3600)
WALL_C = 22.0
GAP_US = 5_000_000
"""The watcher says every second that it lives; an emulated machine may be late."""
THERMOMETER_FAULTS = {
    "wrong PEC": ("pec bad", "pec ok"),
    "no answer (NAK)": ("nak on", "nak off"),
    "slow": ("slow 1.5", "slow 0"),
    "error flag": ("flag on", "flag off"),
    "bus stuck high": ("stuck on", "stuck off"),
    "unplugged": ("unplug", "plug"),
}


@pytest.fixture(scope="module")
def gate(tmp_path_factory):
    """A machine with this checkout installed and running. It is shut down in the end, whatever happened."""
    machine = Machine("gate")
    machine.stop()
    try:
        yield Gate(machine, installed(), tmp_path_factory.mktemp("lab"))
    finally:
        machine.stop()


def test_the_start_moves_nothing(gate):
    """From before the station's start until it is ready the relay's line stays low, and no input is misread."""
    assert gate.rises() == 0
    assert gate.level() == 0
    assert [word for word in gate.words(0) if word.startswith(("alarm", "door", "fault")) and "link" not in word] == []
    before = gate.seq()
    assert before > 0


def test_a_valid_pass_raises_the_line(gate):
    """A pass before /dev/video0 and a face before /dev/i2c-1: the kernel's line rises after the grant's commit."""
    before, rises = gate.seq(), gate.rises()
    gate.face(WARM)
    gate.show(gate.papers.residents[0])
    granted = gate.wait("decision grant", before)
    assert granted.payload["band"] == "normal"
    until(lambda: gate.rises() == rises + 1, SOON_S, "the line rises")
    assert gate.level() == 1
    gate.show(":blank")
    gate.walk()
    gate.wait("passage entered", granted.seq)
    gate.locked()
    assert gate.rises() == rises + 1


def test_a_forged_pass_does_not(gate):
    """A forger's pass under the office's key id is refused and recorded; the line stays low."""
    before, rises = gate.seq(), gate.rises()
    gate.show(gate.papers.forged)
    gate.wait("decision deny pass-forged", before)
    gate.show(":blank")
    assert (gate.rises(), gate.level()) == (rises, 0)


def test_a_raised_temperature_is_referred(gate):
    """The same sensor, a raised temperature: the guard is called and nothing opens."""
    before, rises = gate.seq(), gate.rises()
    gate.face(FEVER)
    gate.show(gate.papers.residents[1])
    referred = gate.wait("decision refer fever-raised", before)
    assert referred.payload["band"] == "raised"
    gate.show(":blank")
    gate.dismiss()
    gate.wait("passage dismissed", referred.seq)
    gate.face(WALL_C)
    assert (gate.rises(), gate.level()) == (rises, 0)


@pytest.mark.parametrize("fault", THERMOMETER_FAULTS)
def test_a_thermometer_fault_has_the_matrix_verdict(gate, fault):
    """Whatever is wrong on the bus, central hears what the matrix says: the fault, a referral, the end of both."""
    begins, ends = THERMOMETER_FAULTS[fault]
    before, rises = gate.seq(), gate.rises()
    gate.sensor(begins)
    began = gate.wait("fault thermometer in begins", before)
    gate.show(gate.papers.residents[2 + list(THERMOMETER_FAULTS).index(fault)])
    referred = gate.wait("decision refer thermometer-fault", began.seq)
    gate.show(":blank")
    gate.sensor(ends)
    gate.wait("fault thermometer in ends", referred.seq)
    gate.dismiss()
    gate.wait("passage dismissed", referred.seq)
    heard = [word for word in gate.words(before) if "camera" not in word]  # emulated, it may stutter
    assert heard == expected("thermometer does not answer", LaneState.MEASURING, "before")
    assert (gate.rises(), gate.level()) == (rises, 0)


def _camera_fails(gate, begins, ends) -> None:
    before, rises = gate.seq(), gate.rises()
    begins()
    gate.wait("fault camera in begins", before)
    ends()
    gate.wait("fault camera in ends", before)
    assert gate.words(before) == expected("camera gives no picture", LaneState.IDLE, "before")
    assert (gate.rises(), gate.level()) == (rises, 0)


def test_a_frozen_camera_has_the_matrix_verdict(gate):
    """Frames stop coming and come again: a fault that begins and ends, and nothing else."""
    _camera_fails(gate, lambda: gate.show(":freeze"), lambda: gate.show(":blank"))


def test_a_camera_that_is_gone_has_the_matrix_verdict(gate):
    """/dev/video0 vanishes and comes back: the same."""
    run = gate.machine.run
    unload = "for n in $(seq 60); do modprobe -r v4l2loopback && break; sleep 1; done"  # as soon as nobody holds it
    gone = f"systemctl stop lab-scene; {unload}; ls /dev/video0 || true"

    def vanish() -> None:
        assert "No such file" in run(gone)

    _camera_fails(gate, vanish, lambda: run("rig up; systemctl start lab-scene"))


def test_a_bouncing_button_is_pressed_once_or_not_at_all(gate):
    """A burst on the exit button's line opens nothing; a press that bounces opens once."""
    before, rises = gate.seq(), gate.rises()

    def exits() -> list[str]:
        return [word for word in gate.words(before) if word.startswith("door")]

    gate.say("wires", f"bounce {REX} 20 1", "0.5")
    assert (gate.rises(), exits()) == (rises, [])
    gate.say("wires", f"bounce {REX} 20 0", "0.4", f"bounce {REX} 20 1")
    gate.wait("door rex", before)
    until(lambda: gate.rises() == rises + 1, SOON_S, "the line rises")
    gate.locked()
    assert exits() == ["door rex"]
    assert gate.rises() == rises + 1


def test_a_station_that_hangs_is_ended_with_its_relay_at_rest(gate):
    """The unit's watchdog ends a station that stands still while the door is unlocked, and starts another."""
    before, restarts = gate.seq(), int(gate.unit("NRestarts"))
    gate.show(gate.papers.workers[0])
    gate.wait("decision grant", before)
    gate.machine.run(f"kill -STOP {gate.unit('MainPID')}")
    gate.show(":blank")
    until(lambda: int(gate.unit("NRestarts")) > restarts, READY_S, "systemd starts the station again")
    assert gate.level() == 0
    gate.ready()
    assert [word for word in gate.words(before) if word.startswith("boot")] == ["boot"]


def test_a_power_cut_loses_no_grant(gate):
    """The plug is pulled as soon as the line rises: after the boot the grant is there and the line has stayed low."""
    before, rises = gate.seq(), gate.rises()
    gate.show(gate.papers.workers[1])
    until(lambda: gate.rises() == rises + 1, SOON_S, "the line rises")
    print(gate.cut(seed=7))
    gate.boot()
    (granted,) = [event for event in gate.events(before) if event.kind == "decision"]
    assert granted.payload["outcome"] == "grant"
    assert (gate.rises(), gate.level()) == (rises + 1, 0)
    last = gate.seq()
    gate.show(gate.papers.workers[2])
    gate.wait("decision grant", last)
    gate.show(":blank")
    gate.locked()


def test_the_machines_watchdog_restarts_a_crashed_kernel(gate):
    """A kernel that stands still is reset by /dev/watchdog0; the gate is back and the line has stayed low."""
    boot, rises = gate.machine.run("cat /proc/sys/kernel/random/boot_id").strip(), gate.rises()
    crash = "sync; echo 0 > /proc/sys/kernel/panic; (sleep 1; echo c > /proc/sysrq-trigger) >/dev/null 2>&1 &"
    gate.machine.run(crash)
    until(lambda: _boot(gate) not in ("", boot), 600, "the machine starts again")
    gate.ready()
    assert (gate.rises(), gate.level()) == (rises, 0)


def _boot(gate: Gate) -> str:
    gate.machine.lab("wait", "--timeout", "600", timeout_s=700, check=False)
    done = gate.machine.lab("run", "-t", "20", "cat /proc/sys/kernel/random/boot_id", check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def test_every_rise_had_a_committed_cause(gate):
    """From before each start to the end, over a cut and a reset: each rise has a grant, exit or fire in the journal."""
    rows = gate.watched()
    boots = list(dict.fromkeys(row["boot"] for row in rows))
    assert len(boots) == 3
    for boot in boots:
        times = [int(str(row["t"])) for row in rows if row["boot"] == boot]
        started = min(event.mono_us for event in gate.events() if event.boot == boot and event.kind == "boot")
        assert times[0] < started, "the watcher was there first"
        assert max(b - a for a, b in pairwise(times)) < GAP_US, "and never looked away"
    assert gate.rises() >= 5
    assert gate.unexplained() == []
