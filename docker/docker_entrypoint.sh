#!/bin/bash
# The container's first process, installed as /app/docker_entrypoint.sh. With arguments it runs them; else it starts what the
# environment names and stays until SIGTERM or SIGINT, or until one of the programs ends.
#
# LAUNCH_COMPONENTS   all (default), none, or a list of registry,router,babysitter; any case, spaces allowed
# REGISTRY_PORT 18000, ROUTER_PORT 8000
# REGISTRY_URL, ROUTER_URL   where those are that do not run here
# ROUTER_REGISTRY_URL        whom the router follows: the registry here, else REGISTRY_URL
# BABYSITTER_CONFIGS         files under config/, separated by spaces
# BABYSITTER_HOST            address under which others reach the instances
# BABYSITTER_REGISTRY_URL, BABYSITTER_ROUTER_URL   count only if that component runs here
# More: script/launch_all_rust.sh --help
# Exit code: 0 ended when asked; 1 something did not start; else that of the program that ended by itself.
set -uo pipefail

say() { printf 'entrypoint: %s\n' "$*"; }
warn() { printf 'entrypoint: warning: %s\n' "$*" >&2; }
here=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P) || exit 1
root=
for folder in "$here" "${here%/*}" /app /workspace "$PWD"; do
  if [[ -f $folder/script/launch_all_rust.sh ]]; then root=$folder; break; fi
done
[[ -n $root ]] || { printf 'entrypoint: no script/launch_all_rust.sh in %s, above it, /app or %s\n' "$here" "$PWD" >&2; exit 1; }
cd "$root" || exit 1

(($# == 0)) || exec "$@"

# --- what the base image brings -----------------------------------------------------------------------------------------
# Such files are not written for `set -u`.
set +u
if [[ -f /opt/conda/etc/profile.d/conda.sh ]]; then
  # shellcheck disable=SC1091 # of the image
  { . /opt/conda/etc/profile.d/conda.sh && conda activate base; } || warn "conda's base environment could not be activated"
fi
if [[ -f $root/env-set.sh ]]; then
  # shellcheck disable=SC1091 # of the image
  . "$root/env-set.sh" || warn "$root/env-set.sh ended with an error"
fi
set -u
case ${BUILD_ON_STARTUP:-false} in
  [Ff]alse | '') ;;
  *) warn "BUILD_ON_STARTUP=$BUILD_ON_STARTUP has no effect: the programs are built with the image" ;;
esac

# The programs themselves use no proxy; what they start may.
for name in http_proxy https_proxy HTTP_PROXY HTTPS_PROXY; do
  address=${!name:-}
  [[ -n $address ]] || continue
  address=${address#*://}
  address=${address##*@}
  address=${address%%/*}
  port=${address##*:}
  [[ $address == *:* && $port =~ ^[0-9]+$ ]] || port=80
  timeout 3 bash -c "exec 3<>'/dev/tcp/${address%:*}/$port'" 2>/dev/null || warn "$name: nothing answers at ${address%:*}:$port"
done

# --- what to start ------------------------------------------------------------------------------------------------------
LAUNCH_REGISTRY=false LAUNCH_ROUTER=false LAUNCH_BABYSITTER=false
components=$(printf '%s' "${LAUNCH_COMPONENTS:-all}" | tr '[:upper:]' '[:lower:]' | tr -d '[:space:]')
idle=false
IFS=, read -ra list <<<"$components"
for component in ${list[@]+"${list[@]}"}; do
  case $component in
    all) LAUNCH_REGISTRY=true LAUNCH_ROUTER=true LAUNCH_BABYSITTER=true ;;
    none) idle=true ;;
    registry) LAUNCH_REGISTRY=true ;;
    router) LAUNCH_ROUTER=true ;;
    babysitter) LAUNCH_BABYSITTER=true ;;
    '') ;;
    *) warn "LAUNCH_COMPONENTS: $component (expected: all, none, registry, router or babysitter)" ;;
  esac
done
: "${REGISTRY_PORT:=18000}" "${ROUTER_PORT:=8000}" "${REGISTRY_URL:=}" "${ROUTER_URL:=}"
if [[ $LAUNCH_REGISTRY == true ]]; then
  : "${ROUTER_REGISTRY_URL:=http://localhost:$REGISTRY_PORT}" "${BABYSITTER_REGISTRY_URL:=http://localhost:$REGISTRY_PORT}"
else
  : "${ROUTER_REGISTRY_URL:=$REGISTRY_URL}"
  BABYSITTER_REGISTRY_URL=$REGISTRY_URL
fi
if [[ $LAUNCH_ROUTER == true ]]; then : "${BABYSITTER_ROUTER_URL:=}"; else BABYSITTER_ROUTER_URL=$ROUTER_URL; fi
export LAUNCH_REGISTRY LAUNCH_ROUTER LAUNCH_BABYSITTER REGISTRY_PORT ROUTER_PORT ROUTER_REGISTRY_URL BABYSITTER_REGISTRY_URL BABYSITTER_ROUTER_URL

if [[ $LAUNCH_REGISTRY$LAUNCH_ROUTER$LAUNCH_BABYSITTER != *true* ]] ||
  [[ $LAUNCH_REGISTRY$LAUNCH_ROUTER != *true* && -z ${BABYSITTER_CONFIGS:-} ]]; then
  $idle || warn "nothing to start (LAUNCH_COMPONENTS=$components, BABYSITTER_CONFIGS=${BABYSITTER_CONFIGS:-})"
  say "idle until SIGTERM"
  trap 'exit 0' TERM INT
  while :; do
    sleep 3600 &
    wait $!
  done
fi

say "starting $components"
exec "$root/script/launch_all_rust.sh" --foreground
