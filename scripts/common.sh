# Shared by the scripts, which source it; it goes to the project's root. CALLER is the folder that it came from.
set -euo pipefail
CALLER="$PWD"
cd "$(dirname "${BASH_SOURCE[0]}")/.."
ROOT="$PWD"
# Precompiled headers spoil the cache without these.
export CCACHE_SLOPPINESS="${CCACHE_SLOPPINESS:-pch_defines,time_macros,include_file_mtime,include_file_ctime}"

die() {
  echo "$(basename "$0"): $*" >&2
  exit 1
}

# step NAME COMMAND...: runs the command and prints how long it took.
step() {
  local name="$1" started=$SECONDS
  shift
  echo "== ${name}"
  "$@" || { local code=$?; echo "== ${name}: failed after $((SECONDS - started)) s" >&2; exit "${code}"; }
  echo "== ${name}: $((SECONDS - started)) s"
}

# How many compilers may run: one a core, and 2 GB of free memory for each (LibTorch's headers are large).
build_jobs() {
  local cores memory_mb limit
  cores="$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)"
  memory_mb="$(awk '/^MemAvailable:/ {print int($2 / 1024)}' /proc/meminfo 2>/dev/null || true)"
  # A container's own limit, where there is one.
  limit="$(cat /sys/fs/cgroup/memory.max 2>/dev/null || true)"
  if [[ "${limit}" =~ ^[0-9]+$ ]] && ((limit / 1048576 < ${memory_mb:-2147483647})); then
    memory_mb=$((limit / 1048576))
  fi
  local by_memory=$((${memory_mb:-2048} / 2048))
  ((by_memory >= 1)) || by_memory=1
  echo $((cores < by_memory ? cores : by_memory))
}

# C++ files that exist, committed or new; every one below the source folders where git does not know the project.
cpp_files() {
  if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    git ls-files --cached --others --exclude-standard -- '*.cpp' '*.h' | while read -r file; do [[ ! -f "${file}" ]] || echo "${file}"; done
  else
    find saobp tests bench -name '*.cpp' -o -name '*.h' | sort
  fi
}
