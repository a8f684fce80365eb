#!/usr/bin/env bash
# The C++ tests as they run on other processors: libraries and kernels are told to use no more than an older one has.
#   scripts/processors.sh [--few | --all] [ROOM...]
# By default, of every two settings all pairs of values (15 runs); --few: the three most unlike, and of the tests those
# that hold results against a reference at small sizes, a minute; --all: every combination (405 runs). ROOMs: those
# that multiply (attention, model, analysis, train, recipes) unless named; "all" for every room. What was covered is printed, with
# what failed. Takes the build of scripts/build.sh.
#   ONEDNN_MAX_CPU_ISA        oneDNN's products                         SSE41 AVX2 AVX512_CORE AVX512_CORE_BF16 DEFAULT
#   MKL_ENABLE_INSTRUCTIONS   MKL's products (Intel's processors)       SSE4_2 AVX2 default
#   ATEN_CPU_CAPABILITY       LibTorch's loops                          default avx2 avx512
#   SAOBP_SIMD                this program's kernels, and their products  baseline avx2 avx512
#   OMP_NUM_THREADS                                                     1 2 3
# Names that this processor does not have are left out, aloud.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

onednn=(SSE41 AVX2 AVX512_CORE AVX512_CORE_BF16 DEFAULT)
mkl=(SSE4_2 AVX2 default)
aten=(default avx2 avx512)
simd=(baseline avx2 avx512)
threads=(1 2 3)

which=pairs
filter="*"
case "${1:-}" in
  --few | --all) which="${1#--}"; shift ;;
  -h | --help) sed -n '2,14s/^# \{0,1\}//p' "$0"; exit 0 ;;
  -*) echo "usage: scripts/processors.sh [--few | --all] [ROOM...]" >&2; exit 2 ;;
esac
rooms=("${@:-attention model analysis train recipes}")
read -r -a rooms <<<"${rooms[*]}"
[[ "${rooms[0]}" != all ]] || rooms=(io text data scores attention model pretrained analysis tasks train recipes report)

# What SAOBP_SIMD may name here; the other libraries take the best that there is.
if ! grep -qw avx512f /proc/cpuinfo; then
  simd=(baseline avx2)
  echo "this processor has no AVX-512: SAOBP_SIMD=avx512 is left out"
fi

# Lines of five indices.
combinations() {
  case "${which}" in
    # An old machine; one with AVX2 alone; a new one whose libraries differ from the kernels.
    few) printf '%s\n' "0 0 0 0 0" "1 1 1 1 1" "3 2 2 $((${#simd[@]} - 1)) 2" ;;
    all)
      local o m a s t
      for o in 0 1 2 3 4; do for m in 0 1 2; do for a in 0 1 2; do for s in "${!simd[@]}"; do for t in 0 1 2; do
        echo "$o $m $a $s $t"
      done; done; done; done; done ;;
    # Rows and columns of a 5 × 3 grid give every pair with the first two; three Latin squares the others.
    pairs)
      local o m
      for o in 0 1 2 3 4; do for m in 0 1 2; do
        echo "$o $m $(((o + m) % 3)) $(((2 * o + m + o / 3) % ${#simd[@]})) $(((m + o / 2) % 3))"
      done; done ;;
  esac
}

# A minute, where all would take half an hour.
[[ "${which}" != few ]] ||
  filter="*LargeScores*:*Accuracy.SinkHead*:Decode.In*:Matmul*:Dense*:Encode*:Gpt2*:TrainStep*:LinearCrossEntropy.L*:Metrics*"

failed=()
runs=0
while read -r o m a s t; do
  setting=("ONEDNN_MAX_CPU_ISA=${onednn[o]}" "MKL_ENABLE_INSTRUCTIONS=${mkl[m]}" "ATEN_CPU_CAPABILITY=${aten[a]}"
    "SAOBP_SIMD=${simd[s]}" "OMP_NUM_THREADS=${threads[t]}")
  environment=()
  for each in "${setting[@]}"; do
    # The libraries' own choice is no variable at all.
    [[ "${each}" == MKL_*=default ]] || environment+=("${each}")
  done
  started=$SECONDS
  for room in "${rooms[@]}"; do
    if ! env OMP_WAIT_POLICY=passive "${environment[@]}" "build/release/bin/test_${room}" --gtest_brief=1 \
      --gtest_filter="${filter}" >.cache/processors.log 2>&1 </dev/null; then
      failed+=("${setting[*]}: ${room}")
      grep -E '^\[  FAILED|Failure|rror|the plain path|gap|actual' .cache/processors.log | head -n 40 || tail -n 5 .cache/processors.log
    fi
  done
  runs=$((runs + 1))
  echo "${setting[*]}: $((SECONDS - started)) s"
done < <(combinations)
echo "== ${runs} runs of ${rooms[*]}; ${#failed[@]} failed"
((${#failed[@]} == 0)) || { printf '  %s\n' "${failed[@]}"; exit 1; }
