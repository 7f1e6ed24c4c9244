#!/bin/sh
# Camera: draws frames and serves the newest. Writes below /tmp only, so its root may be read-only.
# FRAME_SECONDS: the pause between frames.  DEFECT_RATE: share of parts with a defect, 0 to 1.
: "${FRAME_SECONDS:=1}" "${DEFECT_RATE:=0.2}"
www=/tmp/www
mkdir -p "$www"

shoot() {
    frame=0
    while :; do
        frame=$((frame + 1))
        awk -v frame="$frame" -v rate="$DEFECT_RATE" -v seed="$(($(date +%s) * 1000 + frame))" \
            -f /app/frame.awk >"$www/next" && mv "$www/next" "$www/frame.pgm"    # nobody sees half a frame
        sleep "$FRAME_SECONDS"
    done
}

trap 'exit 0' TERM INT     # process 1 has no default handlers
shoot &
httpd -f -p 8080 -h "$www" &
wait $!
exit 1
