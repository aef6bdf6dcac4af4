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

# ends ARGUMENT...: `infini down` for what launch_all_rust.sh noted in LOG_DIR. How a process ends with all that came from it is
# the program's business alone, here as for `infini up` and the babysitter.
ends() {
  local bin=${INFINI_BIN:-$root/bin/infini}
  [[ -n ${INFINI_BIN:-} || -x $bin ]] || bin=$(command -v infini) || bin=infini
  "$bin" down --pid-folder "$LOG_DIR" "$@"
}

# lock SECONDS: one call at a time starts or ends processes in LOG_DIR, since each looks at what runs and notes what it changed.
# False when another holds it for longer than that.
lock() {
  command -v flock >/dev/null 2>&1 || return 0
  exec 9>"$LOG_DIR/launch.lock"
  flock -n 9 || { say "waiting for another launch in $LOG_DIR"; flock -w "$1" 9; }
}
unlock() { exec 9>&-; }

# answers HOST PORT PATH: whether an HTTP server there says 2xx within 5 seconds; over TLS where one of ours says that it listens so.
answers() {
  local over=0
  answers_plain "$@" || over=$?
  ((over == 3)) || return $over
  answers_tls "$@"
}

# answers_plain HOST PORT PATH: 3 where one of ours listens there over TLS.
answers_plain() {
  (
    host=${1#[} host=${host%]}
    exec 3<>"/dev/tcp/$host/$2" || exit 1
    case $host in *:*) host="[$host]" ;; esac
    printf 'GET %s HTTP/1.1\r\nHost: %s:%s\r\nConnection: close\r\n\r\n' "$3" "$host" "$2" >&3
    IFS=' ' read -r -t 5 _ status _ <&3 || exit 1
    [[ $status != 2?? ]] || exit 0
    [[ $status == 400 ]] || exit 1
    # Behind the head.
    for _ in 1 2 3 4 5 6; do
      IFS='' read -r -t 5 line <&3 || exit 1
      [[ $line != 'This port speaks TLS: '* ]] || exit 3
    done
    exit 1
  ) 2>/dev/null
}

# answers_tls HOST PORT PATH: 2xx as well; where no more can be told, it is enough that it speaks TLS.
answers_tls() {
  local said
  said=$(over_tls "$@") || return 0
  case $said in
    *$'\nstatus 2'*) return 0 ;;
    *'certificate required'* | *'bad certificate'* | *'handshake failure'*) return 0 ;;
  esac
  return 1
}

# over_tls HOST PORT PATH: prints what is answered there, and a line "status CODE" before or behind it, or what went wrong; false where no
# program is there to ask. By curl, or by openssl; whose certificate it is, is not asked: this is for this machine's own servers. With
# INFINI_CLIENT_CERT and INFINI_CLIENT_KEY where they are set.
over_tls() {
  local host=${1#[} mine=()
  host=${host%]}
  case $host in *:*) host="[$host]" ;; esac
  if command -v curl >/dev/null 2>&1; then
    [[ -z ${INFINI_CLIENT_CERT:-} ]] || mine=(--cert "$INFINI_CLIENT_CERT" --key "${INFINI_CLIENT_KEY:-}")
    curl -gkqsS --noproxy '*' -m 5 --max-filesize 1000000 -w '\nstatus %{http_code}\n' ${mine[@]+"${mine[@]}"} "https://$host:$2$3" 2>&1
  elif command -v openssl >/dev/null 2>&1; then
    [[ -z ${INFINI_CLIENT_CERT:-} ]] || mine=(-cert "$INFINI_CLIENT_CERT" -key "${INFINI_CLIENT_KEY:-}")
    printf 'GET %s HTTP/1.1\r\nHost: %s:%s\r\nConnection: close\r\n\r\n' "$3" "$host" "$2" |
      timeout 5 openssl s_client -connect "$host:$2" -quiet ${mine[@]+"${mine[@]}"} 2>&1 |
      sed 's/^HTTP\/1\.1 /status /'
  else
    return 1
  fi
  return 0
}

# listens HOST PORT: whether something accepts connections there.
listens() { (host=${1#[} && exec 3<>"/dev/tcp/${host%]}/$2") 2>/dev/null; }

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
