#!/bin/sh
# Run once in a fresh machine: installs the station as a technician does, and the lab's own units around it.
set -eu
disk=/dev/disk/by-label/lab-install
mkdir -p /run/lab-install /root/gate-station
mount -o ro "$disk" /run/lab-install
# PyPI has no lgpio for this Python; on a Pi it is the distribution's python3-lgpio, which lands here.
cp -r /opt/venv/lib/python3*/site-packages/*lgpio* /usr/lib/python3/dist-packages/
cp -R /run/lab-install/gate-station/. /root/gate-station/
cd /root/gate-station
PIP_NO_INDEX=1 PIP_FIND_LINKS=/run/lab-install/wheels sh systemd/install.sh --no-packages
install -d /opt/lab-station /etc/systemd/system/gate-station.service.d /etc/systemd/system/ssh.service.d
install -m 755 tests/lab/guest/*.py tests/lab/guest/rig.sh tests/powercut/guest/*.py /opt/lab-station/
install -m 644 tests/lab/guest/*.service /etc/systemd/system/
install -m 644 tests/lab/guest/gate-station.conf /etc/systemd/system/gate-station.service.d/lab.conf
install -m 644 tests/lab/guest/ssh.conf /etc/systemd/system/ssh.service.d/lab.conf
systemctl daemon-reload
systemctl enable --quiet lab-rig.service lab-wires.service lab-relay-watch.service lab-scene.service
sync
