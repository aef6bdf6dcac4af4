# shellcheck shell=bash
# What launch_all_rust.sh, stop_all.sh and the container's scripts share. Sourced; bash 3.2 or newer.

say() { printf '%s: %s\n' "${0##*/}" "$*"; }
warn() { say "$@" >&2; }
die() { warn "$1"; exit "${2:-1}"; }

# started_at PID: a mark that no later process with this number has; nothing when none runs.
started_at() {
  local stat
  if [[ -r /proc/self/stat ]]; then
    { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 0
    read -ra stat <<<"${stat##*) }"
    [[ ${stat[0]} == Z ]] || printf '%s\n' "${stat[19]}"
  else
    ps -o lstart= -p "$1" 2>/dev/null || true
  fi
}

# running PIDFILE: prints the PID of the process that launch_all_rust.sh noted there, if it still runs.
running() {
  local pid now
  pid=$(cat "$1" 2>/dev/null) || return 1
  [[ $pid =~ ^[1-9][0-9]*$ ]] || return 1
  now=$(started_at "$pid")
  [[ -n $now && $now == "$(cat "$1.start" 2>/dev/null)" ]] || return 1
  printf '%s\n' "$pid"
}

# family PID: `PID=MARK` of a process and of all that came from it.
family() {
  local table line pid parent found=" $1 " grown=1 f
  if [[ -r /proc/self/stat ]]; then
    table=$(for f in /proc/[0-9]*/stat; do
      { line=$(<"$f"); } 2>/dev/null || continue
      pid=${line%% *}
      read -r _ parent _ <<<"${line##*) }"
      printf '%s %s\n' "$pid" "$parent"
    done)
  else
    table=$(ps -A -o pid=,ppid=)
  fi
  while ((grown)); do
    grown=0
    while read -r pid parent; do
      if [[ $found == *" $parent "* && $found != *" $pid "* ]]; then found+="$pid " grown=1; fi
    done <<<"$table"
  done
  for pid in $found; do printf '%s=%s\n' "$pid" "$(started_at "$pid")"; done
}

# end SECONDS PID...: SIGTERM to these processes; what is left of them and of their families after the time, SIGKILL.
end() {
  local until=$((SECONDS + $1)) members=() pid member alive
  shift
  for pid in "$@"; do
    while read -r member; do members+=("$member"); done < <(family "$pid")
    kill -TERM "$pid" 2>/dev/null || true
  done
  alive=1
  while ((alive && SECONDS < until)); do
    alive=0
    for pid in "$@"; do [[ -z $(started_at "$pid") ]] || alive=1; done
    ((!alive)) || sleep 0.2
  done
  for member in ${members[@]+"${members[@]}"}; do
    pid=${member%%=*}
    if [[ -n ${member#*=} && $(started_at "$pid") == "${member#*=}" ]]; then
      if kill -KILL "$pid" 2>/dev/null; then warn "killed process $pid, which did not end by itself"; fi
    fi
  done
}

# answers HOST PORT PATH: whether an HTTP server there says 2xx within 5 seconds.
answers() {
  (
    exec 3<>"/dev/tcp/$1/$2" || exit 1
    printf 'GET %s HTTP/1.1\r\nHost: %s:%s\r\nConnection: close\r\n\r\n' "$3" "$1" "$2" >&3
    IFS=' ' read -r -t 5 _ status _ <&3 && [[ $status == 2?? ]]
  ) 2>/dev/null
}

# listens HOST PORT: whether something accepts connections there.
listens() { (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null; }

# is_true NAME: whether this variable says true; another value than true or false ends the script.
is_true() {
  case $(printf '%s' "${!1}" | tr '[:upper:]' '[:lower:]') in
    true | 1 | yes | on) return 0 ;;
    false | 0 | no | off | '') return 1 ;;
    *) die "$1: ${!1} (expected: true or false)" 2 ;;
  esac
}

# a_number NAME LEAST MOST: ends the script unless this variable is such a whole number.
a_number() {
  [[ ${!1} =~ ^(0|[1-9][0-9]{0,8})$ && ${!1} -ge $2 && ${!1} -le $3 ]] || die "$1: ${!1} (expected: $2..$3)" 2
}
