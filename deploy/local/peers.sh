#!/usr/bin/env bash
# Install the programs that some tests talk to, where that is allowed; tests skip what is missing.
# Arguments `program=package` add to the list (`make bench`, `make test-containers`).
# Nothing is started: a policy-rc.d for the time of the install refuses every daemon.
set -euo pipefail

declare -A programs=(
  [swaks]=swaks [postfix]=postfix
  [/usr/lib/dovecot/imap]=dovecot-imapd [/usr/lib/dovecot/pop3]=dovecot-pop3d
  [sieve-test]=dovecot-sieve
)
for more in "$@"; do programs[${more%%=*}]=${more#*=}; done
missing=()
for program in "${!programs[@]}"; do
  PATH=$PATH:/usr/sbin command -v "$program" >/dev/null || missing+=("${programs[$program]}")
done
# What swaks speaks TLS with.
perl -MNet::SSLeay -e 1 2>/dev/null || missing+=(libnet-ssleay-perl)
# A browser: the engine without windows costs half; where it cannot be had, the whole of it will do.
light=chromium-headless-shell
command -v $light >/dev/null || command -v chromium >/dev/null || missing+=(chromium)
[ ${#missing[@]} -gt 0 ] || [ "$(id -u)" = 0 ] || exit 0
[ ${#missing[@]} -gt 0 ] || ! command -v $light >/dev/null || exit 0
[ ${#missing[@]} -gt 0 ] || command -v apt-get >/dev/null || exit 0

root=()
if [ "$(id -u)" != 0 ]; then
  if ! sudo -n true 2>/dev/null; then
    echo "not root: tests that need ${missing[*]} will be skipped" >&2
    exit 0
  fi
  root=(sudo -n)
fi
if ! command -v apt-get >/dev/null; then
  echo "no apt-get: tests that need ${missing[*]} will be skipped" >&2
  exit 0
fi

policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap '"${root[@]}" rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee "$policy" >/dev/null
  "${root[@]}" chmod 755 "$policy"
fi
echo "installing ${missing[*]:-$light} for the tests" >&2
apt=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0)
"${apt[@]}" update >/dev/null || true
if ! command -v $light >/dev/null \
  && "${apt[@]}" install -y --no-install-recommends $light >/dev/null 2>&1; then
  missing=($(printf '%s\n' "${missing[@]}" | grep -vx chromium || true))
fi
[ ${#missing[@]} -gt 0 ] || exit 0
"${apt[@]}" install -y --no-install-recommends "${missing[@]}" >/dev/null \
  || echo "could not install all of: ${missing[*]}; tests that need them will be skipped" >&2
