# shellcheck shell=bash
# What the scripts of all cases share; sourced by each case's install.defaults.sh with case_dir set.

common=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck disable=SC2034 # the program; used by the scripts that source this
infini=$(CDPATH='' cd -- "$common/../../.." && pwd -P)/bin/infini

# expanded VALUE: $NAME and ${NAME} replaced by what they are now; nothing else of the shell is.
expanded() {
  local rest=$1 out='' name
  while [[ $rest =~ ^([^$]*)\$(\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))(.*)$ ]]; do
    name=${BASH_REMATCH[3]}${BASH_REMATCH[4]}
    out+=${BASH_REMATCH[1]}${!name-}
    rest=${BASH_REMATCH[5]}
  done
  printf '%s' "$out$rest"
}

# Settings from ./.env of the case, lines KEY=VALUE as a shell would read them: quotes, a comment behind a blank, $NAME of what was
# set before; no commands. What the environment has already wins.
read_settings() {
  local line key value
  [ -f "${case_dir:?}/.env" ] || return 0
  while IFS= read -r line || [ -n "$line" ]; do
    line=${line%$'\r'}
    line=${line#export }
    case $line in [A-Za-z_]*=*) ;; *) continue ;; esac
    key=${line%%=*}
    value=${line#*=}
    case $key in *[!A-Za-z0-9_]*) continue ;; esac
    if [[ $value =~ ^\"([^\"]*)\"[[:space:]]*(#.*)?$ ]]; then
      value=$(expanded "${BASH_REMATCH[1]}")
    elif [[ $value =~ ^\'([^\']*)\'[[:space:]]*(#.*)?$ ]]; then
      value=${BASH_REMATCH[1]}
    else
      [[ ! $value =~ ^(.*[^[:space:]])?[[:space:]]+#.*$ ]] || value=${value%%[[:space:]]#*}
      value=$(expanded "${value%"${value##*[![:space:]]}"}")
    fi
    [ -n "${!key+set}" ] || export "$key=$value"
  done <"$case_dir/.env"
}

# The comment at the top of the calling script.
usage() { sed -n '2,/^set /{/^#/!d;s/^# \{0,1\}//;p;}' "$0"; }

# The address in $1. The README's placeholder `[REGISTRY_IP]`, copied as it stands, means none.
registry_ip() {
  case ${1:-} in
    '[REGISTRY_IP]') echo "${0##*/}: [REGISTRY_IP] is the README's placeholder; going on without an address" >&2 ;;
    *) printf '%s' "${1:-}" ;;
  esac
}

# python_program FILE [WORDS --] [REGISTRY_IP]: a Python program of this folder, with at most an address from the user.
python_program() {
  local words=("$common/$1") python=${PYTHON:-python3}
  shift
  if [ "${2:-}" = -- ]; then
    words+=("$1")
    shift 2
  fi
  case ${1:-} in
    -h | --help) usage; exit 0 ;;
    -*) usage >&2; exit 2 ;;
  esac
  [ $# -le 1 ] || { usage >&2; exit 2; }
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || {
    echo "${0##*/}: $python is missing or older than 3.10 (expected: Python 3.10 or newer; PYTHON names another)" >&2
    exit 1
  }
  "$infini" --version >/dev/null
  CASE_DIR=$case_dir PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 exec "$python" "${words[@]}" "$(registry_ip "$@")"
}

# bench KIND [REGISTRY_IP]: one of the benchmarks of bench.py.
bench() {
  local kind=$1
  shift
  python_program bench.py "$kind" -- "$@"
}
