#!/bin/bash
# Installs, on a bare Debian 12, what the lab needs and the machine lacks. Starts no service.
# Usage: lab/packages.sh [--quiet]        PYTHON=python3.11 lab/packages.sh
set -euo pipefail

quiet=''
case ${1-} in
    '') ;;
    --quiet) quiet=yes ;;
    *) echo "usage: lab/packages.sh [--quiet]" >&2; exit 2 ;;
esac
say() { [ -n "$quiet" ] || echo "$*"; }
fail() { echo "lab/packages.sh: $*" >&2; exit 1; }

# Daemons live in sbin, which a plain user's PATH lacks.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
PYTHON=${PYTHON:-python3}

has() { command -v "$1" >/dev/null 2>&1; }

can_make_venv() {    # `import venv` works without Debian's python3-venv; it is ensurepip that is split off
    has "$PYTHON" && "$PYTHON" -c 'import ensurepip, venv' >/dev/null 2>&1
}

is_static() {    # Debian's dynamic `busybox` cannot run in an image that holds nothing else
    has busybox && ! ldd "$(command -v busybox)" >/dev/null 2>&1
}

missing=()
has git || missing+=(git)
has ssh-keygen || missing+=(openssh-client)
has gpg || missing+=(gnupg)
has age || missing+=(age)
has faketime || missing+=(faketime)
has sshd || missing+=(openssh-server)
# An Engine that answers is enough; a `docker` command may be there without one.
has docker && docker version >/dev/null 2>&1 || has dockerd || missing+=(docker.io)
has iptables || missing+=(iptables)
has ip || missing+=(iproute2)
is_static || missing+=(busybox-static)
has docker-registry || missing+=(docker-registry)
can_make_venv || missing+=(python3-venv)
[ -s /etc/ssl/certs/ca-certificates.crt ] || missing+=(ca-certificates)

if [ ${#missing[@]} -eq 0 ]; then
    say "lab/packages.sh: nothing to install"
    exit 0
fi
has apt-get || fail "no apt-get here; install by hand: ${missing[*]}"
[ "$(id -u)" = 0 ] || fail "must be root to install: ${missing[*]}"

# invoke-rc.d asks this program before it starts a service: 101 is "no". An existing one is not ours to change.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 143' TERM
    trap 'exit 130' INT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

say "lab/packages.sh: installing ${missing[*]}"
log=$(mktemp)
export DEBIAN_FRONTEND=noninteractive
if ! { apt-get update -q && apt-get install -qy --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    fail "apt-get could not install: ${missing[*]}"
fi
rm -f "$log"

# With pyenv in front, Debian's python3-venv serves Debian's Python, not the one that PYTHON names.
can_make_venv || fail "'$PYTHON' still cannot make a venv; try PYTHON=/usr/bin/python3"
