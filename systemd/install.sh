#!/bin/sh
# Installs this checkout as a service, or brings an installed one up to date: /opt/kiosk, users, folders, units.
# As root: systemd/install.sh [--from WEIGHTS]. Configuration and keys that are there already are left alone.
set -eu
umask 022
cd "$(dirname "$0")/.."

say() { printf 'install: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

[ "$(id -u)" -eq 0 ] || fail "must run as root. Run: sudo systemd/install.sh"
[ -d /run/systemd/system ] || fail "systemd does not run this machine. Start the kiosk with \`kiosk run\` instead."
case ${1:-} in
"") ;;
--from) KIOSK_MODELS_FROM=${2:?the folder that holds the weights}; export KIOSK_MODELS_FROM ;;
*) fail "unknown option $1. Use: systemd/install.sh [--from WEIGHTS]" ;;
esac

say "copying to /opt/kiosk"
mkdir -p /opt/kiosk
for part in kiosk devices flows models requirements scripts systemd pyproject.toml README.md LICENSE; do
    rm -rf "/opt/kiosk/$part"
    cp -R "$part" /opt/kiosk/
done

say "users and folders"
install -m 644 systemd/sysusers.d/kiosk.conf /usr/lib/sysusers.d/kiosk.conf
install -m 644 systemd/tmpfiles.d/kiosk.conf /usr/lib/tmpfiles.d/kiosk.conf
systemd-sysusers /usr/lib/sysusers.d/kiosk.conf

mkdir -p /etc/kiosk
for file in kiosk.toml devices.toml; do
    if [ ! -e /etc/kiosk/$file ]; then
        install -m 644 systemd/etc/$file /etc/kiosk/$file
        say "wrote /etc/kiosk/$file: fill in the words in capitals"
    fi
done
if [ ! -e /etc/udev/rules.d/60-kiosk.rules ]; then
    install -D -m 644 systemd/udev/60-kiosk.rules /etc/udev/rules.d/60-kiosk.rules
    say "wrote /etc/udev/rules.d/60-kiosk.rules: fill in vendor, product and serial of the serial adapters"
fi
if [ ! -e /etc/kiosk/pairing-core.key ] || [ ! -e /etc/kiosk/pairing-devices.key ]; then
    (
        umask 077
        od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >/etc/kiosk/pairing-core.key
        cp /etc/kiosk/pairing-core.key /etc/kiosk/pairing-devices.key
    )
fi
systemd-tmpfiles --create /usr/lib/tmpfiles.d/kiosk.conf

KIOSK_WEIGHTS=/var/lib/kiosk/models sh /opt/kiosk/scripts/setup.sh run
/opt/kiosk/.venv/bin/python -m compileall -q /opt/kiosk/kiosk /opt/kiosk/devices

say "units"
install -m 644 systemd/*.service systemd/kiosk.target /etc/systemd/system/
systemctl daemon-reload
systemctl enable --quiet kiosk.target kiosk.service kiosk-speech.service kiosk-vision.service kiosk-devices.service
say "done. Check with: KIOSK_WEIGHTS=/var/lib/kiosk/models /opt/kiosk/.venv/bin/kiosk doctor"
say "then start: systemctl start kiosk.target"
