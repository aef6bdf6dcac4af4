# shellcheck shell=bash
# Defaults of this case; sourced by its scripts. The environment wins, then ./.env (lines KEY=VALUE), then this file.

case_dir=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source-path=SCRIPTDIR source=../common/case.sh
. "$case_dir/../common/case.sh"
read_settings

# Ports of the registry and the router. Those of the instances stand in their TOML files.
: "${REGISTRY_PORT:=18000}"
: "${ROUTER_PORT:=8000}"
# Folder with the instances' TOML files.
: "${CONFIG_DIR:=$case_dir/config}"
# How long to wait until all instances serve. Servers that load a large model need minutes.
: "${START_TIMEOUT_SECONDS:=600}"
# GGUF file, or folder with one; or the weights of the servers that the TOML files name.
: "${MODEL1_DIR:=}"
# true: one instance, on port 8100.
: "${SINGLE_INSTANCE:=false}"

export REGISTRY_PORT ROUTER_PORT CONFIG_DIR MODEL1_DIR
