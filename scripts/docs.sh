#!/usr/bin/env bash
# The reference of the library's public headers, made by Doxygen: build/docs/html/index.html. A warning is an error.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
case "${1:-}" in
  "") ;;
  -h | --help) sed -n '2s/^# //p' "$0"; exit 0 ;;
  *) echo "usage: scripts/docs.sh" >&2; exit 2 ;;
esac
command -v doxygen >/dev/null || die "doxygen was not found: scripts/setup.sh --test installs it"

headers="$(sed -n 's/^  \(saobp\/.*\.h\))\{0,1\}$/\1/p' cmake/Library.cmake | tr '\n' ' ')"
mkdir -p build/docs
doxygen - <<EOF
PROJECT_NAME           = saobp
PROJECT_BRIEF          = "Transformers whose attention is refined by belief propagation"
OUTPUT_DIRECTORY       = build/docs
INPUT                  = ${headers}
INPUT_FILTER           = "python3 scripts/doxygen_filter.py"
FULL_PATH_NAMES        = YES
STRIP_FROM_PATH        = .
EXTRACT_ALL            = YES
JAVADOC_AUTOBRIEF      = YES
GENERATE_LATEX         = NO
HAVE_DOT               = NO
ENABLE_PREPROCESSING   = YES
MACRO_EXPANSION        = YES
EXPAND_ONLY_PREDEF     = YES
PREDEFINED             = "TORCH_MODULE(Name)=class Name"
AUTOLINK_SUPPORT       = NO
QUIET                  = YES
WARN_IF_UNDOCUMENTED   = NO
WARN_AS_ERROR          = FAIL_ON_WARNINGS
EOF
echo "build/docs/html/index.html: $(find build/docs/html -name '*.html' | wc -l) pages"
