#!/usr/bin/env bash
# From a fresh clone to a result: set-up, build, and `saobp demo`, which trains two tiny models and compares them.
# Other arguments go to `saobp demo`; --output FOLDER chooses where the result goes (a new folder in runs/ otherwise).
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

output=""
arguments=()
while (($# > 0)); do
  case "$1" in
    --output) output="${2:?--output needs a folder}"; shift 2 ;;
    --output=*) output="${1#--output=}"; shift ;;
    *) arguments+=("$1"); shift ;;
  esac
done
if [[ -z "${output}" ]]; then
  output=runs/demo
  for ((n = 2; ; ++n)); do
    [[ -e "${output}" ]] || break
    output="runs/demo-${n}"
  done
fi

step "set-up" scripts/setup.sh
step "build" scripts/build.sh release saobp
step "demo" build/release/bin/saobp demo --output "${output}" "${arguments[@]}"
echo "Result: ${output} (all of it in ${SECONDS} s)"
find "${output}" -maxdepth 1 -name '*.html' -exec echo "Page:   {}" \;
