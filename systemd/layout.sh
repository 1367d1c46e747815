# shellcheck shell=sh disable=SC2034 # what it sets is used where it is sourced
# What belongs where: sourced by install.sh and uninstall.sh, so that both mean the same. PREFIX holds the program and
# its virtual environment, DESTDIR is put before every path (to make a package or to test).

PREFIX=${PREFIX:-/opt/gate-station}
DESTDIR=${DESTDIR:-}
MANIFEST=$PREFIX/share/installed
SERVICES="gate-station.service gate-sync.service gate-kiosk.service"

layout_files() { # mode, file in the source tree, where it goes
    cat <<END
644 systemd/gate-station.service /etc/systemd/system/gate-station.service
644 systemd/gate-sync.service /etc/systemd/system/gate-sync.service
644 systemd/gate-kiosk.service /etc/systemd/system/gate-kiosk.service
644 systemd/sysusers.d/gate-station.conf /etc/sysusers.d/gate-station.conf
644 systemd/tmpfiles.d/gate-station.conf /etc/tmpfiles.d/gate-station.conf
644 systemd/udev/60-gate-station.rules /etc/udev/rules.d/60-gate-station.rules
644 systemd/modules-load.d/gate-station.conf /etc/modules-load.d/gate-station.conf
644 systemd/system.conf.d/gate-station.conf /etc/systemd/system.conf.d/gate-station.conf
644 systemd/journald.conf.d/gate-station.conf /etc/systemd/journald.conf.d/gate-station.conf
755 systemd/gate-kiosk.sh $PREFIX/bin/gate-kiosk
644 docs/how-to/install.md $PREFIX/share/doc/install.md
END
}

layout_examples() { # copied once, then the owner's: never overwritten, removed only by --purge
    cat <<END
640 systemd/station.toml /etc/gate-station/station.toml
640 systemd/sync.toml /etc/gate-station/sync.toml
END
}

layout_links() { # target, link
    cat <<END
$PREFIX/bin/gate-station /usr/local/bin/gate-station
$PREFIX/bin/gate-sync /usr/local/bin/gate-sync
END
}

fail() {
    echo "$(basename "$0"): $*" >&2
    exit 1
}

check_prefix() { # paths go into unit files and through rm -r
    case $PREFIX in
    *[!A-Za-z0-9/._-]* | *..*) fail "PREFIX=$PREFIX: use letters, digits, / . _ - and no .." ;;
    /*/*) ;;
    *) fail "PREFIX=$PREFIX: name a folder of the station's own, such as /opt/gate-station" ;;
    esac
    case $DESTDIR in
    "" | /*) ;;
    *) fail "DESTDIR=$DESTDIR: must be an absolute path" ;;
    esac
}
