#!/usr/bin/env bash
# Installs what the build needs and only what is missing: Debian packages, and LibTorch's wheel in .venv.
#   scripts/setup.sh            what building and running the program takes
#   scripts/setup.sh --parquet  also what reading Parquet takes (170 MB)
#   scripts/setup.sh --test     all of this, and what the tests, the linters and the benchmarks take
# An installed LibTorch is used instead of the wheel where CMAKE_PREFIX_PATH or Torch_DIR leads to TorchConfig.cmake.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

PACKAGES=(g++ cmake ninja-build ccache pkg-config libhwy-dev libgtest-dev libcli11-dev nlohmann-json3-dev libicu-dev
  zlib1g-dev libzstd-dev libgloo-dev libigraph-dev)
LOG="${ROOT}/.cache/setup.log"
VENV="${ROOT}/.venv"

with_parquet=false
with_tests=false
case "${1:-}" in
  "") ;;
  --parquet) with_parquet=true ;;
  --test) with_parquet=true; with_tests=true ;;
  -h | --help) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 0 ;;
  *) echo "usage: scripts/setup.sh [--parquet | --test]" >&2; exit 2 ;;
esac
(($# <= 1)) || { echo "usage: scripts/setup.sh [--parquet | --test]" >&2; exit 2; }

# Runs a command with its output in the log; on failure shows the end of that and stops.
logged() {
  local before
  echo "+ $*" >>"${LOG}"
  before="$(wc -c <"${LOG}")"
  if ! "$@" </dev/null >>"${LOG}" 2>&1; then
    tail -c "+$((before + 1))" "${LOG}" | tail -n 15 >&2
    die "'$*' failed; the whole log is ${LOG}"
  fi
}

# Sets `libtorch` to the folder of TorchConfig.cmake that the environment names, or to nothing.
find_libtorch() {
  local prefix folder
  local -a prefixes=()
  libtorch=""
  IFS=':;' read -ra prefixes <<<"${Torch_DIR:-}:${CMAKE_PREFIX_PATH:-}"
  for prefix in "${prefixes[@]}"; do
    for folder in "${prefix}" "${prefix}/Torch" "${prefix}/share/cmake/Torch" "${prefix}/lib/cmake/Torch"; do
      if [[ -n "${prefix}" && -f "${folder}/TorchConfig.cmake" ]]; then
        libtorch="${folder}"
        return
      fi
    done
  done
}

missing_packages() {
  local package installed
  # dpkg-query fails when it knows one of the names not at all; what it prints about the others still holds.
  installed="$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null || true)"
  for package in "$@"; do
    grep -qx "${package} installed" <<<"${installed}" || echo "${package}"
  done
}

install_packages() {
  local -a wanted=("${PACKAGES[@]}") missing=() as_root=()
  [[ "${with_tests}" == false ]] || wanted+=(libbenchmark-dev clang-14 libclang-rt-14-dev doxygen chromium)
  if [[ "${need_venv}" == true ]] && ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    wanted+=(python3 python3-venv)
  fi
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "This is no Debian system. Needed, by Debian's names: ${wanted[*]}; CMake says which of them it cannot find."
    return
  fi
  mapfile -t missing < <(missing_packages "${wanted[@]}")
  ((${#missing[@]} > 0)) || return 0

  local command="apt-get install -y --no-install-recommends ${missing[*]}"
  if ((EUID != 0)); then
    if ! sudo -n true 2>/dev/null && ! { command -v sudo >/dev/null && [[ -t 0 ]] && sudo -v; }; then
      echo "Debian packages are missing. Run this as root, then scripts/setup.sh again:" >&2
      echo "  apt-get update && ${command}" >&2
      exit 1
    fi
    as_root=(sudo)
  fi
  as_root+=(env DEBIAN_FRONTEND=noninteractive)
  echo "Installing Debian packages: ${missing[*]}"
  # apt knows no candidate where its lists were never fetched, and fails where they are stale.
  local -a apt=("${as_root[@]}" apt-get -o DPkg::Lock::Timeout=120)
  local listed
  listed="$(apt-cache policy "${missing[@]}" 2>/dev/null | grep -c '^  Candidate: [0-9]' || true)"
  if ((listed < ${#missing[@]})) ||
    ! "${apt[@]}" install -y --no-install-recommends "${missing[@]}" </dev/null >>"${LOG}" 2>&1; then
    logged "${apt[@]}" update
    logged "${apt[@]}" install -y --no-install-recommends "${missing[@]}"
  fi
  changed=true
}

require_python() {
  local least="$1" what="$2"
  command -v python3 >/dev/null || die "python3 was not found; ${what} needs Python ${least} or newer"
  python3 -c "import sys; sys.exit(sys.version_info < (${least/./, }))" ||
    die "python3 is $(python3 -V 2>&1 | cut -d' ' -f2); ${what} needs Python ${least} or newer"
}

# install_requirements STAMP FILE...: nothing to do where the stamp holds the digest of these files and of Python.
install_requirements() {
  local stamp="${VENV}/$1" digest file
  shift
  digest="$({ "${VENV}/bin/python" -V && cat "$@"; } | sha256sum | cut -d' ' -f1)"
  if [[ -f "${stamp}" && "$(cat "${stamp}")" == "${digest}" ]]; then
    return
  fi
  for file in "$@"; do
    echo "Installing into .venv: $(grep -hE '^[a-z]' "${file}" | tr '\n' ' ')"
    local -a options=()
    [[ "${file}" != *-nodeps.txt ]] || options=(--no-deps)
    logged "${VENV}/bin/python" -m pip install --disable-pip-version-check --no-input --progress-bar off \
      "${options[@]}" -r "${file}"
  done
  echo "${digest}" >"${stamp}"
  changed=true
}

make_venv() {
  if [[ "${with_tests}" == true ]]; then
    require_python 3.11 "the tests' packages"
  else
    require_python 3.10 "LibTorch's wheel"
  fi
  if ! "${VENV}/bin/python" -c 'import pip' 2>/dev/null; then
    echo "Making the virtual environment .venv with $(python3 -V)"
    logged python3 -m venv --clear "${VENV}"
    changed=true
  fi
  [[ -n "${libtorch}" ]] || install_requirements requirements.sha256 requirements.txt
  install_requirements requirements-page.sha256 requirements-page-nodeps.txt
  [[ "${with_parquet}" == false ]] || install_requirements requirements-parquet.sha256 requirements-parquet.txt
  if [[ "${with_tests}" == true ]]; then
    install_requirements requirements-test.sha256 requirements-test.txt requirements-test-nodeps.txt
  fi
  if [[ "${changed}" == true && -z "${libtorch}" ]]; then
    local cuda
    cuda="$("${VENV}/bin/python" -W ignore -c 'import torch; print(torch.version.cuda or "")')"
    [[ -z "${cuda}" ]] || echo "Note: this wheel is built for CUDA ${cuda}, so that CMake will ask for that toolkit." \
      "The CPU wheel is enough: point pip to it (PIP_INDEX_URL or PIP_FIND_LINKS), remove .venv and run this again."
  fi
}

changed=false
find_libtorch
need_venv=true
[[ -z "${libtorch}" || "${with_parquet}" == true ]] || need_venv=false

mkdir -p "$(dirname "${LOG}")"
if command -v flock >/dev/null; then
  exec 9>"${ROOT}/.cache/setup.lock"
  flock 9  # two set-ups of one checkout wait for each other
fi
install_packages
[[ -z "${libtorch}" ]] || echo "LibTorch: ${libtorch}, as the environment says"
[[ "${need_venv}" == false ]] || make_venv
if [[ "${changed}" == true ]]; then
  echo "Set-up: done in ${SECONDS} s"
else
  echo "Set-up: nothing was missing"
fi
