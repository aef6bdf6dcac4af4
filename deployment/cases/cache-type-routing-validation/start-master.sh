#!/usr/bin/env bash
# Usage: start-master.sh [REGISTRY_IP]
#
# Starts this case in the background: registry, router, one instance with a paged cache and one with a static cache;
# returns when both serve. What runs already is not started twice. Stop it with: bin/infini down
#
# REGISTRY_IP  address of this machine for others: everything listens on all interfaces and the instances are
#              registered under it. Without it (or with localhost) everything stays on loopback.
# Environment: MODEL1_DIR (a GGUF file, a folder with one, or weights for the servers that the TOML files name; unset: the
#              bundled model), REGISTRY_PORT, ROUTER_PORT, CACHE_TYPE_ROUTING_THRESHOLD, CONFIG_DIR; see install.defaults.sh.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=install.defaults.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/install.defaults.sh"

say() { printf '%s\n' "start-master: $*"; }
die() { printf '%s\n' "start-master: $*" >&2; exit 1; }

case ${1:-} in
  -h | --help) usage; exit 0 ;;
  -*) usage >&2; exit 2 ;;
esac
[ $# -le 1 ] || { usage >&2; exit 2; }
registry_ip=$(registry_ip "$@")

paged=$CONFIG_DIR/paged-cache-9g_8b_thinking.toml
static=$CONFIG_DIR/static-cache-9g_8b_thinking.toml
for file in "$paged" "$static"; do
  [ -f "$file" ] || die "$file: no such file (expected: the instance's TOML; CONFIG_DIR names the folder)"
done

# The backend type that a TOML file names.
backend() {
  awk '/^[ \t]*\[/ { inside = ($0 ~ /^[ \t]*\[backend\][ \t]*(#.*)?$/) }
    inside && /^[ \t]*type[ \t]*=/ { sub(/^[^=]*=[ \t]*/, ""); sub(/[ \t]*(#.*)?$/, ""); gsub(/["\047]/, ""); print tolower($0); exit }' "$1"
}
paged_backend=$(backend "$paged")
static_backend=$(backend "$static")
engines=0
for type in "$paged_backend" "$static_backend"; do
  case $type in engine) engines=$((engines + 1)) ;; esac
done

# The one GGUF model in a folder: no projector (mmproj), of a split model its first part.
find_gguf() {
  local file found=()
  for file in "$1"/*.gguf "$1"/*.GGUF; do
    [ -f "$file" ] || continue
    case ${file##*/} in
      *mmproj*) continue ;;
      *-00001-of-*) ;;
      *-[0-9][0-9][0-9][0-9][0-9]-of-*) continue ;;
    esac
    found+=("$file")
  done
  [ ${#found[@]} -le 1 ] || die "MODEL1_DIR: $1 holds ${#found[@]} models: ${found[*]##*/} (expected: one; set MODEL1_DIR to the file itself)"
  printf '%s' "${found[0]-}"
}

case $MODEL1_DIR in
  '' | /*) ;;
  *) MODEL1_DIR=$PWD/$MODEL1_DIR ;;
esac
model=
if [ -z "$MODEL1_DIR" ]; then
  [ "$engines" = 0 ] || say "MODEL1_DIR is not set: serving the bundled model"
elif [ -f "$MODEL1_DIR" ]; then
  model=$MODEL1_DIR
elif [ -d "$MODEL1_DIR" ]; then
  model=$(find_gguf "$MODEL1_DIR")
else
  die "MODEL1_DIR: $MODEL1_DIR: no such file or folder (expected: a GGUF file, a folder with one, or weights for the servers that the TOML files name)"
fi

if [ "$engines" != 0 ] && [ -n "$MODEL1_DIR" ] && [ -z "$model" ]; then
  die "MODEL1_DIR: $MODEL1_DIR holds no GGUF file, and the TOML files in $CONFIG_DIR name the backends $paged_backend and $static_backend.
Either set MODEL1_DIR to a folder with a GGUF file, which the embedded engine serves,
or name a server for these weights in both TOML files (InfiniLM's inference_server.py, vLLM, llama-server: see the comments there)."
fi

INSTANCE_HOST=127.0.0.1
case $registry_ip in
  '' | localhost | 127.*) listen=() ;;
  *) listen=(--host 0.0.0.0 --advertise "$registry_ip") INSTANCE_HOST=0.0.0.0 ;;
esac
MODEL1_FILE=$model
export INSTANCE_HOST MODEL1_FILE

arguments=(up --detach --config "$paged" --config "$static"
  --registry-port "$REGISTRY_PORT" --router-port "$ROUTER_PORT" --wait "$START_TIMEOUT_SECONDS")
if [ -n "$model" ] && [ "$engines" != 0 ]; then
  say "serving $model"
  arguments+=(--model "$model")
elif [ "$engines" = 0 ]; then
  say "serving with the backends of the TOML files: $paged_backend and $static_backend"
fi
exec "$infini" "${arguments[@]}" ${listen[@]+"${listen[@]}"}
