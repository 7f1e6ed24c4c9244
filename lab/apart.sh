#!/bin/sh
# Runs a command in a network of its own, as root: an Engine that starts there empties no chains of another's iptables.
# As somebody else, or with an Engine that was lent, as it is.
if [ "$(id -u)" = 0 ] && [ -z "${LAB_ENGINE-}" ]; then
    exec unshare --net sh -c 'ip link set lo up && exec "$@"' sh "$@"
fi
exec "$@"
