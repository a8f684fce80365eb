#!/usr/bin/env bash
# Everything that has to hold before a change goes in: set-up, format, build, what handles memory
# itself under sanitizers, lint of what changed, all tests.
# The tests come last, so that ctest's summary closes the output.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

step "set-up" scripts/setup.sh --test
step "format" scripts/lint.sh --format
step "build" scripts/build.sh release
step "tests under sanitizers" scripts/sanitize.sh asan
step "lint of changed files" scripts/lint.sh --changed --budget 120
echo "== everything before the tests: ${SECONDS} s"
echo "== tests"
exec ctest --preset release
