#!/usr/bin/env bash
# Configures a preset and builds it: scripts/build.sh [PRESET [TARGET...]], by default all of `release`.
# SAOBP_JOIN_UNITS=ON in the environment compiles sources by the half-dozen, which halves the time of a build from nothing.
# As many compilers run as cores and memory allow; CMAKE_BUILD_PARALLEL_LEVEL says otherwise.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

preset="${1:-release}"
(($# == 0)) || shift
targets=()
(($# == 0)) || targets=(--target "$@")
jobs="${CMAKE_BUILD_PARALLEL_LEVEL:-$(build_jobs)}"

mkdir -p .cache
if ! cmake --preset "${preset}" -DSAOBP_JOIN_UNITS="${SAOBP_JOIN_UNITS:-OFF}" >.cache/configure.log 2>&1; then
  tail -n 30 .cache/configure.log >&2
  die "configuring ${preset} failed; the whole log is ${ROOT}/.cache/configure.log"
fi
cmake --build --preset "${preset}" -j "${jobs}" "${targets[@]}"
