# shellcheck shell=bash
# Where vLLM's source and the environment of its benchmark client are; sourced by the cases' scripts.

# Name of the environment: a conda environment where conda is installed, else a virtual environment.
: "${CONDA_ENV_NAME:=vllm-bench}"
# Version that --download fetches, and that the environment's packages are for.
vllm_version=0.33.0

infini_data=${XDG_DATA_HOME:-${HOME:?HOME is not set (expected: your home folder; or set XDG_DATA_HOME)}/.local/share}/infini
# shellcheck disable=SC2034 # used by the scripts that source this
vllm_venv=$infini_data/venv-$CONDA_ENV_NAME
vllm_download=$infini_data/vllm-$vllm_version
vllm_seed_dir=/home/zenghua/repos/vllm

# The folder that counts: VLLM_DIR, else the original's default, else what setup-vllm-env.sh --download fetched.
find_vllm() {
  local folder
  if [ -n "${VLLM_DIR:-}" ]; then
    printf '%s' "$VLLM_DIR"
    return
  fi
  for folder in "$vllm_seed_dir" "$vllm_download"; do
    if is_vllm "$folder"; then
      printf '%s' "$folder"
      return
    fi
  done
}

is_vllm() { [ -f "$1/vllm/benchmarks/serve.py" ]; }

# Python of the conda environment named $1, if there is one.
conda_python() {
  command -v conda >/dev/null 2>&1 || return 0
  local prefix
  prefix=$(conda env list 2>/dev/null | awk -v name="$1" '$1 == name { print $NF; exit }')
  [ -z "$prefix" ] || [ ! -x "$prefix/bin/python" ] || printf '%s' "$prefix/bin/python"
}

# The Python that setup-vllm-env.sh prepared: the active environment's, the conda environment's, or the venv's.
find_vllm_python() {
  local python
  for python in "${CONDA_PREFIX:+$CONDA_PREFIX/bin/python}" "${VIRTUAL_ENV:+$VIRTUAL_ENV/bin/python}" "$vllm_venv/bin/python"; do
    if [ -n "$python" ] && [ -x "$python" ] && [ -f "${python%/bin/python}/.infini-vllm" ]; then
      printf '%s' "$python"
      return
    fi
  done
  python=$(conda_python "$CONDA_ENV_NAME")
  if [ -n "$python" ] && [ -f "${python%/bin/python}/.infini-vllm" ]; then
    printf '%s' "$python"
  fi
}
