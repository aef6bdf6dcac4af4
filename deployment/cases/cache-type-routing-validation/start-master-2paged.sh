#!/usr/bin/env bash
# Usage: start-master-2paged.sh [REGISTRY_IP]
#
# The other side of a comparison of strategies: two instances with paged caches (ports 8100 and 8300), each in turn,
# whatever the size of a request. Otherwise like start-master.sh; bench-2paged.sh is its benchmark.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=install.defaults.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/install.defaults.sh"
# shellcheck source-path=SCRIPTDIR source=../common/start.sh
. "$common/start.sh"

start_arguments "$@"
export INFINI_POLICY=round-robin
start_case MODEL1_DIR "$registry_ip" paged-cache-9g_8b_thinking paged-cache-9g_8b_thinking-2
