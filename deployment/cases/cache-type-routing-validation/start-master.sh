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
# shellcheck source-path=SCRIPTDIR source=../common/start.sh
. "$common/start.sh"

start_arguments "$@"
start_case MODEL1_DIR "$registry_ip" paged-cache-9g_8b_thinking static-cache-9g_8b_thinking
