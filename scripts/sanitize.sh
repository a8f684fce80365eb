#!/usr/bin/env bash
# Runs tests under sanitizers.
#   scripts/sanitize.sh asan   address and undefined behaviour: the operator's kernels over their whole case table, the
#                              models, and all that reads text and files
#   scripts/sanitize.sh tsan   races, on kernels that plain threads drive (OpenMP's own synchronisation is invisible to
#                              it, so that runtime gets one thread)
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# PRESET/ROOM/SHARDS=TESTS, the longest first. The rooms without LibTorch are those that are built for fuzzing anyway.
case "${1:-}" in
  asan) tests=('release/attention_asan/4=*Kernel*' 'release/model_asan/4=*' 'fuzz/data/1=*' 'fuzz/text/1=*' 'fuzz/io/1=*' 'fuzz/report/1=*') ;;
  tsan) tests=('tsan/attention/1=*InPlainThreads*'); export OMP_NUM_THREADS=1 ;;
  -h | --help) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 0 ;;
  *) echo "usage: scripts/sanitize.sh asan|tsan" >&2; exit 2 ;;
esac
# Waiting threads sleep: spinning ones take the cores from the working ones.
export OMP_WAIT_POLICY=passive UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
LOGS="${ROOT}/.cache/sanitize"
rm -rf "${LOGS}"
mkdir -p "${LOGS}"

# run PRESET ROOM TESTS SHARD SHARDS: what a failure prints is kept, and shown at the end.
run() {
  local log="${LOGS}/$1-$2-$4"
  GTEST_TOTAL_SHARDS="$5" GTEST_SHARD_INDEX="$4" "build/$1/bin/test_$2" --gtest_brief=1 --gtest_filter="$3" \
    >"${log}.log" 2>&1 || touch "${log}.failed"
}

for preset in fuzz release tsan; do
  rooms=()
  for test in "${tests[@]}"; do
    IFS=/ read -r of room _ <<<"${test%%=*}"
    [[ "${of}" != "${preset}" ]] || rooms+=("test_${room}")
  done
  ((${#rooms[@]} == 0)) || step "building ${preset}" scripts/build.sh "${preset}" "${rooms[@]}"
done

running=0
for test in "${tests[@]}"; do
  IFS=/ read -r preset room shards <<<"${test%%=*}"
  for ((shard = 0; shard < shards; ++shard)); do
    ((running < $(nproc))) || { wait -n; running=$((running - 1)); }
    run "${preset}" "${room}" "${test#*=}" "${shard}" "${shards}" &
    running=$((running + 1))
  done
done
wait

failed=0
cat "${LOGS}"/*.log | grep '^\[  PASSED' | awk '{sum += $4} END {print sum " tests passed"}'
for log in "${LOGS}"/*.failed; do
  [[ -e "${log}" ]] || continue
  cat "${log%.failed}.log"
  failed=1
done
exit "${failed}"
