#!/bin/sh
# Collector: serves the CGI programs of www/, and samples the load of its own host.
# SAMPLE_SECONDS: how often (0: never).  MAX_BYTES: when a log of one source starts anew.
: "${SAMPLE_SECONDS:=5}" "${MAX_BYTES:=262144}"
export MAX_BYTES

sample() {
    while read -r one five rest </proc/loadavg; do
        # The same door as everybody else: one way in, one check of what comes in.
        QUERY_STRING="source=host&metric=load1&value=$one" sh /app/www/cgi-bin/ingest >/dev/null
        sleep "$SAMPLE_SECONDS"
    done
}

trap 'exit 0' TERM INT     # process 1 has no default handlers; without this, a stop takes its full grace period
[ "$SAMPLE_SECONDS" = 0 ] || sample &
httpd -f -p 8080 -h /app/www &
wait $!                    # interrupted by the trap; ends also when the server ends
exit 1
