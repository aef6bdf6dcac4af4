#!/bin/bash
# stop_all.sh: ends what launch_all_rust.sh started: the router, then the babysitters, then the registry.
# Each gets SIGTERM and STOP_TIMEOUT_SECONDS (10); what is left of it and of its children then is killed. Nothing else is touched,
# whatever port it holds. LOG_DIR (logs/): where the PID files are.
# Exit code: 0 ended; 1 nothing was running.
set -uo pipefail
root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P) || exit 1
# shellcheck source=script/services.sh
. "$root/script/services.sh"
case ${1:-} in
  '') ;;
  --help | -h) sed -n '2,5s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
  *) die "$1 (expected: --help or nothing)" 2 ;;
esac
: "${LOG_DIR:=$root/logs}" "${STOP_TIMEOUT_SECONDS:=10}"
a_number STOP_TIMEOUT_SECONDS 1 86400

ended=0
# end_those PIDFILE...: all of these at once.
end_those() {
  local file pid pids=()
  for file in "$@"; do
    [[ -f $file ]] || continue
    if pid=$(running "$file"); then
      say "$(basename "$file" .pid): ending, PID $pid"
      pids+=("$pid")
    fi
  done
  if ((${#pids[@]})); then
    end "$STOP_TIMEOUT_SECONDS" "${pids[@]}"
    ended=$((ended + ${#pids[@]}))
  fi
  for file in "$@"; do rm -f "$file" "$file.start"; done
}
end_those "$LOG_DIR/router.pid"
end_those "$LOG_DIR"/babysitter_*.pid
end_those "$LOG_DIR/registry.pid"
((ended)) || die "nothing was running (no live process noted in $LOG_DIR)"
say "$ended ended"
