#!/bin/bash
# Shows the guard screen full screen and alone. Started by gate-kiosk.service; GATE_SCREEN_URL names the page.
set -eu

url=${GATE_SCREEN_URL:-http://127.0.0.1:8080/}
address=${url#*://}
address=${address%%/*}
host=${address%:*}
port=${address##*:}
[ "$port" != "$address" ] || port=80

browser=
for name in chromium chromium-browser; do
    if command -v "$name" >/dev/null; then
        browser=$name
        break
    fi
done
if [ -z "$browser" ]; then
    echo "gate-kiosk: no browser; install one with: apt-get install chromium" >&2
    exit 1
fi

# A browser that finds nobody at first shows its own error page, and waits longer and longer before it looks again.
until (exec 3<>"/dev/tcp/${host//[\[\]]/}/$port") 2>/dev/null; do
    sleep 1
done

exec cage -d -s -- "$browser" \
    --kiosk "$url" \
    --ozone-platform=wayland \
    --user-data-dir="$PWD/profile" --disk-cache-size=1 \
    --incognito --no-first-run --noerrdialogs --disable-session-crashed-bubble \
    --disable-sync --disable-extensions --disable-component-update --disable-background-networking \
    --disable-features=Translate,MediaRouter \
    --overscroll-history-navigation=0 --disable-pinch
