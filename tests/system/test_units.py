"""What the system is told about the station: units, users, directories, and the scripts that install it."""

from __future__ import annotations

import configparser
import hashlib
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from station import cli as station_cli
from station import config as station_config
from station.core.signals import PATTERNS
from sync import cli as sync_cli
from sync import config as sync_config
from sync.central import cli as central_cli
from sync.central import config as central_config

ROOT = Path(__file__).parents[2]
SYSTEMD = ROOT / "systemd"
SERVICES = ("gate-station.service", "gate-sync.service", "gate-kiosk.service")
EXPOSURE = {"gate-station.service": 2.2, "gate-sync.service": 1.7, "gate-kiosk.service": 5.0}
"""How exposed `systemd-analyze security` may find each unit, 0 to 10 (version 252): what was reached, kept."""
PREFIX = "/opt/gate-station"
INSTALL_GUIDE = ROOT / "docs" / "how-to" / "install.md"

needs_analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is missing: apt-get install systemd"
)

Lines = list[tuple[str, str, str]]


def unit(name: str) -> Lines:
    """Return (section, key, value) of every setting of a unit, in order; keys repeat in unit files."""
    found, section = [], ""
    for line in (SYSTEMD / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.append((section, key, value))
    return found


def values(name: str, key: str) -> list[str]:
    """Return every value of a key of a unit."""
    return [value for _, found, value in unit(name) if found == key]


def table(path: str) -> list[list[str]]:
    """Return the fields of a sysusers.d or tmpfiles.d file."""
    lines = (SYSTEMD / path).read_text(encoding="utf-8").splitlines()
    return [re.findall(r'"[^"]*"|\S+', line) for line in lines if line and not line.startswith("#")]


def users() -> set[str]:
    """Return the users that sysusers makes."""
    return {row[1] for row in table("sysusers.d/gate-station.conf") if row[0] == "u"}


def memberships() -> set[tuple[str, str]]:
    """Return (user, group) that sysusers makes."""
    return {(row[1], row[2]) for row in table("sysusers.d/gate-station.conf") if row[0] == "m"}


def groups() -> set[str]:
    """Return the groups that sysusers makes, directly, with a user or for a membership."""
    own = {row[1] for row in table("sysusers.d/gate-station.conf") if row[0] == "g"}
    return own | users() | {group for _, group in memberships()}


def directories() -> dict[str, tuple[str, str, str]]:
    """Return (mode, user, group) of each directory that tmpfiles makes."""
    rows = table("tmpfiles.d/gate-station.conf")
    return {row[1]: (row[2], row[3], row[4]) for row in rows if row[0] == "d"}


# --- the units among themselves --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SERVICES)
def test_users_and_groups_of_units_exist(name: str) -> None:
    """Every user and group a unit names is one that sysusers.d makes, and each daemon has a user of its own."""
    (user,) = values(name, "User")
    named = set(values(name, "Group")) | {
        group for line in values(name, "SupplementaryGroups") for group in line.split()
    }
    assert user in users()
    assert user == name.removesuffix(".service")
    assert named <= groups()
    assert {(user, group) for group in named - {user}} <= memberships()


def test_sysusers_takes_the_descriptions() -> None:
    """No description has a colon, which would end the field in /etc/passwd and is refused with a warning."""
    assert [row[3] for row in table("sysusers.d/gate-station.conf") if row[0] == "u" and ":" in row[3]] == []


@pytest.mark.parametrize("name", SERVICES)
def test_commands_of_units_exist(name: str) -> None:
    """Every command a unit starts is a script of the distribution or a file that install.sh puts there."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    known = {f"{PREFIX}/bin/{script}" for script in scripts} | {f"{PREFIX}/bin/gate-kiosk"}
    for key in ("ExecStart", "ExecStopPost"):
        for line in values(name, key):
            assert line.split()[0] in known, line


def test_commands_of_units_are_understood() -> None:
    """The command lines of the units are ones that the commands' own parsers accept."""
    for name, parser in (("gate-station.service", station_cli._parser()), ("gate-sync.service", sync_cli._parser())):
        for line in values(name, "ExecStart") + values(name, "ExecStopPost"):
            options = parser.parse_args(line.split()[1:])
            assert str(options.config) in {"/etc/gate-station/station.toml", "/etc/gate-station/sync.toml"}


def test_the_unit_of_central_starts_what_there_is() -> None:
    """Its command is understood, its user is made, and what it writes by default is its state directory."""
    name = "central/gate-central@.service"
    (line,) = values(name, "ExecStart")
    options = central_cli._parser().parse_args(line.split()[1:])
    assert str(options.config) == "/etc/gate-central/%i.toml"
    (row,) = table("central/sysusers.conf")
    assert row[:2] == ["u", *values(name, "User")]
    assert f"/var/lib/{values(name, 'StateDirectory')[0]}" == str(central_config.PathsConfig().state)


def test_paths_of_units_and_configuration_agree() -> None:
    """What the programs write by default is writable in their units, and made by tmpfiles.d with the right owner."""
    station, sync = station_config.PathsConfig(), sync_config.PathsConfig()
    writable = {name: set(values(name, "ReadWritePaths")[0].split()) for name in SERVICES[:2]}
    assert writable["gate-station.service"] == {str(station.state), str(station.run)}
    assert writable["gate-sync.service"] == {str(sync.state), str(sync.run)}
    assert (station.state / "journal.db", station.run, station.sync_state) == (sync.journal, sync.run, sync.state)
    made = directories()
    assert made[str(station.state)] == ("2750", "gate-station", "gate")
    assert made[str(sync.state)] == ("2750", "gate-sync", "gate")
    assert made[str(station.run)] == ("3770", "gate-station", "gate")
    assert {str(station.documents), str(station.guards.parent)} <= set(made)


def test_secrets_are_for_one_half_only() -> None:
    """The guards' PIN hashes are out of gate-sync's reach, the key of the broker connection out of the station's."""
    owned = {row[1]: tuple(row[2:5]) for row in table("tmpfiles.d/gate-station.conf")}
    assert owned["/etc/gate-station/guards.toml"] == ("0640", "root", "gate-station")
    assert owned["/etc/gate-station/tls"] == ("2750", "root", "gate-sync")
    # A new guards.toml takes the directory's group; nobody outside it may list the directory.
    assert owned["/etc/gate-station"] == ("2751", "root", "gate-station")
    assert ("gate-sync", "gate-station") not in memberships()
    assert ("gate-station", "gate-sync") not in memberships()


def test_station_waits_for_nobody() -> None:
    """The station starts without network, clock or gate-sync, and is started again for ever, whatever ended it."""
    for key in ("After", "Wants", "Requires", "BindsTo", "Requisite", "PartOf"):
        assert values("gate-station.service", key) == []
    waited = " ".join(values("gate-sync.service", "After") + values("gate-sync.service", "Wants"))
    assert "network-online" not in waited
    for name in SERVICES:
        assert values(name, "Restart") == ["always"]
        assert values(name, "StartLimitIntervalSec") == ["0"]


def test_station_may_ask_for_the_clock() -> None:
    """The call that tells whether the clock is synchronised is allowed, after whatever forbids it.

    ProtectClock=, or @privileged refused last, would make every clock look unsynchronised for ever.
    """
    assert values("gate-station.service", "ProtectClock") == []
    filters = values("gate-station.service", "SystemCallFilter")
    assert filters[-1].split() == ["adjtimex", "clock_adjtime", "clock_adjtime64"]
    assert not any(line.startswith("~") for line in filters[filters.index("~@privileged") + 1 :])


def test_sync_cannot_reach_the_screen() -> None:
    """gate-sync's only loopback addresses are the resolver's and a local broker's, and the screen has none of them."""
    (allowed,) = values("gate-sync.service", "IPAddressAllow")
    assert values("gate-sync.service", "IPAddressDeny") == ["localhost"]
    example = station_config.load(SYSTEMD / "station.toml")
    for host in (example.screen.host, station_config.ScreenConfig().host, "0.0.0.0", "localhost", "any"):  # noqa: S104
        assert host not in allowed.split()
    assert values("gate-sync.service", "PrivateDevices") == ["yes"]


def test_kiosk_shows_the_example_screen() -> None:
    """The address the browser opens is the one the example configuration serves."""
    screen = station_config.load(SYSTEMD / "station.toml").screen
    assert f"GATE_SCREEN_URL=http://{screen.host}:{screen.port}/" in values("gate-kiosk.service", "Environment")[0]


@needs_analyze
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    """`systemd-analyze verify` has nothing to say about any unit, installed where it will be."""
    root = tmp_path / "root"
    install(root)
    for name in ("gate-station", "gate-sync", "gate-kiosk"):
        program = root / "opt/gate-station/bin" / name
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    copies = []
    for name in (*SERVICES, "central/gate-central@.service"):
        text = (SYSTEMD / name).read_text(encoding="utf-8").replace(PREFIX, f"{root}{PREFIX}")
        text = text.replace("/opt/gate-central/bin/gate-central", f"{root}{PREFIX}/bin/gate-sync")
        copies.append(tmp_path / Path(name).name.replace("@", "@1"))
        copies[-1].write_text(text)
    done = run(["systemd-analyze", "verify", "--man=no", *map(str, copies)])
    ours = [line for line in (done.stdout + done.stderr).splitlines() if "gate-" in line]
    assert ours == []
    assert done.returncode == 0


@needs_analyze
@pytest.mark.parametrize("name", SERVICES)
def test_units_stay_tight(name: str) -> None:
    """`systemd-analyze security` finds no unit more exposed than it was when it was written."""
    done = run(["systemd-analyze", "security", "--offline=true", "--no-pager", str(SYSTEMD / name)])
    match = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert match, done.stdout + done.stderr
    assert float(match[1]) <= EXPOSURE[name]


# --- configuration and guide -----------------------------------------------------------------------------------------


def test_example_configuration_is_good(capsys: pytest.CaptureFixture[str]) -> None:
    """gate-station check-config accepts the example, gate-sync reads its own, and both mean the same station."""
    assert station_cli.main(["check-config", "--config", str(SYSTEMD / "station.toml")]) == 0
    assert "good" in capsys.readouterr().out
    sync = sync_config.load(SYSTEMD / "sync.toml")
    station = station_config.load(SYSTEMD / "station.toml")
    assert (sync.station.id, sync.station.zone) == (station.station.id, station.station.zone)
    assert sync.broker.tls is not None
    for path in (sync.broker.tls.ca, sync.broker.tls.cert, sync.broker.tls.key):
        assert path.parent == sync.paths.state / "tls" / "current"  # where gate-sync enrol puts them


def test_example_roots_belong_to_nobody() -> None:
    """The example's roots come out of a hash, so nobody holds their keys."""
    roots = station_config.load(SYSTEMD / "station.toml").trust.roots
    assert roots == tuple(hashlib.sha256(f"gate-station example root {n}".encode()).hexdigest() for n in (1, 2, 3))


HEADER = {2: 3, 3: 5, 12: 32, 13: 33, 16: 36, 17: 11, 20: 38, 21: 40, 22: 15, 26: 37, 27: 13}
"""BCM number: pin of the 40-pin header (Raspberry Pi documentation, "GPIO and the 40-pin header")."""


def test_wiring_table_is_the_example() -> None:
    """The guide's wiring table names exactly the pins of the example configuration, at their true place."""
    (lane,) = station_config.load(SYSTEMD / "station.toml").lane
    configured = {f"door.{name}": pin for name, pin in station_config._door_pins(lane.door)}
    guide = INSTALL_GUIDE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| [^|]+ \| `([a-z.]+)` \| (\d+) \| (\d+) \|", guide, re.MULTILINE)
    door = {key: int(pin) for key, pin, _ in rows if key.startswith("door.")}
    assert door == configured
    assert sorted(int(pin) for key, pin, _ in rows if key == "thermometer.bus") == [2, 3]
    assert {int(pin): int(place) for _, pin, place in rows} == HEADER
    assert not {2, 3} & set(configured.values())
    assert f"gpio={lane.door.relay.pin}=pd" in guide
    assert lane.door.relay.active == "high"


def test_guide_explains_every_signal() -> None:
    """The guide's LED table has one row for each signal of the station, none invented, and steady where it is."""
    guide = INSTALL_GUIDE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| [^|]+ \| ([^|]+) \| ([^|]+) \| `([a-z-]+)` \|", guide, re.MULTILINE)
    assert sorted(name for _, _, name in rows) == sorted(signal.value for signal in PATTERNS)
    by_name = {name: (pattern, sound) for pattern, sound, name in rows}
    for signal, pattern in PATTERNS.items():
        assert (by_name[signal.value][0] == "steady") == (not pattern.blink)
        assert (by_name[signal.value][1] == "none") == (not pattern.beep)


# --- installing and removing -----------------------------------------------------------------------------------------


def run(command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env=os.environ | environment, cwd=ROOT
    )


def install(root: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Install below `root`, files only; it must succeed."""
    done = run(["sh", str(SYSTEMD / "install.sh"), "--no-venv", *options], DESTDIR=str(root), **environment)
    assert done.returncode == 0, done.stderr
    return done


def snapshot(root: Path) -> dict[str, tuple[str, object]]:
    """Return what is below `root`: for each path its mode and content, link target or nothing."""

    def walk(path: Path) -> Iterator[tuple[str, tuple[str, object]]]:
        for child in sorted(path.iterdir()):
            mode = oct(child.lstat().st_mode)
            content = child.readlink() if child.is_symlink() else child.read_bytes() if child.is_file() else None
            yield str(child.relative_to(root)), (mode, content)
            if child.is_dir() and not child.is_symlink():
                yield from walk(child)

    return dict(walk(root))


def test_install_is_idempotent(tmp_path: Path) -> None:
    """Installing twice leaves what installing once left; nothing half-written lies about."""
    install(tmp_path)
    once = snapshot(tmp_path)
    install(tmp_path)
    assert snapshot(tmp_path) == once
    assert {f"etc/systemd/system/{name}" for name in SERVICES} <= set(once)
    assert not [path for path in once if path.endswith(".new")]


def test_install_keeps_configuration_and_replaces_units(tmp_path: Path) -> None:
    """A second installation leaves the owner's configuration alone and mends a unit that was changed."""
    install(tmp_path)
    mine, theirs = tmp_path / "etc/gate-station/station.toml", tmp_path / "etc/systemd/system/gate-sync.service"
    mine.write_text("# mine\n")
    theirs.write_text("# old\n")
    install(tmp_path)
    assert mine.read_text() == "# mine\n"
    assert theirs.read_text() == (SYSTEMD / "gate-sync.service").read_text()


def test_uninstall_removes_exactly_what_install_made(tmp_path: Path) -> None:
    """What was there before stays, bit for bit; --purge leaves nothing of ours, not even an empty folder."""
    (tmp_path / "etc/systemd/system/gate-sync.service.d").mkdir(parents=True)
    (tmp_path / "etc/systemd/system/gate-sync.service.d/local.conf").write_text("[Service]\n")
    (tmp_path / "etc/udev").mkdir()
    before = snapshot(tmp_path)
    install(tmp_path)
    assert len(snapshot(tmp_path)) > len(before) + 15
    done = run(["sh", str(SYSTEMD / "uninstall.sh"), "--purge"], DESTDIR=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert snapshot(tmp_path) == before


def test_uninstall_keeps_configuration_and_records(tmp_path: Path) -> None:
    """Without --purge, configuration and records stay, and everything else goes."""
    install(tmp_path)
    record = tmp_path / "var/lib/gate-station/journal.db"
    record.parent.mkdir(parents=True)
    record.write_text("records")
    done = run(["sh", str(SYSTEMD / "uninstall.sh")], DESTDIR=str(tmp_path))
    assert done.returncode == 0, done.stderr
    files = {path for path, (_, content) in snapshot(tmp_path).items() if content is not None}
    assert files == {
        "etc/gate-station/station.toml",
        "etc/gate-station/sync.toml",
        "var/lib/gate-station/journal.db",
    }
    again = run(["sh", str(SYSTEMD / "uninstall.sh")], DESTDIR=str(tmp_path))
    assert again.returncode == 1
    assert "nothing is installed" in again.stderr


def test_another_prefix_reaches_every_file(tmp_path: Path) -> None:
    """With PREFIX set, no installed file still points at the default place, and uninstall finds it all."""
    install(tmp_path, PREFIX="/srv/gate")
    for path, (_, content) in snapshot(tmp_path).items():
        assert PREFIX not in str(content), path
    assert (tmp_path / "srv/gate/bin/gate-kiosk").exists()
    done = run(["sh", str(SYSTEMD / "uninstall.sh"), "--purge"], DESTDIR=str(tmp_path), PREFIX="/srv/gate")
    assert done.returncode == 0, done.stderr
    assert snapshot(tmp_path) == {}


@pytest.mark.parametrize(
    ("options", "environment", "said"),
    [
        (["--no-vnev"], {}, "unknown option"),
        (["--no-venv"], {"PREFIX": "/"}, "PREFIX=/"),
        (["--no-venv"], {"PREFIX": "/usr"}, "folder of the station's own"),
        (["--no-venv"], {"PREFIX": "/opt/a b"}, "use letters"),
        (["--no-venv"], {"PREFIX": "/opt/../usr"}, "use letters"),
        (["--no-venv"], {"DESTDIR": "relative"}, "absolute"),
        ([], {}, "add --no-venv"),
    ],
)
def test_install_refuses_nonsense(tmp_path: Path, options: list[str], environment: dict[str, str], said: str) -> None:
    """Wrong use is refused with its remedy before anything is written."""
    given = {"DESTDIR": str(tmp_path)} | environment
    done = run(["sh", str(SYSTEMD / "install.sh"), *options], **given)
    assert done.returncode == 1
    assert said in done.stderr
    assert snapshot(tmp_path) == {}


def test_install_spares_a_folder_that_is_not_its_own(tmp_path: Path) -> None:
    """A PREFIX with something else in it is refused, because uninstalling removes that folder whole."""
    foreign = tmp_path / "opt/gate-station/precious"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("x")
    done = run(["sh", str(SYSTEMD / "install.sh"), "--no-venv"], DESTDIR=str(tmp_path))
    assert done.returncode == 1
    assert "holds something else" in done.stderr
    assert [path for path in snapshot(tmp_path) if path.startswith("etc")] == []


def test_source_of_every_installed_file_exists() -> None:
    """Every file that layout.sh names exists, and every file below systemd/ is installed, a script, or central's."""
    text = (SYSTEMD / "layout.sh").read_text(encoding="utf-8")
    named = set(re.findall(r"^6?7?[0-9]{2,3} (\S+) ", text, re.MULTILINE))
    assert named
    for source in named:
        assert (ROOT / source).is_file(), source
    present = {str(path.relative_to(ROOT)) for path in SYSTEMD.rglob("*") if path.is_file()}
    scripts = {f"systemd/{name}.sh" for name in ("install", "uninstall", "layout")}
    central = {str(path.relative_to(ROOT)) for path in (SYSTEMD / "central").iterdir()}
    assert present - scripts - central == named - {"docs/how-to/install.md"}


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is missing: apt-get install shellcheck")
def test_scripts_are_sound() -> None:
    """Shellcheck finds nothing in the scripts."""
    done = run(["shellcheck", "-x", *map(str, sorted(SYSTEMD.glob("*.sh")))])
    assert done.returncode == 0, done.stdout


def test_limits_of_the_machine() -> None:
    """The machine's watchdog stays within the Raspberry Pi's 15 s, and logs cannot fill the card."""
    manager = configparser.ConfigParser()
    manager.read(SYSTEMD / "system.conf.d/gate-station.conf", encoding="utf-8")
    assert 0 < int(manager["Manager"]["RuntimeWatchdogSec"]) <= 15
    journal = configparser.ConfigParser()
    journal.read(SYSTEMD / "journald.conf.d/gate-station.conf", encoding="utf-8")
    assert journal["Journal"]["SystemMaxUse"] == "200M"


def test_cpu_goes_to_the_gate_first() -> None:
    """Weight and niceness put the station before the browser and the network half."""
    order = [
        (int(values(name, "CPUWeight")[0]), -int(values(name, "Nice")[0]))
        for name in ("gate-station.service", "gate-kiosk.service", "gate-sync.service")
    ]
    assert all(first >= second for first, second in pairwise(order))
    assert order[0] > order[1]
