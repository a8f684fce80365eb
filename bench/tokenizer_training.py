#!/usr/bin/env python3
"""Trains byte-level BPE with the `tokenizers` package and with saobp on the same files; prints both times, and whether
vocabulary and merges are identical, as one JSON object."""
import argparse
import json
import os
import pathlib
import subprocess
import tempfile
import time

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--saobp", default="build/release/bin/saobp", help="the program")
parser.add_argument("--input", required=True, type=pathlib.Path, help="a text file, or a folder of *.txt")
parser.add_argument("--vocab-size", type=int, default=50257)
parser.add_argument("--threads", type=int, default=1)
options = parser.parse_args()
os.environ["TOKENIZERS_PARALLELISM"] = "true" if options.threads > 1 else "false"
os.environ["RAYON_NUM_THREADS"] = str(options.threads)
from tokenizers import Tokenizer, models, pre_tokenizers, trainers  # noqa: E402 (reads the environment)

files = [str(f) for f in sorted(options.input.glob("*.txt"))] if options.input.is_dir() else [str(options.input)]
reference = Tokenizer(models.BPE())
reference.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
start = time.perf_counter()
reference.train(files, trainers.BpeTrainer(vocab_size=options.vocab_size, min_frequency=2, show_progress=False,
                                           special_tokens=["<|endoftext|>"],
                                           initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
theirs = time.perf_counter() - start
with tempfile.TemporaryDirectory() as folder:
    command = [options.saobp, "tokenizer", "train", "--kind", "bpe", "--vocab-size", options.vocab_size,
               "--threads", options.threads, "--output", folder]
    start = time.perf_counter()
    subprocess.run([*map(str, command), *(a for f in files for a in ("--input", f))], check=True, capture_output=True)
    ours = time.perf_counter() - start
    learnt = json.loads((pathlib.Path(folder) / "tokenizer.json").read_text())["model"]
expected = json.loads(reference.to_str())["model"]
print(json.dumps({
    "mb": round(sum(os.path.getsize(f) for f in files) / 1e6, 2), "vocab_size": len(learnt["vocab"]),
    "threads": options.threads, "tokenizers_seconds": round(theirs, 2), "saobp_seconds": round(ours, 2),
    "identical": learnt["vocab"] == expected["vocab"] and learnt["merges"] == expected["merges"]}))
