#!/usr/bin/env bash
# Usage: bench-cache-routing.sh [REGISTRY_IP]
#
# Growing conversations, each with its prompt_cache_key, through a router that keeps a key's requests on one instance;
# writes results/cache-routing-*.json. A router of its own stands in front of the instances meanwhile, as in the other two
# benchmarks, so that the three differ in the routing alone. `infini bench` sends the requests: vLLM's bench knows no
# prompt_cache_key. Exit code 0: requests were answered; 1: none was, or something is missing.
#
# REGISTRY_IP  address of the machine that runs the case (default: localhost)
# Environment: MODEL (9g_8b_thinking), REQUEST_RATE (1.0), MAX_CONCURRENCY (none), NUM_REQUESTS (all of the data set),
#              NUM_CONVERSATIONS (4), MESSAGES_PER_CONV (8), CONTEXT_LEN (2048), NEW_MSG_LEN (128), OUTPUT_LEN (256),
#              DATASET_FILE (generated in results/dataset; a file of your own is used as it is), ROUTER_PORT (8000),
#              RESULTS_DIR, READY_CHECK_TIMEOUT (0), FLUSH_CACHES (true: the caches are cleared before each run).
set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=install.defaults.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/install.defaults.sh"

bench cache-routing "$@"
