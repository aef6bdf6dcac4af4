#!/usr/bin/env bash
# Usage: validate.sh [REGISTRY_IP]
#
# Checks the running case: health, both instances registered, models, chat; requests without a key are spread, requests
# with one key stay on one instance and find their beginning in its cache, keys are spread, and only its share of the keys
# moves when an instance joins (a simulated one, behind a router of its own). Exit 0: every check passed; 1: one failed,
# with what was expected and what was seen.
#
# REGISTRY_IP  address of the machine that runs the case (default: localhost)
# Environment: REGISTRY_PORT, ROUTER_PORT, MODEL (9g_8b_thinking); see install.defaults.sh.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=install.defaults.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/install.defaults.sh"

python_program validate_keys.py "$@"
