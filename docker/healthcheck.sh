#!/bin/bash
# Exit code 0 when everything that LAUNCH_COMPONENTS starts in this container answers its /health; 1 when something does not, by name.
set -uo pipefail
here=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P) || exit 1
root=$here
[[ -f $root/script/services.sh ]] || root=${here%/*}
# shellcheck source=script/services.sh
. "$root/script/services.sh"
components=",$(printf '%s' "${LAUNCH_COMPONENTS:-all}" | tr '[:upper:]' '[:lower:]' | tr -d '[:space:]'),"
rc=0
# check NAME HOST PORT
check() { answers "$2" "$3" /health || { warn "$1: no 2xx from http://$2:$3/health"; rc=1; }; }

host=${LISTEN_HOST:-127.0.0.1}
case $host in 0.0.0.0) host=127.0.0.1 ;; :: | '[::]') host=::1 ;; esac
[[ $components != *,all,* && $components != *,registry,* ]] || check registry "$host" "${REGISTRY_PORT:-18000}"
[[ $components != *,all,* && $components != *,router,* ]] || check router "$host" "${ROUTER_PORT:-8000}"
if [[ $components == *,all,* || $components == *,babysitter,* ]]; then
  IFS=$' \t\n' read -r -d '' -a configs <<<"${BABYSITTER_CONFIGS:-}" || true
  for config in ${configs[@]+"${configs[@]}"}; do
    [[ $config == /* ]] || config=$root/config/$config
    # The port of the file's top level; the babysitter's own is the next one.
    port=$(sed -n -e '/^[[:space:]]*\[/q' -e 's/^[[:space:]]*port[[:space:]]*=[[:space:]]*\([0-9]\{1,5\}\).*/\1/p' "$config" 2>/dev/null | head -n 1)
    if [[ -z $port ]]; then warn "$config (expected: a file with a port)"; rc=1; continue; fi
    # Where the file has it listen on one IPv6 address, there.
    at=$(sed -n -e '/^[[:space:]]*\[/q' -e 's/^[[:space:]]*host[[:space:]]*=[[:space:]]*"\([0-9a-fA-F:]*:[0-9a-fA-F:]*\)".*/\1/p' "$config" 2>/dev/null | head -n 1)
    case $at in ::) at=::1 ;; esac
    check "${config##*/}" "${at:-127.0.0.1}" $((port + 1))
  done
fi
exit $rc
