#!/usr/bin/env bash
# Measures the operator against plain SDPA over the shapes of docs/performance.md: one JSON object a line.
#   bench/attention.sh > docs/performance.jsonl && bench/plot_attention.py docs/performance.jsonl docs/images/performance.svg
# On a machine that does nothing else; takes a quarter of an hour. REPEATS=5 is quicker and rougher.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
saobp="${SAOBP_BIN:-build/release/bin/saobp}"
for pass in forward train; do
  for shape in 16,8,128,64 4,8,512,64 1,8,2048,64; do
    for form in "high" "low" "original" "elemmul" "high --causal" "original --causal"; do
      for dtype in f32 bf16; do
        # shellcheck disable=SC2086  # a form is several words
        "${saobp}" bench attention --shape "${shape}" --dtype "${dtype}" --pass "${pass}" --variant ${form} --repeats "${REPEATS:-20}" --sdpa --json |
          tail -n 1
      done
    done
  done
done
