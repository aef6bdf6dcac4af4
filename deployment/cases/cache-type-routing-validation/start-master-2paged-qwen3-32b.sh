#!/usr/bin/env bash
# Usage: start-master-2paged-qwen3-32b.sh [REGISTRY_IP]
#
# Like start-master-2paged.sh with Qwen3-32B from QWEN3_32B_DIR (a GGUF file, a folder with one, or weights for the servers
# that the TOML files name).
set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=install.defaults.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/install.defaults.sh"
# shellcheck source-path=SCRIPTDIR source=../common/start.sh
. "$common/start.sh"

start_arguments "$@"
[ -n "${QWEN3_32B_DIR:-}" ] || die "QWEN3_32B_DIR is not set (expected: a GGUF file of Qwen3-32B, or the folder with it)"
export INFINI_POLICY=round-robin PROXY_TIMEOUT_SECONDS="${PROXY_TIMEOUT_SECONDS:-1800}"
start_case QWEN3_32B_DIR "$registry_ip" paged-cache-qwen3-32b paged-cache-qwen3-32b-2
