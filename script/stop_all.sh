#!/bin/bash
# stop_all.sh: ends what launch_all_rust.sh started: the router, then the babysitters, then the registry.
# Each gets SIGTERM and STOP_TIMEOUT_SECONDS (10); what is left of it and of all that came from it then is killed. Nothing else is
# touched, whatever port it holds. A launch that is under way is waited for, a minute at most.
# LOG_DIR (logs/): where the PID files are. INFINI_BIN: the program that does it (`infini down`).
# Exit code: 0 ended; 1 nothing was running.
set -uo pipefail
root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P) || exit 1
# shellcheck source=script/services.sh
. "$root/script/services.sh"
case ${1:-} in
  '') ;;
  --help | -h) sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
  *) die "$1 (expected: --help or nothing)" 2 ;;
esac
: "${LOG_DIR:=$root/logs}" "${STOP_TIMEOUT_SECONDS:=10}"
a_number STOP_TIMEOUT_SECONDS 1 86400

# What a launch starts after this has looked would run on.
[[ ! -w $LOG_DIR/launch.lock ]] || lock 60 || warn "another launch in $LOG_DIR does not end: what it starts after this runs on"
ends --grace "$STOP_TIMEOUT_SECONDS" 9>&-
