#!/bin/sh
# Installs the Debian packages that are missing for `demo` or `test`; without root or sudo it prints the command.
set -eu

missing=""
need() { # need PACKAGE COMMAND-OR-FILE...: the package is needed unless one of these is there
    package=$1
    shift
    for found in "$@"; do
        if command -v "$found" >/dev/null 2>&1 || [ -e "$found" ]; then return 0; fi
    done
    missing="$missing $package"
}

need libzbar0 /usr/lib/*-linux-gnu*/libzbar.so.0
need mosquitto mosquitto /usr/sbin/mosquitto
python3 -c 'import ensurepip' 2>/dev/null || missing="$missing python3-venv"
if [ "${1:-demo}" = test ]; then
    need postgresql /usr/lib/postgresql/*/bin/initdb
    need chromium chromium
    need systemd systemd-analyze
    need shellcheck shellcheck
    need espeak-ng espeak-ng
    need alsa-utils aplay
fi

[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ]; then
    run=""
elif command -v sudo >/dev/null 2>&1; then
    run=sudo
else
    echo "These packages are missing; as root run:  apt-get install$missing" >&2
    exit 1
fi
echo "installing:$missing"
# shellcheck disable=SC2086 # the list is words on purpose
$run apt-get update -qq && $run env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
# The tests and the demo start their own servers on ports of their own; the packages' services are not wanted.
for service in mosquitto postgresql; do
    case "$missing" in *"$service"*) $run systemctl disable --now "$service" >/dev/null 2>&1 || true ;; esac
done
