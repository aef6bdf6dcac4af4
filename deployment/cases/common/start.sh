# shellcheck shell=bash
# Starting a case with `infini up --detach`; sourced by the start scripts after install.defaults.sh.

say() { printf '%s\n' "${0##*/}: $*" | sed 's/\.sh:/:/'; }
die() { say "$@" >&2; exit 1; }

# The backend type that a TOML file names.
backend() {
  awk '/^[ \t]*\[/ { inside = ($0 ~ /^[ \t]*\[backend\][ \t]*(#.*)?$/) }
    inside && /^[ \t]*type[ \t]*=/ { sub(/^[^=]*=[ \t]*/, ""); sub(/[ \t]*(#.*)?$/, ""); gsub(/["\047]/, ""); print tolower($0); exit }' "$1"
}

# The one GGUF model in folder $2, the value of variable $1: no projector (mmproj), of a split model its first part.
find_gguf() {
  local file found=()
  for file in "$2"/*.gguf "$2"/*.GGUF; do
    [ -f "$file" ] || continue
    case ${file##*/} in
      *mmproj*) continue ;;
      *-00001-of-*) ;;
      *-[0-9][0-9][0-9][0-9][0-9]-of-*) continue ;;
    esac
    found+=("$file")
  done
  [ ${#found[@]} -le 1 ] || die "$1: $2 holds ${#found[@]} models: ${found[*]##*/} (expected: one; set $1 to the file itself)"
  printf '%s' "${found[0]-}"
}

# start_case VARIABLE REGISTRY_IP CONFIG...: starts the instances of these TOML files (names without .toml, in CONFIG_DIR),
# a registry and a router, and returns when all serve. VARIABLE names the setting with the model (MODEL1_DIR).
start_case() {
  local variable=$1 ip=$2 name file type engines=0 model='' listen=() configs=() backends=()
  shift 2
  for name in "$@"; do
    file=${CONFIG_DIR:?}/$name.toml
    [ -f "$file" ] || die "$file: no such file (expected: the instance's TOML; CONFIG_DIR names the folder)"
    type=$(backend "$file")
    case $type in engine) engines=$((engines + 1)) ;; esac
    backends+=("$type")
    configs+=(--config "$file")
  done

  local given=${!variable:-}
  case $given in
    '' | /*) ;;
    *) given=$PWD/$given ;;
  esac
  if [ -z "$given" ]; then
    [ "$engines" = 0 ] || say "$variable is not set: serving the bundled model"
  elif [ -f "$given" ]; then
    model=$given
  elif [ -d "$given" ]; then
    model=$(find_gguf "$variable" "$given")
  else
    die "$variable: $given: no such file or folder (expected: a GGUF file, a folder with one, or weights for the servers that the TOML files name)"
  fi
  if [ "$engines" != 0 ] && [ -n "$given" ] && [ -z "$model" ]; then
    die "$variable: $given holds no GGUF file, and the TOML files in $CONFIG_DIR name the backends ${backends[*]}.
Either set $variable to a folder with a GGUF file, which the embedded engine serves,
or name a server for these weights in the TOML files (InfiniLM's inference_server.py, vLLM, llama-server: see the comments in
deployment/cases/cache-type-routing-validation/config)."
  fi

  INSTANCE_HOST=127.0.0.1
  case $ip in
    '' | localhost | 127.*) ;;
    *) listen=(--host 0.0.0.0 --advertise "$ip") INSTANCE_HOST=0.0.0.0 ;;
  esac
  # What the servers in the TOML files read.
  export INSTANCE_HOST MODEL1_DIR="$given" MODEL1_FILE="$model"

  local arguments=(up --detach "${configs[@]}"
    --registry-port "${REGISTRY_PORT:?}" --router-port "${ROUTER_PORT:?}" --wait "${START_TIMEOUT_SECONDS:?}")
  if [ -n "$model" ] && [ "$engines" != 0 ]; then
    say "serving $model"
    arguments+=(--model "$model")
  elif [ "$engines" = 0 ]; then
    say "serving with the backends of the TOML files: ${backends[*]}"
  fi
  exec "${infini:?}" "${arguments[@]}" ${listen[@]+"${listen[@]}"}
}

# start_arguments ARGUMENTS: at most a REGISTRY_IP, left in $registry_ip.
start_arguments() {
  case ${1:-} in
    -h | --help) usage; exit 0 ;;
    -*) usage >&2; exit 2 ;;
  esac
  [ $# -le 1 ] || { usage >&2; exit 2; }
  # shellcheck disable=SC2034 # for the caller
  registry_ip=$(registry_ip "$@")
}
