"""Text that teaches nothing is told, or refused, before the first step."""
import json
import random

import pytest

from bad_input_test import one_line
from conftest import WORDS, with_flags


def text_with_unknown(path, share, words=2000, seed=0):
    draw = random.Random(seed)
    known = [draw.choice(WORDS) for _ in range(words)]
    for place in draw.sample(range(words), round(share * words)):
        known[place] = "中"
    path.write_text("\n\n".join(" ".join(known[i:i + 40]) for i in range(0, words, 40)) + "\n")


@pytest.mark.parametrize("share, warned", [(0, False), (0.005, False), (0.02, True), (0.41, True)])
def test_unknown_tokens_are_told(tmp_path, saobp, setting, share, warned):
    text_with_unknown(tmp_path / "text.txt", share)
    text_with_unknown(tmp_path / "valid.txt", share, seed=1)
    done = saobp(*setting, "--steps", 1, "--output", "run")
    lines = {line.split()[0]: line for line in done.out.splitlines() if line}
    for name in ("corpus", "validation"):
        assert f"2,000 tokens, {100 * share:.3g} % [UNK], " in lines[name], done.out
    warnings = [line for line in done.out.splitlines() if line.startswith("warning")]
    assert len(warnings) == (2 if warned else 0), done.out
    if warned:
        assert "--corpus" in warnings[0] and "--validation" in warnings[1]
        assert all(f"{100 * share:.3g} % of its tokens are [UNK]" in warning for warning in warnings)


@pytest.mark.parametrize("share", [0.51, 1])
def test_text_that_is_unknown_is_refused(tmp_path, saobp, setting, share):
    command = [*setting, "--steps", 1, "--output", "run"]
    text_with_unknown(tmp_path / "bad.txt", share)
    expected = f"{100 * share:.3g} % of its tokens are [UNK]"
    one_line(saobp(*with_flags(command, corpus="bad.txt"), code=1), "--corpus", "bad.txt", expected)
    one_line(saobp(*with_flags(command, validation="bad.txt"), code=1), "--validation", "bad.txt", expected)
    # One source of two, which the mean of both would hide.
    one_line(saobp(*command, "--corpus", "bad.txt", code=1), "--corpus", "bad.txt", expected)
    assert not (tmp_path / "run").exists()


def test_validation_rows_that_predict_nothing_are_refused(tmp_path, saobp, setting):
    (tmp_path / "valid.txt").write_text("中 " * 30 + "\n\n" + "the old key " * 20)
    done = saobp(*setting, "--validation-rows", 1, "--steps", 1, "--output", "run", code=1)
    one_line(done, "the validation text has no token that could be predicted: its 1 row holds special tokens only")
    assert not (tmp_path / "run").exists()


def test_validation_text_that_is_trained_on_is_told(tmp_path, saobp, setting):
    def warnings(name, **files):
        out = saobp(*with_flags(setting, steps=1, output=name, **files)).out
        return [line for line in out.splitlines() if line.startswith("warning")]

    assert warnings("apart") == []
    assert "--validation: 100 % of its tokens are in documents that --corpus has too" in warnings("same", validation="text.txt")[0]
    documents = (tmp_path / "text.txt").read_text().split("\n\n")
    other = (tmp_path / "valid.txt").read_text().split("\n\n")
    (tmp_path / "part.txt").write_text("\n\n".join([*other[:3], documents[17].strip()]) + "\n")
    assert "--validation: 25 % of its tokens" in warnings("part", validation="part.txt")[0]
    (tmp_path / "lines.jsonl").write_text("".join(json.dumps({"text": document}) + "\n" for document in documents))
    assert "--validation: 100 % " in warnings("kinds", validation="lines.jsonl")[0]


def test_damaged_caches_are_told_and_made_again(tmp_path, saobp, setting):
    def told(name):
        out = saobp(*setting, "--steps", 1, "--output", name).out
        return [line for line in out.splitlines() if "tokenised again" in line]

    assert told("first") == []
    caches = sorted((tmp_path / "cache").rglob("*.ids"))
    assert len(caches) == 2
    for path in caches:
        content = bytearray(path.read_bytes())
        content[len(content) // 4] ^= 1
        path.write_bytes(content)
    lines = told("second")
    assert len(lines) == 2
    for path in caches:
        assert any(f"{path}: its checksum is wrong; the text was tokenised again" in line for line in lines), lines
    assert told("third") == []
