#!/usr/bin/env bash
# Usage: bench-2paged.sh [REGISTRY_IP]
#
# The workload of bench-size-based-routing.sh, through the router of start-master-2paged.sh; writes
# results/2paged-round-robin-*.json for compare-routing-strategies.py. Same variables, same exit codes.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=install.defaults.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/install.defaults.sh"

bench 2paged-round-robin "$@"
