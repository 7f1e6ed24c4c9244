#!/bin/sh
# Andon: draws the board anew every REFRESH_SECONDS, from the collector's metrics. Writes below /tmp only.
# TITLE, LINE: what stands on top.  COLLECTOR_URL: whom to ask.
: "${REFRESH_SECONDS:=2}"
www=/tmp/www
mkdir -p "$www"

draw() {
    while :; do
        # `timeout`: the wget of Debian's static BusyBox crashes on its own option -T.
        # A collector that is away makes an empty board, not an old one that looks like the present.
        timeout 2 wget -q -O /tmp/metrics "$COLLECTOR_URL/cgi-bin/metrics" || : >/tmp/metrics
        awk -v title="$TITLE" -v line="$LINE" -v refresh="$REFRESH_SECONDS" -v now="$(date +%s)" \
            -f /app/board.awk /tmp/metrics >"$www/next" && mv "$www/next" "$www/index.html"
        sleep "$REFRESH_SECONDS"
    done
}

trap 'exit 0' TERM INT     # process 1 has no default handlers
draw &
httpd -f -p 8080 -h "$www" &
wait $!
exit 1
