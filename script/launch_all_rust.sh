#!/bin/bash
# launch_all_rust.sh [--foreground]: starts registry, router and babysitters, in this order; stop_all.sh ends them.
#   --foreground  stay until SIGTERM or SIGINT, then end all; also when the registry, the router or the last babysitter ends, with
#                 its exit code. One babysitter of several that ends takes only its own instance with it.
# The name is that of the earlier InfiniLM-SVC; the programs are Java.
#
# Which: LAUNCH_REGISTRY, LAUNCH_ROUTER, LAUNCH_BABYSITTER (true); BABYSITTER_CONFIGS, files separated by spaces, relative to config/
# Where: REGISTRY_PORT (18000), ROUTER_PORT (8000), LISTEN_HOST (the programs' own: all interfaces), BABYSITTER_HOST (address to register)
# Whom:  ROUTER_REGISTRY_URL (http://localhost:REGISTRY_PORT), BABYSITTER_REGISTRY_URL, BABYSITTER_ROUTER_URL (what the files say)
# Times, in seconds: REGISTRY_HEALTH_INTERVAL (30), REGISTRY_HEALTH_TIMEOUT (5), REGISTRY_CLEANUP_INTERVAL (60), ROUTER_HEALTH_INTERVAL
#   (30), ROUTER_HEALTH_TIMEOUT (5), ROUTER_REGISTRY_SYNC_INTERVAL (10), REGISTRY_WAIT_TIMEOUT, ROUTER_WAIT_TIMEOUT (60),
#   STOP_TIMEOUT_SECONDS (9: all that --foreground takes to end)
# Programs: REGISTRY_BIN, ROUTER_BIN, BABYSITTER_BIN (infini-registry ... on PATH, else in bin/), INFINI_BIN (in bin/, else on PATH; it
#   ends the others). LOG_DIR (logs/): logs and PID files.
# Exit code: 0 all started, or run already (with other settings: which are named); 1 one did not, or runs at another port; 2 a wrong value.
set -uo pipefail
root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P) || exit 1
# shellcheck source=script/services.sh
. "$root/script/services.sh"

foreground=false
case ${1:-} in
  '') ;;
  --foreground) foreground=true ;;
  --help | -h) sed -n '2,17s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
  *) die "$1 (expected: --foreground, --help or nothing)" 2 ;;
esac

: "${LAUNCH_REGISTRY:=true}" "${LAUNCH_ROUTER:=true}" "${LAUNCH_BABYSITTER:=true}"
: "${REGISTRY_PORT:=18000}" "${ROUTER_PORT:=8000}" "${LISTEN_HOST:=}"
: "${REGISTRY_HEALTH_INTERVAL:=30}" "${REGISTRY_HEALTH_TIMEOUT:=5}" "${REGISTRY_CLEANUP_INTERVAL:=60}"
: "${ROUTER_HEALTH_INTERVAL:=30}" "${ROUTER_HEALTH_TIMEOUT:=5}" "${ROUTER_REGISTRY_SYNC_INTERVAL:=10}"
: "${REGISTRY_WAIT_TIMEOUT:=60}" "${ROUTER_WAIT_TIMEOUT:=60}" "${STOP_TIMEOUT_SECONDS:=9}"
: "${BABYSITTER_HOST:=}" "${BABYSITTER_REGISTRY_URL:=}" "${BABYSITTER_ROUTER_URL:=}"
: "${ROUTER_REGISTRY_URL=http://localhost:$REGISTRY_PORT}" "${LOG_DIR:=$root/logs}"
for name in REGISTRY_PORT ROUTER_PORT; do a_number $name 1 65535; done
for name in REGISTRY_HEALTH_INTERVAL REGISTRY_HEALTH_TIMEOUT REGISTRY_CLEANUP_INTERVAL ROUTER_HEALTH_INTERVAL ROUTER_HEALTH_TIMEOUT \
  ROUTER_REGISTRY_SYNC_INTERVAL REGISTRY_WAIT_TIMEOUT ROUTER_WAIT_TIMEOUT STOP_TIMEOUT_SECONDS; do a_number $name 1 86400; done
for name in LAUNCH_REGISTRY LAUNCH_ROUTER LAUNCH_BABYSITTER; do is_true $name || true; done
# An array when this file is sourced or edited to hold one, else one string.
if [[ "$(declare -p BABYSITTER_CONFIGS 2>/dev/null)" == 'declare -a'* ]]; then
  configs=(${BABYSITTER_CONFIGS[@]+"${BABYSITTER_CONFIGS[@]}"})
else
  IFS=$' \t\n' read -r -d '' -a configs <<<"${BABYSITTER_CONFIGS:-}" || true
fi
probe=$LISTEN_HOST
case $probe in '' | 0.0.0.0 | :: | '[::]') probe=127.0.0.1 ;; esac
# A full disk takes a file without its content.
{ mkdir -p "$LOG_DIR" && LOG_DIR=$(CDPATH='' cd -- "$LOG_DIR" && pwd -P) && [[ -w $LOG_DIR ]] &&
  (umask 077 && printf '%4096s' '' >"$LOG_DIR/.space") 2>/dev/null; } ||
  { rm -f "$LOG_DIR/.space"; die "LOG_DIR: $LOG_DIR (expected: a folder to write to, on a disk that is not full)" 2; }
rm -f "$LOG_DIR/.space"

# Paths say little about whose a process is where a container has the same ones: the mark names the mount namespace as well.
mark=launched:$(readlink /proc/self/ns/mnt 2>/dev/null || true):$LOG_DIR

# program NAME OVERRIDE: where the executable infini-NAME is.
program() {
  local path=${2:-$(command -v "infini-$1" || true)}
  path=${path:-$root/bin/infini-$1}
  [[ -f $path && -x $path ]] || die "infini-$1: $path (expected: an executable file)"
  printf '%s\n' "$path"
}

# A checkout builds itself at its first start; that is not what the waits below are for.
prepare() {
  local real
  real=$(readlink -f "$1" 2>/dev/null) || return 0
  [[ ! -d ${real%/bin/*}/src/main ]] || "$1" --help >/dev/null
}

names=() pids=() logs=() asked_for=()

# start NAME COMMAND...: runs it in a session of its own and notes its PID. What comes from it carries the two marks, by which
# it is found at the end.
start() {
  local name=$1 file=$LOG_DIR/$1.pid log pid
  local -x INFINI_DEPLOYMENT=$mark INFINI_PART=$mark/$1
  shift
  log=$LOG_DIR/${name}_$(date +%y%m%d%H%M).log
  # A server's lines may hold prompts.
  $foreground || (umask 077 && : >>"$log")
  command -v setsid >/dev/null 2>&1 && set -- setsid "$@"
  if $foreground; then
    "$@" </dev/null 9>&- &
  else
    "$@" </dev/null >>"$log" 2>&1 9>&- &
  fi
  pid=$!
  names+=("$name") pids+=("$pid") logs+=("$log")
  # What is not noted is not found by the next launch.
  { printf '%s\n' "$pid" >"$file" && started_at "$pid" >"$file.start" && printf '%s\n' "${asked_for[@]}" >"$file.args"; } 2>/dev/null || {
    ends --grace 5 --part "$name"
    failed "$name" "$file cannot be written (expected: a disk that is not full); ended again"
    return 1
  }
  if $foreground; then say "$name: started, PID $pid"; else say "$name: started, PID $pid, log $log"; fi
}

# failed NAME WHAT: says so with the end of its log.
failed() {
  local i
  warn "$1: $2"
  for ((i = 0; i < ${#names[@]}; i++)); do
    [[ ${names[i]} != "$1" || ! -s ${logs[i]} ]] || tail -n 5 "${logs[i]}" >&2
  done
  forget "$1"
}
forget() { rm -f "$LOG_DIR/$1.pid" "$LOG_DIR/$1.pid.start" "$LOG_DIR/$1.pid.args"; }

# port_of: the port among the arguments of a program, a line each.
port_of() { sed -n '/^--\(router-\)\{0,1\}port$/{n;p;}'; }

# already NAME ARGUMENT...: whether it runs since an earlier call: 0 where it was asked for, 2 at another port, 1 not at all.
# Other arguments than those are told; those of before hold.
already() {
  local name=$1 pid noted=$LOG_DIR/$1.pid.args
  shift
  asked_for=("$@")
  if ! pid=$(running "$LOG_DIR/$name.pid"); then
    forget "$name"
    return 1
  fi
  # Of one that an earlier version started nothing is noted.
  if [[ -f $noted ]] && [[ "$(cat "$noted")" != "$(printf '%s\n' "$@")" ]]; then
    warn "$name: already running, PID $pid, with other settings: $(tr '\n' ' ' <"$noted")(you asked for: $*); nothing was changed ($root/script/stop_all.sh ends it)"
    # Where it was asked for, nobody answers.
    [[ "$(port_of <"$noted")" == "$(printf '%s\n' "$@" | port_of)" ]] || return 2
  fi
  say "$name: already running, PID $pid"
  # Who stays watches it like its own.
  ! $foreground || { names+=("$name") pids+=("$pid") logs+=(''); }
}

# await NAME PORT SECONDS: until its /health answers.
await() {
  local until=$((SECONDS + $3)) pid=${pids[${#pids[@]} - 1]}
  while ((SECONDS < until)); do
    if [[ -z $(started_at "$pid") ]]; then
      wait "$pid"
      failed "$1" "ended with exit code $? before it answered on port $2"
      return 1
    fi
    answers "$probe" "$2" /health && return 0
    sleep 0.2
  done
  ends --grace 5 --part "$1"
  failed "$1" "no answer from http://$probe:$2/health within $3 s"
  return 1
}

launch_registry() {
  local bin args=() runs=0
  [[ -z $LISTEN_HOST ]] || args=(--host "$LISTEN_HOST")
  args+=(--port "$REGISTRY_PORT" --health-interval "$REGISTRY_HEALTH_INTERVAL" --health-timeout "$REGISTRY_HEALTH_TIMEOUT"
    --cleanup-interval "$REGISTRY_CLEANUP_INTERVAL")
  already registry "${args[@]}" || runs=$?
  ((runs == 1)) || return $((runs != 0))
  listens "$probe" "$REGISTRY_PORT" && { warn "registry: port $REGISTRY_PORT is in use by another program (REGISTRY_PORT names another port)"; return 1; }
  bin=$(program registry "${REGISTRY_BIN:-}") && prepare "$bin" || return 1
  start registry "$bin" "${args[@]}" || return 1
  await registry "$REGISTRY_PORT" "$REGISTRY_WAIT_TIMEOUT"
}

launch_router() {
  local bin args=() runs=0
  [[ -z $LISTEN_HOST ]] || args=(--host "$LISTEN_HOST")
  [[ -z $ROUTER_REGISTRY_URL ]] || args+=(--registry-url "$ROUTER_REGISTRY_URL")
  args+=(--router-port "$ROUTER_PORT" --health-interval "$ROUTER_HEALTH_INTERVAL" --health-timeout "$ROUTER_HEALTH_TIMEOUT"
    --registry-sync-interval "$ROUTER_REGISTRY_SYNC_INTERVAL")
  already router "${args[@]}" || runs=$?
  ((runs == 1)) || return $((runs != 0))
  listens "$probe" "$ROUTER_PORT" && { warn "router: port $ROUTER_PORT is in use by another program (ROUTER_PORT names another port)"; return 1; }
  bin=$(program router "${ROUTER_BIN:-}") && prepare "$bin" || return 1
  start router "$bin" "${args[@]}" || return 1
  await router "$ROUTER_PORT" "$ROUTER_WAIT_TIMEOUT"
}

# babysitter_name FILE: by the file's name; where several files have the same one, by their paths as well.
babysitter_name() {
  local name=${1##*/} other same=0
  for other in "${configs[@]}"; do [[ ${other##*/} != "$name" ]] || same=$((same + 1)); done
  name=babysitter_${name%.toml}
  ((same < 2)) || name=${name}_$(printf '%s' "$1" | cksum | cut -d ' ' -f 1)
  printf '%s\n' "$name"
}

# All babysitters are given 2 seconds together to fall over.
launch_babysitters() {
  local bin config file name more=() good=0 runs i first=${#pids[@]}
  bin=$(program babysitter "${BABYSITTER_BIN:-}") && prepare "$bin" || return 1
  [[ -z $BABYSITTER_HOST ]] || more+=(--host "$BABYSITTER_HOST")
  [[ -z $BABYSITTER_REGISTRY_URL ]] || more+=(--registry-url "$BABYSITTER_REGISTRY_URL")
  [[ -z $BABYSITTER_ROUTER_URL ]] || more+=(--router-url "$BABYSITTER_ROUTER_URL")
  for config in "${configs[@]}"; do
    case $config in /*) file=$config ;; *) file=$root/config/$config ;; esac
    name=$(babysitter_name "$file")
    [[ -f $file ]] || { warn "$name: $file (expected: a file; BABYSITTER_CONFIGS names files under $root/config)"; good=1; continue; }
    runs=0
    already "$name" --config-file "$file" ${more[@]+"${more[@]}"} "(content $(cksum <"$file"))" || runs=$?
    case $runs in
      1) start "$name" "$bin" --config-file "$file" ${more[@]+"${more[@]}"} || good=1 ;;
      2) good=1 ;;
    esac
  done
  ((${#pids[@]} == first)) || sleep 2
  for ((i = first; i < ${#pids[@]}; i++)); do
    if [[ -z $(started_at "${pids[i]}") ]]; then
      wait "${pids[i]}"
      failed "${names[i]}" "ended with exit code $? within 2 s"
      good=1
    fi
  done
  return $good
}

# end_all: those that this call started, in order, within STOP_TIMEOUT_SECONDS.
end_all() {
  local name these=()
  trap '' TERM INT
  for name in ${names[@]+"${names[@]}"}; do these+=(--part "$name"); done
  ((${#these[@]})) || return 0
  ends --within "$STOP_TIMEOUT_SECONDS" "${these[@]}" || kill -TERM "${pids[@]}" 2>/dev/null
}
asked() {
  say "ending"
  end_all
  exit 0
}
$foreground && trap asked TERM INT

rc=0
lock 300 || die "another launch in $LOG_DIR does not end"
if is_true LAUNCH_REGISTRY && ! launch_registry; then
  ! $foreground || end_all
  die "the registry did not start; nothing else was started"
fi
if is_true LAUNCH_ROUTER; then launch_router || rc=1; fi
if is_true LAUNCH_BABYSITTER; then
  if ((${#configs[@]})); then launch_babysitters || rc=1; else say "no babysitter: BABYSITTER_CONFIGS is empty"; fi
fi
unlock
if ! $foreground; then
  # Whatever ended the first of them while the last were started.
  for ((i = 0; i < ${#pids[@]}; i++)); do
    [[ -z $(started_at "${pids[i]}") ]] || continue
    ((rc)) || failed "${names[i]}" "ended again while the others were started"
    rc=1
  done
  ((rc == 0)) || warn "not everything started; $root/script/stop_all.sh ends what did"
  exit $rc
fi
if ((rc)); then
  end_all
  die "not everything started"
fi

# A babysitter that gives up takes nothing else with it, unless it was the last one.
lost() {
  local name=$1 code=$2 i sitters=0 kept_names=() kept_pids=() kept_logs=()
  forget "$name"
  for ((i = 0; i < ${#pids[@]}; i++)); do
    [[ ${names[i]} == "$name" ]] && continue
    kept_names+=("${names[i]}") kept_pids+=("${pids[i]}") kept_logs+=("${logs[i]}")
    if [[ ${names[i]} == babysitter_* ]]; then sitters=$((sitters + 1)); fi
  done
  if ((sitters == 0)) || [[ $name == registry || $name == router ]]; then
    warn "$name: ended by itself with exit code $code; ending the others"
    end_all
    exit $((code ? code : 1))
  fi
  warn "$name: ended by itself with exit code $code; the others go on"
  names=("${kept_names[@]}") pids=("${kept_pids[@]}") logs=("${kept_logs[@]}")
}

# Until a signal, or until what cannot be missed ends.
while ((${#pids[@]})); do
  for ((i = 0; i < ${#pids[@]}; i++)); do
    [[ -z $(started_at "${pids[i]}") ]] || continue
    code=0
    wait "${pids[i]}" 2>/dev/null || code=$?
    # How one ended that an earlier call started is not known.
    lost "${names[i]}" $((code == 127 ? 1 : code))
    break
  done
  sleep 1 &
  wait $!
done
