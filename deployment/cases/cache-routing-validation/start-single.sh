#!/usr/bin/env bash
# Usage: start-single.sh [REGISTRY_IP]
#
# start-master.sh with one instance, on port 8100.
set -euo pipefail

SINGLE_INSTANCE=true exec "$(dirname -- "${BASH_SOURCE[0]}")/start-master.sh" "$@"
