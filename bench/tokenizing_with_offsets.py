#!/usr/bin/env python3
"""Encoding with offsets on one thread against the `tokenizers` package, which always makes them: pairs of runs in turn.

    .venv/bin/python bench/tokenizing_with_offsets.py --tokenizer TOKENIZER.json --text FILE [--pairs 5]

Prints JSON: megabytes a second of both in each pair, and the median ratio. Ids and offsets are compared first.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", required=True, help="a tokenizer.json")
    parser.add_argument("--text", required=True, help="plain text, a document a line")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--program", default=str(ROOT / "build/release/bin/saobp"))
    options = parser.parse_args()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ["RAYON_NUM_THREADS"] = "1"
    import numpy
    from tokenizers import Tokenizer

    theirs = Tokenizer.from_file(options.tokenizer)
    lines = pathlib.Path(options.text).read_text().split("\n")[:-1]
    mb = sum(len(line.encode()) + 1 for line in lines) / 1e6
    with tempfile.TemporaryDirectory() as folder:
        text = pathlib.Path(folder, "text.txt")
        text.write_text("".join(line + "\n" for line in lines))
        command = [options.program, "tokenizer", "encode", "--tokenizer", options.tokenizer, "--input", str(text), "--output",
                   f"{folder}/ids.npy", "--offsets", f"{folder}/offsets.npy", "--threads", "1", "--json"]
        pairs = []
        for _ in range(options.pairs):
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            ours = json.loads(done.stdout.splitlines()[-1])["mb_per_s"]
            start = time.perf_counter()
            encodings = theirs.encode_batch(lines, add_special_tokens=False)
            pairs.append({"saobp": ours, "tokenizers": mb / (time.perf_counter() - start)})
        ids, offsets = numpy.load(f"{folder}/ids.npy"), numpy.load(f"{folder}/offsets.npy")
    assert ids.tolist() == [i for e in encodings for i in e.ids], "the ids differ"
    same = offsets.tolist() == [list(o) for e in encodings for o in e.offsets]
    ratios = [pair["saobp"] / pair["tokenizers"] for pair in pairs]
    print(json.dumps({"mb": mb, "mb_per_s": pairs, "ratio": statistics.median(ratios), "offsets_equal": same}))


if __name__ == "__main__":
    main()
