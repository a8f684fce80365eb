#!/usr/bin/env bash
# Runs tests under sanitizers.
#   scripts/sanitize.sh asan   address and undefined behaviour: the operator's kernels over their whole case table, the
#                              models, and all that reads text and files
#   scripts/sanitize.sh tsan   races, on kernels that plain threads drive (OpenMP's own synchronisation is invisible to
#                              it, so that runtime gets one thread)
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

case "${1:-}" in
  asan) tests=('io=*' 'text=*' 'data=*' 'model=*' 'attention=*Kernel*') ;;
  tsan) tests=('attention=*InPlainThreads*'); export OMP_NUM_THREADS=1 ;;
  -h | --help) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 0 ;;
  *) echo "usage: scripts/sanitize.sh asan|tsan" >&2; exit 2 ;;
esac
targets=("${tests[@]%%=*}")
scripts/build.sh "$1" "${targets[@]/#/test_}"
# Waiting threads sleep: spinning ones take the cores from the working ones.
export OMP_WAIT_POLICY=passive UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
for test in "${tests[@]}"; do
  "build/$1/bin/test_${test%%=*}" --gtest_brief=1 --gtest_filter="${test#*=}"
done
