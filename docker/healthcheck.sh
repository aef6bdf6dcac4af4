#!/bin/bash
# Exit code 0 when everything that LAUNCH_COMPONENTS starts in this container answers its /health; 1 when something does not, by name,
# and when LAUNCH_COMPONENTS names nothing that could be started (none is the way to ask for that).
set -uo pipefail
here=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P) || exit 1
root=$here
[[ -f $root/script/services.sh ]] || root=${here%/*}
# shellcheck source=script/services.sh
. "$root/script/services.sh"
components=$(printf '%s' "${LAUNCH_COMPONENTS:-all}" | tr '[:upper:]' '[:lower:]' | tr -d '[:space:]')
rc=0
# check NAME HOST PORT
check() { answers "$2" "$3" /health || { warn "$1: no 2xx from http://$2:$3/health"; rc=1; }; }

# sleeps HOST PORT: the babysitter there says that its server is started when a request comes.
sleeps() {
  local over=0
  sleeps_plain "$@" || over=$?
  ((over == 3)) || return $over
  case $(over_tls "$1" "$2" /health) in *'"status":"asleep"'* | *'"status":"dozing"'*) return 0 ;; esac
  return 1
}

# sleeps_plain HOST PORT: 3 where it listens over TLS.
sleeps_plain() {
  (
    at=${1#[}
    at=${at%]}
    exec 3<>"/dev/tcp/$at/$2" || exit 1
    case $at in *:*) at="[$at]" ;; esac
    printf 'GET /health HTTP/1.1\r\nHost: %s:%s\r\nConnection: close\r\n\r\n' "$at" "$2" >&3
    while IFS='' read -r -t 5 line <&3 || [[ -n $line ]]; do
      [[ $line != *'"status":"asleep"'* && $line != *'"status":"dozing"'* ]] || exit 0
      [[ $line != 'This port speaks TLS: '* ]] || exit 3
    done
    exit 1
  ) 2>/dev/null
}

# own_health FILE: where the babysitter that is started with it answers, as its own reader says; else what is wrong with the file.
# To ask it costs half a second of a core, so what it said is kept as long as file and environment are the same.
own_health() {
  local kept said
  [[ -z ${BABYSITTER_HOST:-} ]] || local -x INFINI_HOST=$BABYSITTER_HOST
  kept=${LOG_DIR:-$root/logs}/.health-$({ printf '%s\n' "$1"; cat "$1"; env | grep '^INFINI_' | sort; } 2>/dev/null | cksum | tr ' ' '-')
  if [[ ! -s $kept ]]; then
    said=$("$bin" config check "$1" 2>&1) || { printf '%s\n' "${said%%$'\n'*}"; return 1; }
    said=$(sed -n 's/^own_health = \([^ ]*\).*/\1/p' <<<"$said")
    (umask 077 && printf '%s\n' "$said" >"$kept") 2>/dev/null || { printf '%s\n' "$said"; return 0; }
  fi
  cat "$kept"
}

IFS=, read -ra list <<<"$components"
known=false
for component in ${list[@]+"${list[@]}"}; do
  case $component in
    all | none | registry | router | babysitter) known=true ;;
    '') ;;
    *) warn "LAUNCH_COMPONENTS: $component (expected: all, none, registry, router or babysitter)"; rc=1 ;;
  esac
done
$known || { warn "LAUNCH_COMPONENTS: \"${LAUNCH_COMPONENTS:-}\" names nothing (expected: all, none, registry, router or babysitter)"; rc=1; }
components=,$components,

host=${LISTEN_HOST:-127.0.0.1}
case $host in 0.0.0.0) host=127.0.0.1 ;; :: | '[::]') host=::1 ;; esac
[[ $components != *,all,* && $components != *,registry,* ]] || check registry "$host" "${REGISTRY_PORT:-18000}"
[[ $components != *,all,* && $components != *,router,* ]] || check router "$host" "${ROUTER_PORT:-8000}"
if [[ $components == *,all,* || $components == *,babysitter,* ]]; then
  IFS=$' \t\n' read -r -d '' -a configs <<<"${BABYSITTER_CONFIGS:-}" || true
  bin=${INFINI_BIN:-$root/bin/infini}
  [[ -n ${INFINI_BIN:-} || -x $bin ]] || bin=$(command -v infini) || bin=infini
  for config in ${configs[@]+"${configs[@]}"}; do
    [[ $config == /* ]] || config=$root/config/$config
    own=$(own_health "$config") || { warn "$config (expected: a file that a babysitter can be started with): $own"; rc=1; continue; }
    own=${own#*://}
    own=${own%/health}
    sleeps "${own%:*}" "${own##*:}" || check "${config##*/}" "${own%:*}" "${own##*:}"
  done
fi
exit $rc
