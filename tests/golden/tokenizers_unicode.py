#!/usr/bin/env python3
"""Compares ids with the `tokenizers` package on every code point of Unicode and on whole files, and rewrites the list
of differences in docs/tokenizers.md. Takes minutes, so it is run by hand after a change of ICU or of the package:

    SAOBP_BIN=build/release/bin/saobp .venv/bin/python tests/golden/tokenizers_unicode.py

With a tokenizer.json and text files as arguments it compares the ids of those files instead.
"""
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import tokenizers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

SAOBP = os.environ.get("SAOBP_BIN", "build/release/bin/saobp")
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "tokenizers.md"
BEGIN, END = "<!-- begin: tests/golden/tokenizers_unicode.py -->", "<!-- end -->"
CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000 and c != 0x0A]  # a line feed ends a document


def wordpiece(vocabulary, clean, chinese, strip, lower):
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(clean, chinese, strip, lower)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def bytes_only():
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {c: i for i, c in enumerate(alphabet)}
    pieces, merges = dict(vocabulary), []
    # Merging "x" with anything before or after it shows where the pattern cuts.
    for c in alphabet:
        for a, b in (("x", c), (c, "1"), ("!", c), (c, c), ("Ġ", c)):
            if a + b not in pieces:
                pieces[a + b] = len(pieces)
                merges.append((a, b))
    tokenizer = Tokenizer(models.BPE(pieces, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def our_lines(path, lines, folder):
    (folder / "lines.txt").write_bytes("".join(line + "\n" for line in lines).encode())
    done = subprocess.run([SAOBP, "tokenizer", "encode", "--tokenizer", path, "--input", folder / "lines.txt"],
                          capture_output=True, check=True)
    return [[int(i) for i in line.split()] for line in done.stdout.decode().split("\n")[:-1]]


def differing(reference, points, folder):
    path = folder / "tokenizer.json"
    reference.save(str(path))
    found = []
    for start in range(0, len(points), 100_000):
        chunk = points[start:start + 100_000]
        lines = [f"a{c}b {c}1 x{c} !{c}{c} {c}" for c in map(chr, chunk)]
        theirs = [e.ids for e in reference.encode_batch_fast(lines, add_special_tokens=False)]
        ours = our_lines(path, lines, folder)
        found += [c for c, a, b in zip(chunk, theirs, ours, strict=True) if a != b]
    return found


def ranges(points):
    text = []
    for c in sorted(points):
        if text and text[-1][1] == c - 1:
            text[-1][1] = c
        else:
            text.append([c, c])
    return ", ".join(f"U+{a:04X}" if a == b else f"U+{a:04X}–{b:04X}" for a, b in text) or "none"


def every_code_point(folder):
    rows = []
    # Half a million tokens at a time: each character alone and continuing, so that nothing hides behind [UNK].
    for clean, chinese, strip, lower in ((True, True, True, True), (True, True, False, False), (False, False, False, True)):
        points = []
        for start in range(0, 0x110000, 0x40000):
            part = [c for c in CODE_POINTS if start <= c < start + 0x40000]
            vocabulary = {"[UNK]": 0}
            for c in [*range(128), *range(0x1100, 0x1200), *part]:
                for token in (chr(c), "##" + chr(c)):
                    vocabulary.setdefault(token, len(vocabulary))
            points += differing(wordpiece(vocabulary, clean, chinese, strip, lower), part, folder)
        name = f"WordPiece, clean_text {clean}, handle_chinese_chars {chinese}, strip_accents {strip}, lowercase {lower}"
        rows.append((name, points))
    rows.append(("byte-level BPE, GPT-2's pattern", differing(bytes_only(), CODE_POINTS, folder)))
    return rows


def whole_file(tokenizer, path, folder):
    """True when the ids of the whole file agree; invalid UTF-8 is dropped first."""
    text = Path(path).read_bytes().decode("utf-8", errors="ignore")
    (folder / "text.txt").write_bytes(text.encode())
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    reference = Tokenizer.from_file(tokenizer)
    reference.no_truncation(), reference.no_padding()
    subprocess.run([SAOBP, "tokenizer", "encode", "--tokenizer", tokenizer, "--input", folder / "text.txt", "--output",
                    folder / "ids.npy", "--json"], capture_output=True, check=True)
    ours = np.load(folder / "ids.npy")
    theirs = [np.asarray(e.ids, np.int32) for e in reference.encode_batch_fast(lines, add_special_tokens=False)]
    theirs = np.concatenate(theirs) if theirs else np.empty(0, np.int32)
    return len(ours), bool(np.array_equal(ours, theirs))


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if len(sys.argv) > 2:  # TOKENIZER FILE ...: whole files instead
            results = {path: whole_file(sys.argv[1], path, folder) for path in sys.argv[2:]}
            bad = [path for path, (_, same) in results.items() if not same]
            print(json.dumps({"files": len(results), "tokens": sum(n for n, _ in results.values()), "differ": bad}))
            return 1 if bad else 0
        rows = every_code_point(folder)
    lines = [f"Compared with `tokenizers` {tokenizers.__version__}, each of the {len(CODE_POINTS):,} code points "
             "(surrogates and the line feed left out):", "", "| what | code points whose ids differ |", "|---|---|"]
    lines += [f"| {name} | {ranges(points)} |" for name, points in rows]
    text = DOCUMENT.read_text()
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    DOCUMENT.write_text(before + BEGIN + "\n" + "\n".join(lines) + "\n" + END + after)
    print("\n".join(lines))
    return 1 if any(points for _, points in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
