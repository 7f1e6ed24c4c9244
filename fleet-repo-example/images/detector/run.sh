#!/bin/sh
# Detector: frame in, probability of a defect out; the newest answer is at /cgi-bin/last.
# CAMERA_URL, COLLECTOR_URL: where from, where to.  SOURCE: our name at the collector.
# INFER_SECONDS: the pause between frames.  THRESHOLD: from which probability it counts as a defect.
# FRESH_SECONDS: an answer older than this makes us unhealthy.
: "${SOURCE:=detector}" "${INFER_SECONDS:=1}" "${THRESHOLD:=0.5}" "${FRESH_SECONDS:=10}"
export FRESH_SECONDS

# `timeout`, because the wget of Debian's static BusyBox crashes on its own option -T.
infer() {
    timeout 2 wget -q -O /tmp/frame.pgm "$CAMERA_URL" || { echo "no frame from $CAMERA_URL" >&2; return 1; }
    awk -v threshold="$THRESHOLD" -v now="$(date +%s)" -f /app/infer.awk /model/weights.txt /tmp/frame.pgm \
        >/tmp/next && mv /tmp/next /tmp/last
}

send() {    # a collector that is away is no reason to stop looking, nor to be unhealthy
    timeout 2 wget -q -O /dev/null "$COLLECTOR_URL/cgi-bin/ingest?source=$SOURCE&metric=$1&value=$2" ||
        echo "$COLLECTOR_URL did not take $1=$2" >&2
}

look() {
    seen=''
    while :; do
        if infer; then
            read -r now frame probability defect </tmp/last
            if [ "$frame" != "$seen" ]; then    # never count one part twice
                send defect_probability "$probability"
                send defect "$defect"
                seen=$frame
            fi
        fi
        sleep "$INFER_SECONDS"
    done
}

trap 'exit 0' TERM INT     # process 1 has no default handlers
look &
httpd -f -p 8080 -h /app/www &
wait $!
exit 1
