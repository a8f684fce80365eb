#!/usr/bin/env bash
# Checks the C++ sources with clang-format and clang-tidy, all of them unless told otherwise.
#   scripts/lint.sh             the format and the bugs of the whole tree
#   scripts/lint.sh --format    the format alone
#   scripts/lint.sh --fix       puts the format right
#   scripts/lint.sh --changed   bugs, in what differs from the merge-base with origin/main (or from the last commit)
#   --budget SECONDS            start no further clang-tidy after so long, and name the files that were left
#   --preset PRESET             whose compile commands clang-tidy reads (release); it must have been built once
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

mode=all
budget=""
preset=release
while (($# > 0)); do
  case "$1" in
    --format) mode=format; shift ;;
    --fix) mode=fix; shift ;;
    --changed) mode=changed; shift ;;
    --budget) budget="${2:?--budget needs seconds}"; shift 2 ;;
    --preset) preset="${2:?--preset needs a name}"; shift 2 ;;
    -h | --help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "scripts/lint.sh: unknown argument '$1'; see scripts/lint.sh --help" >&2; exit 2 ;;
  esac
done
for tool in clang-format clang-tidy; do
  [[ -x ".venv/bin/${tool}" ]] || die "${tool} is not installed: run scripts/setup.sh --test"
done

mapfile -t sources < <(cpp_files)
((${#sources[@]} > 0)) || die "there are no C++ files here"

format() {
  if [[ "${mode}" == fix ]]; then
    .venv/bin/clang-format -i "${sources[@]}"
    return
  fi
  if ! .venv/bin/clang-format --dry-run -Werror "${sources[@]}"; then
    echo "scripts/lint.sh --fix puts this right" >&2
    return 1
  fi
  echo "format: ${#sources[@]} files are as they should be"
}

# Prints the units to check: .cpp files, and for a header the .cpp beside it.
units() {
  if [[ "${mode}" != changed ]]; then
    printf '%s\n' "${sources[@]}" | grep '\.cpp$'
    return
  fi
  local base head file
  head="$(git rev-parse HEAD)"
  base="$(git merge-base HEAD origin/main 2>/dev/null || true)"
  if [[ -z "${base}" || "${base}" == "${head}" ]]; then
    # On main itself: the last commit. The very first one is compared with nothing at all.
    base="$(git rev-parse --verify --quiet HEAD~1 || git hash-object -t tree /dev/null)"
  fi
  git diff --name-only --diff-filter=d "${base}" -- '*.cpp' '*.h' | while read -r file; do
    file="${file%.h}"
    file="${file%.cpp}.cpp"
    [[ ! -f "${file}" ]] || echo "${file}"
  done | sort -u
}

tidy() {
  local -a files=()
  local listed code=0
  listed="$(units)" || die "git could not say what changed"
  [[ -z "${listed}" ]] || mapfile -t files <<<"${listed}"
  if ((${#files[@]} == 0)); then
    echo "clang-tidy: no changed source files"
    return
  fi
  # How each file is compiled is not known from a build that joins them.
  local build="build/${preset}"
  if grep -q '^SAOBP_JOIN_UNITS:BOOL=ON' "${build}/CMakeCache.txt" 2>/dev/null; then
    build="build/lint"
    cmake --preset "${preset}" -B "${build}" -DSAOBP_JOIN_UNITS=OFF >.cache/configure.log 2>&1 ||
      die "configuring ${build} failed; the whole log is ${ROOT}/.cache/configure.log"
  fi
  .venv/bin/python scripts/tidy.py --build "${build}" --jobs "$(build_jobs)" ${budget:+--budget "${budget}"} \
    "${files[@]}" || code=$?
  return "${code}"
}

failed=0
[[ "${mode}" == changed ]] || format || failed=1
case "${mode}" in
  all | changed) tidy || failed=1 ;;
esac
exit "${failed}"
