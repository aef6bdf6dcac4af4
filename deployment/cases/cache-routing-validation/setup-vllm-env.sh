#!/usr/bin/env bash
# Usage: setup-vllm-env.sh [--download]
#
# Prepares the environment of vLLM's benchmark client. --help tells what it does and where.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=install.defaults.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/install.defaults.sh"
exec "$case_dir/../common/setup-vllm-env.sh" "$@"
