#!/usr/bin/env bash
# Runs the operator's tests under sanitizers.
#   scripts/sanitize.sh asan   address and undefined behaviour, over the kernels' whole case table
#   scripts/sanitize.sh tsan   races, on kernels that plain threads drive (OpenMP's own synchronisation is invisible to
#                              it, so that runtime gets one thread)
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

case "${1:-}" in
  asan) filter='*Kernel*' ;;
  tsan) filter='*InPlainThreads*'; export OMP_NUM_THREADS=1 ;;
  -h | --help) sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 0 ;;
  *) echo "usage: scripts/sanitize.sh asan|tsan" >&2; exit 2 ;;
esac
scripts/build.sh "$1" test_attention
# Waiting threads sleep: spinning ones take the cores from the working ones.
OMP_WAIT_POLICY=passive UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
  "build/$1/bin/test_attention" --gtest_brief=1 --gtest_filter="${filter}"
