#!/usr/bin/env bash
# Feeds what reads files with made-up ones (libFuzzer, clang, address and undefined-behaviour sanitizers):
#   scripts/fuzz.sh [SECONDS [TARGET...]]   each target for so long (10), by default all of tests/fuzz
# A target begins with the seeds (tests/fuzz/seeds.py) and what earlier calls found worth keeping, build/fuzz/corpus, which is
# kept as small as covers the same. A finding is a crash, a leak, a broken promise of the target, more than 1 s or more than
# 512 MB for an input of at most 64 kB: its file is named, and the exit code is 1. FUZZ_JOBS targets run at a time, by
# default one a core.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

case "${1:-}" in
  -h | --help) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 0 ;;
esac
seconds="${1:-10}"
[[ "${seconds}" =~ ^[0-9]+$ ]] || { echo "usage: scripts/fuzz.sh [SECONDS [TARGET...]]" >&2; exit 2; }
(($# == 0)) || shift
mapfile -t known < <(for file in tests/fuzz/*_fuzz.cpp; do basename "${file}" _fuzz.cpp; done)
targets=("$@")
(($# > 0)) || targets=("${known[@]}")
for target in "${targets[@]}"; do
  [[ " ${known[*]} " == *" ${target} "* ]] || { echo "there is no target '${target}' but ${known[*]}" >&2; exit 2; }
done

WORK="${ROOT}/build/fuzz"
# zstd asks for the window that a file names, of up to 2 GB, and touches what the contents fill: what counts is memory in use.
LIMITS=(-timeout=1 -rss_limit_mb=512 -malloc_limit_mb=4096 -max_len=65536)
# Freed memory that is kept to find later uses of it counts as used.
export ASAN_OPTIONS=quarantine_size_mb=16:detect_stack_use_after_return=0 UBSAN_OPTIONS=print_stacktrace=1
declare -A dictionaries=([text]="json compressed" [compressed]="compressed" [vocabulary]="json tokenizer"
  [parquet]="parquet" [npy]="npy")

# fuzz TARGET: one run; libFuzzer's report goes to TARGET.log, new findings to findings/TARGET.
fuzz() {
  local target="$1" name
  local corpus="${WORK}/corpus/$1" findings="${WORK}/findings/$1" log="${WORK}/$1.log"
  mkdir -p "${corpus}" "${findings}"
  dismiss "${target}" "${findings}"/*
  for name in ${dictionaries[${target}]:-json ${target}}; do
    [[ ! -f "tests/fuzz/${name}.dict" ]] || cat "tests/fuzz/${name}.dict"
  done >"${WORK}/${target}.dict"
  # Whether it ended well is told by its report, and by what lies in findings.
  "${WORK}/bin/fuzz_${target}" "${LIMITS[@]}" -max_total_time="${seconds}" -print_final_stats=1 \
    -dict="${WORK}/${target}.dict" -artifact_prefix="${findings}/" "${corpus}" "${WORK}/seeds/${target}" \
    >"${log}" 2>&1 || true
  dismiss "${target}" "${findings}"/timeout-* "${findings}"/slow-unit-*
  minimise "${target}" "${corpus}"
}

# dismiss TARGET FILE...: files that are no findings (any longer) go: what earlier calls found may be mended, and on a busy
# machine any input may take a second.
dismiss() {
  local target="$1" file
  for file in "${@:2}"; do
    [[ -f "${file}" ]] || continue
    if "${WORK}/bin/fuzz_${target}" "${LIMITS[@]}" "${file}" >/dev/null 2>&1 ||
      "${WORK}/bin/fuzz_${target}" "${LIMITS[@]}" "${file}" >/dev/null 2>&1; then
      rm "${file}"
    fi
  done
}

minimise() {
  local target="$1" corpus="$2" smaller="$2.smaller"
  (($(find "${corpus}" -type f | wc -l) > 1000)) || return 0
  rm -rf "${smaller}"
  mkdir "${smaller}"
  if "${WORK}/bin/fuzz_${target}" "${LIMITS[@]}" -merge=1 -artifact_prefix="${smaller}." "${smaller}" "${corpus}" \
    >>"${WORK}/${target}.log" 2>&1; then
    rm -rf "${corpus}"
    mv "${smaller}" "${corpus}"
  fi
}

statistic() { sed -n "s/^stat::$1: *//p" "${WORK}/$2.log" | head -n 1; }

# Prints a target's line of the table, and below it what was found.
report() {
  local target="$1" executions covered megabytes code=0
  local -a found
  executions="$(statistic number_of_executed_units "${target}")"
  megabytes="$(statistic peak_rss_mb "${target}")"
  covered="$(grep -o ' cov: [0-9]*' "${WORK}/${target}.log" | tail -n 1 | cut -d' ' -f3)"
  mapfile -t found < <(find "${WORK}/findings/${target}" -type f | sort)
  printf '%-14s %12s %10s %9s %9s\n' "${target}" "${executions:-?}" "${covered:-?}" "${megabytes:-?}" "${#found[@]}"
  if ((${#found[@]} > 0)); then
    printf '    %s\n' "${found[@]#"${ROOT}/"}"
    code=1
  elif [[ -z "${executions}" ]]; then
    tail -n 20 "${WORK}/${target}.log"
    code=1
  fi
  return "${code}"
}

scripts/build.sh fuzz "${targets[@]/#/fuzz_}" >"${ROOT}/.cache/fuzz-build.log" 2>&1 ||
  { tail -n 30 "${ROOT}/.cache/fuzz-build.log" >&2; die "building failed"; }
rm -rf "${WORK}/seeds"
.venv/bin/python tests/fuzz/seeds.py "${WORK}/seeds"
running=0
for target in "${targets[@]}"; do
  ((running < ${FUZZ_JOBS:-$(build_jobs)})) || { wait -n; running=$((running - 1)); }
  fuzz "${target}" &
  running=$((running + 1))
done
wait

printf '%-14s %12s %10s %9s %9s\n' target executions edges "peak MB" findings
failed=0
for target in "${targets[@]}"; do report "${target}" || failed=1; done
exit "${failed}"
