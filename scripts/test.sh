#!/usr/bin/env bash
# Everything that has to hold before a change goes in: set-up, format, build, what handles memory itself under
# sanitizers, some of it as on other processors, lint of what changed, all tests.
# The tests come last, so that ctest's summary closes the output; before it stands how long each step took.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

TIMES=""
# timed NAME COMMAND...: a step whose time goes into the table.
timed() {
  local started=$SECONDS
  step "$@"
  TIMES+="$(printf '  %-24s %5d s' "$1" $((SECONDS - started)))"$'\n'
}

# Passes ctest's report on, with the table before its summary.
with_table() {
  local line started=$SECONDS
  while IFS= read -r line; do
    if [[ "${line}" =~ ^[0-9]+%\ tests\ passed ]]; then
      printf '== how long each step took\n%s  %-24s %5d s\n  %-24s %5d s\n\n' \
        "${TIMES}" tests $((SECONDS - started)) together "${SECONDS}"
    fi
    printf '%s\n' "${line}"
  done
}

timed "set-up" scripts/setup.sh --test
timed "format" scripts/lint.sh --format
timed "build" scripts/build.sh release
timed "tests under sanitizers" scripts/sanitize.sh asan
timed "made-up files" scripts/fuzz.sh 7
timed "as other processors" scripts/processors.sh --few attention model train recipes
timed "lint of changed files" scripts/lint.sh --changed --budget 45
echo "== tests"
ctest --preset release 2>&1 | with_table
