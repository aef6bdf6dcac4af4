#!/usr/bin/env bash
# Usage: setup-vllm-env.sh [--download]
#
# Prepares an environment in which vLLM's `bench serve` runs from vLLM's source, with nothing built: a conda environment
# where conda is installed, else a virtual environment; the packages that the client needs, and stand-ins for those that it
# imports without use (PyTorch, the engine). Then checks that it imports and reads a data set. A second run only checks.
#
# --download   first fetch vLLM's wheel from PyPI (about 340 MB) and keep its Python files (61 MB) as VLLM_DIR
# Environment: VLLM_DIR (vLLM's source; default /home/zenghua/repos/vllm, else what --download fetched),
#              CONDA_ENV_NAME (vllm-bench), XDG_DATA_HOME (~/.local/share: the virtual environment is in infini/ there),
#              PYTHON (python3; makes the virtual environment).
set -euo pipefail

common=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source-path=SCRIPTDIR source=vllm.sh
. "$common/vllm.sh"

say() { printf '%s\n' "setup-vllm-env: $*"; }
die() { printf '%s\n' "setup-vllm-env: $1" >&2; exit "${2:-1}"; }
usage() { sed -n '2,/^set /{/^#/!d;s/^# \{0,1\}//;p;}' "${BASH_SOURCE[0]}"; }

download=
case ${1:-} in
  '') ;;
  --download) download=1 ;;
  -h | --help) usage; exit 0 ;;
  *) usage >&2; exit 2 ;;
esac
[ $# -le 1 ] || { usage >&2; exit 2; }

vllm=$(find_vllm)
[ -z "$download" ] || vllm=${VLLM_DIR:-$vllm_download}
if [ -z "$download" ]; then
  [ -n "$vllm" ] || die "no vLLM source: VLLM_DIR is not set, and neither $vllm_seed_dir (its default) nor $vllm_download has vllm/benchmarks/serve.py.
Set VLLM_DIR to a checkout of vLLM, or call setup-vllm-env.sh --download to fetch vLLM $vllm_version's Python files from PyPI (about 340 MB)."
  [ -d "$vllm" ] || die "VLLM_DIR: $vllm: no such folder (expected: a checkout of vLLM; default $vllm_seed_dir). setup-vllm-env.sh --download fetches vLLM $vllm_version's Python files into it (about 340 MB)."
  is_vllm "$vllm" || die "VLLM_DIR: $vllm has no vllm/benchmarks/serve.py (expected: a checkout of vLLM, version 0.10 or newer)"
fi

log=$(mktemp "${TMPDIR:-/tmp}/setup-vllm-env.XXXXXX")
work=
trap 'rm -rf "$log" ${work:+"$work"}' EXIT
quietly() {
  "$@" >"$log" 2>&1 </dev/null || { tail -n 12 "$log" >&2; return 1; }
}

# --- the environment --------------------------------------------------------------------------------------------------
if command -v conda >/dev/null 2>&1; then
  python=$(conda_python "$CONDA_ENV_NAME")
  if [ -z "$python" ]; then
    say "creating the conda environment $CONDA_ENV_NAME ..."
    quietly conda create -y -n "$CONDA_ENV_NAME" python=3.12 pip || die "conda create -n $CONDA_ENV_NAME failed"
    python=$(conda_python "$CONDA_ENV_NAME")
    [ -n "$python" ] || die "conda made $CONDA_ENV_NAME, but 'conda env list' does not name a folder with bin/python for it"
  fi
  what="conda environment $CONDA_ENV_NAME" activate="conda activate $CONDA_ENV_NAME"
else
  base=${PYTHON:-python3}
  command -v "$base" >/dev/null 2>&1 || die "$base not found on PATH (expected: Python 3.10 or newer; PYTHON names another)"
  "$base" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || die "$("$base" --version) (expected: Python 3.10 or newer; PYTHON names another)"
  "$base" -c 'import ensurepip, venv' 2>/dev/null || die "$base has no venv (for example: apt-get install python3-venv)"
  python=$vllm_venv/bin/python
  if ! "$python" -c '' 2>/dev/null; then
    say "conda is not installed: creating a virtual environment in $vllm_venv ..."
    rm -rf "$vllm_venv"
    mkdir -p "$infini_data"
    quietly "$base" -m venv "$vllm_venv" || die "$base -m venv $vllm_venv failed"
  fi
  what="virtual environment $vllm_venv" activate=". $vllm_venv/bin/activate"
fi
stamp=${python%/bin/python}/.infini-vllm

# --- vLLM's Python files ----------------------------------------------------------------------------------------------
if [ -n "$download" ] && ! is_vllm "$vllm"; then
  if [ -e "$vllm" ] && [ -n "$(ls -A "$vllm" 2>/dev/null)" ]; then
    die "VLLM_DIR: $vllm exists and is no vLLM source (expected: a checkout, or a new or empty folder to fetch into)"
  fi
  work=$(mktemp -d "${TMPDIR:-/tmp}/vllm-wheel.XXXXXX")
  say "fetching vLLM $vllm_version from PyPI (about 340 MB) ..."
  quietly "$python" -m pip download --disable-pip-version-check --no-deps --only-binary :all: --python-version 3.12 --implementation cp \
    --abi abi3 --platform manylinux_2_28_x86_64 --no-cache-dir -d "$work" "vllm==$vllm_version" ||
    die "vLLM $vllm_version could not be fetched from PyPI"
  mkdir -p "$work/tree" "$(dirname -- "$vllm")"
  "$python" -I - "$work" <<'P'
import pathlib, sys, zipfile

work = pathlib.Path(sys.argv[1])
[wheel] = work.glob("vllm-*.whl")
with zipfile.ZipFile(wheel) as z:
    z.extractall(work / "tree", [n for n in z.namelist() if n.startswith("vllm/") and n.endswith((".py", ".json", ".jinja"))])
P
  rmdir "$vllm" 2>/dev/null || true
  mv "$work/tree" "$vllm"
  rm -rf "$work"
fi

# --- packages and stand-ins -------------------------------------------------------------------------------------------
wanted=$({ "$python" --version; cat "$common/vllm-requirements.txt" "$common/infini_vllm_standins.py"; } | cksum)
if [ "$(cat "$stamp" 2>/dev/null || true)" = "$wanted" ]; then
  say "$what is installed already"
else
  say "installing the packages of the benchmark client (about 425 MB) ..."
  rm -f "$stamp"
  quietly "$python" -m pip install --disable-pip-version-check --only-binary :all: -r "$common/vllm-requirements.txt" ||
    die "the packages of $common/vllm-requirements.txt could not be installed"
  site=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  cp "$common/infini_vllm_standins.py" "$site/"
  printf 'import infini_vllm_standins\n' >"$site/infini_vllm_standins.pth"
fi

# --- the check --------------------------------------------------------------------------------------------------------
quietly "$python" "$common/run_benchmark.py" "$vllm" --check "$common/../../../model/tokenizer" ||
  die "vLLM's benchmark client does not run from $vllm with the $what (packages are for vLLM $vllm_version)"
printf '%s\n' "$wanted" >"$stamp"
say "vLLM $(tail -n 1 "$log") from $vllm runs in the $what"
say "to activate it: $activate"
