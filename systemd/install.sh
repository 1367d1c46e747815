#!/bin/sh
# Installs the gate station on this machine, or again over an older one. As root. docs/how-to/install.md tells the rest.
#
#   --kiosk         also the browser for a display on this machine
#   --no-packages   do not call apt-get
#   --no-venv       do not build the virtual environment
#   PREFIX=/opt/gate-station DESTDIR=   from the environment; with DESTDIR only files are copied
set -eu
cd "$(dirname "$0")/.."
. systemd/layout.sh

kiosk=no packages=yes venv=yes
for option in "$@"; do
    case $option in
    --kiosk) kiosk=yes ;;
    --no-packages) packages=no ;;
    --no-venv) venv=no ;;
    *) fail "unknown option $option; known are --kiosk --no-packages --no-venv" ;;
    esac
done
check_prefix
manifest=$DESTDIR$MANIFEST

main() {
    if [ -z "$DESTDIR" ]; then
        [ "$(id -u)" = 0 ] || fail "must run as root: sudo make install"
        if [ "$packages" = yes ]; then install_packages; fi
    elif [ "$venv" = yes ]; then
        fail "a virtual environment cannot be moved, so none is built with DESTDIR; add --no-venv"
    fi
    if [ ! -e "$manifest" ] && [ -n "$(ls -A "$DESTDIR$PREFIX" 2>/dev/null)" ]; then
        fail "$DESTDIR$PREFIX holds something else; empty it or choose another PREFIX"
    fi
    make_folder "$(dirname "$MANIFEST")"
    if [ "$venv" = yes ]; then build_venv; fi
    layout_files | while read -r mode from to; do put "$mode" "$from" "$to"; done
    layout_links | while read -r target link; do
        make_folder "$(dirname "$link")"
        ln -sfn "$target" "$DESTDIR$link"
        note file "$link"
    done
    layout_examples | while read -r mode from to; do
        if [ ! -e "$DESTDIR$to" ]; then
            make_folder "$(dirname "$to")"
            install -m "$mode" "$from" "$DESTDIR$to"
        fi
        note own "$to"
    done
    if [ -z "$DESTDIR" ]; then tell_system; fi
    echo "installed in $DESTDIR$PREFIX; next: /etc/gate-station/station.toml, then gate-station doctor"
}

note() { # remembers in the manifest what uninstall.sh has to take away
    line="$1 $2"
    if ! grep -qxF -- "$line" "$manifest" 2>/dev/null; then echo "$line" >>"$manifest"; fi
}

make_folder() { # with its parents; only what was not there before is remembered
    [ -d "$DESTDIR$1" ] && return 0
    if [ "$1" != / ]; then make_folder "$(dirname "$1")"; fi
    mkdir -m 755 -- "$DESTDIR$1"
    folders="${folders:-}$1
"
    if [ -d "$(dirname "$manifest")" ]; then
        printf '%s' "$folders" | while read -r folder; do note folder "$folder"; done
        folders=""
    fi
}

put() { # MODE FROM TO: written beside and renamed, so that nobody ever reads half a file
    make_folder "$(dirname "$3")"
    sed "s|/opt/gate-station|$PREFIX|g" "$2" >"$DESTDIR$3.new"
    chmod "$1" "$DESTDIR$3.new"
    mv -f -- "$DESTDIR$3.new" "$DESTDIR$3"
    note file "$3"
}

# --- the program -----------------------------------------------------------------------------------------------------

python_says() { python3 -c "import sys; sys.exit(not ($1))"; }

on_a_pi() { grep -qs "Raspberry Pi" /proc/device-tree/model; }

install_packages() {
    command -v apt-get >/dev/null || fail "no apt-get here: install libzbar0 and python3-venv, then use --no-packages"
    missing=""
    need() { dpkg -s "$1" 2>/dev/null | grep -q "^Status: install ok installed" || missing="$missing $1"; }
    need libzbar0
    need python3-venv
    # PyPI has no lgpio for Python 3.13; there it is the distribution's.
    if on_a_pi && python_says "sys.version_info >= (3, 13)"; then need python3-lgpio; fi
    if [ "$kiosk" = yes ]; then
        need cage
        command -v chromium-browser >/dev/null || need chromium
    fi
    [ -n "$missing" ] || return 0
    echo "installing:$missing"
    apt-get update -qq
    # shellcheck disable=SC2086 # the list is words on purpose
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
}

build_venv() {
    python_says "(3, 11) <= sys.version_info < (3, 14)" || fail "needs Python 3.11 to 3.13; this is $(python3 -V)"
    site=""
    # lgpio for Python 3.13 and picamera2 exist in the distribution only.
    if python_says "sys.version_info >= (3, 13)" || python3 -c "import picamera2" 2>/dev/null; then
        site=--system-site-packages
    fi
    note venv "$PREFIX"
    # shellcheck disable=SC2086 # empty or one word
    python3 -m venv $site "$PREFIX"
    "$PREFIX/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.lock
    copy=$(mktemp -d)
    trap 'rm -rf -- "$copy"' EXIT
    # Built from a copy: pip would leave build/ and *.egg-info in the source tree, owned by root.
    cp -R pyproject.toml README.md LICENSE station drivers sync "$copy"
    "$PREFIX/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-index \
        --no-build-isolation --force-reinstall "$copy"
}

# --- the system ------------------------------------------------------------------------------------------------------

tell_system() {
    systemd-sysusers
    # The examples are there now: their group is set as well.
    systemd-tmpfiles --create /etc/tmpfiles.d/gate-station.conf
    [ -d /run/systemd/system ] || { echo "systemd does not run here; enable $SERVICES yourself" && return 0; }
    modprobe -q i2c-dev || true
    udevadm control --reload
    udevadm trigger --subsystem-match=gpio --subsystem-match=i2c-dev --subsystem-match=dma_heap
    systemctl daemon-reload
    systemctl try-restart systemd-journald.service
    # shellcheck disable=SC2086 # a list of words
    systemctl enable --quiet $SERVICES
    # An older version that runs is replaced; a first installation waits for its configuration.
    # shellcheck disable=SC2086
    systemctl try-restart $SERVICES
}

main
