#!/usr/bin/env bash
# Usage: validate.sh [REGISTRY_IP] [--json]
#
# Checks the running case: core health, discovery, models, chat plain and streamed, instance health, and which instance
# answered requests below, at and above the threshold. Exit 0: every check passed; 1: one failed, with what was expected
# and what was seen.
#
# REGISTRY_IP  address of the machine that runs the case (default: localhost)
# Environment: REGISTRY_PORT, ROUTER_PORT; see install.defaults.sh.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=install.defaults.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/install.defaults.sh"

case ${1:-} in
  -h | --help) usage; exit 0 ;;
  '[REGISTRY_IP]') registry_ip "$1"; shift ;;
esac

exec "$infini" validate --registry-port "$REGISTRY_PORT" --router-port "$ROUTER_PORT" "$@"
