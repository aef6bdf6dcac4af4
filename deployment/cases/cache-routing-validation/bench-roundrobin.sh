#!/usr/bin/env bash
# Usage: bench-roundrobin.sh [REGISTRY_IP]
#
# The workload of bench-cache-routing.sh with each instance in turn; writes results/round-robin-*.json. The requests and
# their keys are the same; a router of its own with the policy round-robin stands in front of the instances meanwhile.
# Same variables, same exit codes.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=install.defaults.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/install.defaults.sh"

bench round-robin "$@"
