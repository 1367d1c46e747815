#!/bin/sh
# Takes the gate station off this machine: exactly what install.sh put there. As root.
# Configuration (/etc/gate-station), records (/var/lib) and users stay; --purge removes them too.
set -eu
cd "$(dirname "$0")/.."
. systemd/layout.sh

purge=no
for option in "$@"; do
    case $option in
    --purge) purge=yes ;;
    *) fail "unknown option $option; known is --purge" ;;
    esac
done
check_prefix
manifest=$DESTDIR$MANIFEST

main() {
    if [ -z "$DESTDIR" ] && [ "$(id -u)" != 0 ]; then fail "must run as root: sudo make uninstall"; fi
    [ -e "$manifest" ] || fail "$manifest is not there: nothing is installed under PREFIX=$PREFIX"
    if [ -z "$DESTDIR" ] && [ -d /run/systemd/system ]; then
        # shellcheck disable=SC2086 # a list of words
        systemctl disable --now --quiet $SERVICES || true
    fi
    list=$(mktemp)
    cp "$manifest" "$list"
    remove_files
    rm -f -- "$manifest"
    remove_folders
    rm -f -- "$list"
    if [ -z "$DESTDIR" ]; then tell_system; fi
    if [ "$purge" = yes ]; then
        echo "removed, with configuration and records"
    else
        echo "removed; /etc/gate-station, /var/lib/gate-station and /var/lib/gate-sync stay (--purge removes them)"
    fi
}

remove_files() {
    while read -r what path; do
        case $what in
        file) rm -f -- "$DESTDIR$path" ;;
        own) if [ "$purge" = yes ]; then rm -f -- "$DESTDIR$path"; fi ;;
        venv) rm -rf -- "$DESTDIR$path" ;; # install.sh found the folder empty, and check_prefix has looked at its name
        esac
    done <"$list"
    if [ "$purge" = yes ]; then
        for state in /etc/gate-station /var/lib/gate-station /var/lib/gate-sync /run/gate-station; do
            rm -rf -- "$DESTDIR$state"
        done
    fi
}

remove_folders() { # the ones install.sh made, inner ones first, unless somebody else put something in
    sed -n 's/^folder //p' "$list" | sort -r | while read -r folder; do
        rmdir -- "$DESTDIR$folder" 2>/dev/null || true
    done
}

tell_system() {
    if [ "$purge" = yes ]; then
        for user in gate-station gate-sync gate-kiosk; do
            if getent passwd "$user" >/dev/null; then userdel "$user"; fi
        done
        if getent group gate >/dev/null; then groupdel gate; fi
    fi
    [ -d /run/systemd/system ] || return 0
    systemctl daemon-reload
    udevadm control --reload || true
    systemctl try-restart systemd-journald.service
}

main
