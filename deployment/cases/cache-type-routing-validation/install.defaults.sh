# shellcheck shell=bash
# Defaults of this case; sourced by its scripts. The environment wins, then ./.env (lines KEY=VALUE), then this file.

case_dir=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck disable=SC2034 # the program; used by the scripts that source this
infini=$(CDPATH='' cd -- "$case_dir/../../.." && pwd -P)/bin/infini

if [ -f "$case_dir/.env" ]; then
  while IFS= read -r line || [ -n "$line" ]; do
    line=${line%$'\r'}
    line=${line#export }
    case $line in [A-Za-z_]*=*) ;; *) continue ;; esac
    key=${line%%=*}
    value=${line#*=}
    case $key in *[!A-Za-z0-9_]*) continue ;; esac
    case $value in
      \"*\") value=${value#\"} value=${value%\"} ;;
      \'*\') value=${value#\'} value=${value%\'} ;;
    esac
    [ -n "${!key+set}" ] || export "$key=$value"
  done <"$case_dir/.env"
  unset line key value
fi

# Ports of the registry and the router. Those of the instances stand in their TOML files.
: "${REGISTRY_PORT:=18000}"
: "${ROUTER_PORT:=8000}"
# Folder with the two instances' TOML files.
: "${CONFIG_DIR:=$case_dir/config}"
# How long to wait until both instances serve. Servers that load a large model need minutes.
: "${START_TIMEOUT_SECONDS:=600}"
# Requests above this size go to the static instance, in bytes. Unset: the router's default, 51200.
: "${CACHE_TYPE_ROUTING_THRESHOLD:=}"
# GGUF file, or folder with one; or the weights of the servers that the TOML files name.
: "${MODEL1_DIR:=}"

[ -n "$CACHE_TYPE_ROUTING_THRESHOLD" ] || unset CACHE_TYPE_ROUTING_THRESHOLD
export REGISTRY_PORT ROUTER_PORT CONFIG_DIR MODEL1_DIR ${CACHE_TYPE_ROUTING_THRESHOLD+CACHE_TYPE_ROUTING_THRESHOLD}
