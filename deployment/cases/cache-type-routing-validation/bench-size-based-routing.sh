#!/usr/bin/env bash
# Usage: bench-size-based-routing.sh [REGISTRY_IP]
#
# Sends one workload of small and large requests three times: through the router, straight to the paged instance and
# straight to the static one. Writes results/size-based-routing-*.json, paged-cache-*.json and static-cache-*.json and
# prints the routing accuracy. Runs vLLM's bench from VLLM_DIR where it is (setup-vllm-env.sh prepares it), else `infini
# bench`, and says which. Exit code 0: each run answered requests; 1: one answered none, or something is missing.
#
# REGISTRY_IP  address of the machine that runs the case (default: localhost)
# Environment: MODEL (9g_8b_thinking), REQUEST_RATE (1.0), MAX_CONCURRENCY (4), NUM_REQUESTS (all of the data set),
#              NUM_CONVERSATIONS (4), MESSAGES_PER_CONV (4), NUM_LARGE_CONTEXT (1), CONTEXT_LEN (1024), NEW_MSG_LEN (128),
#              LARGE_CONTEXT_LEN (a sixth above the router's threshold), OUTPUT_LEN (256), DATASET_FILE (generated in
#              results/dataset; a file of your own is used as it is), TOKENIZER_DIR (MODEL1_DIR, else the bundled model's),
#              VLLM_DIR, CONDA_ENV_NAME (vllm-bench), BENCH_CLIENT (auto, vllm, infini), ROUTER_PORT (8000), RESULTS_DIR,
#              READY_CHECK_TIMEOUT (0), FLUSH_CACHES (true: the caches are cleared before each run).
set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=install.defaults.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/install.defaults.sh"

bench size-based-routing "$@"
