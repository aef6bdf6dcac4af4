#!/usr/bin/env bash
# Usage: bench-single.sh [REGISTRY_IP]
#
# The workload of bench-cache-routing.sh with one instance, the first by name; writes results/single-instance-*.json.
# Same variables, same exit codes.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=install.defaults.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/install.defaults.sh"

bench single-instance "$@"
