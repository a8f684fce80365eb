#!/usr/bin/env bash
# From a fresh clone to a result: set-up, build, and `saobp demo`, which trains two tiny models and compares them.
# Other arguments go to `saobp demo`; --output FOLDER chooses where the result goes (a new folder in runs/ otherwise).
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

output=""
arguments=()
while (($# > 0)); do
  case "$1" in
    --output)
      (($# > 1)) || { echo "scripts/demo.sh: --output needs a folder" >&2; exit 2; }
      output="$2"; shift 2 ;;
    --output=*) output="${1#--output=}"; shift ;;
    *) arguments+=("$1"); shift ;;
  esac
done
if [[ -n "${output}" ]]; then
  [[ "${output}" == /* ]] || output="${CALLER}/${output}"
else
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
