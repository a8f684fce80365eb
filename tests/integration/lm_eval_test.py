"""Decoders asked as lm-evaluation-harness asks them, against the harness itself: its answers are in golden/lm_eval.json, and
where the package is installed it is asked again."""
import importlib.util
import json
import pathlib
import random
import subprocess
import sys

import pytest

from conftest import WORDS
from likelihoods_test import decoder  # noqa: F401 (a fixture)
from perplexity_test import PAGES

GOLDEN = pathlib.Path(__file__).parent.parent / "golden"


def write_data(folder):
    """The same examples as the harness takes them and as they are published."""
    draw = random.Random(11)
    sentence = lambda n: " ".join(draw.choice(WORDS) for _ in range(n))
    (folder / "race/test/middle").mkdir(parents=True)
    (folder / "wikitext-2").mkdir()
    lines = lambda name, rows: (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    lines("hellaswag_val.jsonl", [
        {"ind": i, "activity_label": sentence(2), "ctx_a": sentence(draw.choice([3, 60])) + " [title] the mill [step] by.",
         "ctx_b": draw.choice(["", "tom LOOKS"]), "endings": [sentence(draw.randrange(1, 5)) + draw.choice(["", " é"]) for _ in range(4)],
         "label": i % 4, "source_id": "wikihow~x", "split_type": "zeroshot"} for i in range(12)])
    boolq = [{"question": sentence(4), "passage": sentence(draw.choice([5, 50])), "title": "T", "answer": bool(i % 2)} for i in range(8)]
    lines("dev.jsonl", boolq)
    passages = []
    for n in range(6):
        problems = [{"question": sentence(3) + draw.choice(["?", "  _  .", " _ "]), "options": [sentence(draw.randrange(1, 4)) for _ in range(4)],
                     "answer": draw.choice("ABCD")} for _ in range(draw.randrange(1, 4))]
        passages.append({"article": sentence(draw.choice([4, 20])), "problems": str(problems)})
        (folder / f"race/test/middle/{n}.txt").write_text(json.dumps(
            {"article": passages[-1]["article"], "id": f"{n}.txt", "questions": [p["question"] for p in problems],
             "options": [p["options"] for p in problems], "answers": [p["answer"] for p in problems]}))
    (folder / "wikitext-2/wiki.test.tokens").write_text("".join(PAGES))
    harness = folder / "harness"
    harness.mkdir()
    for name in ("hellaswag_val.jsonl",):
        (harness / name).write_text((folder / name).read_text())
    lines("harness/dev.jsonl", [row | {"label": int(row["answer"])} for row in boolq])
    lines("harness/race.jsonl", passages)
    lines("harness/pages.jsonl", [{"page": page} for page in PAGES])


def ask_the_harness(tmp_path):
    done = subprocess.run([sys.executable, str(GOLDEN / "ask_lm_eval.py"), "model", "data/harness"], cwd=tmp_path, capture_output=True,
                          text=True, env=None)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_likelihoods_are_those_of_the_harness(tmp_path, saobp, decoder):  # noqa: F811
    (tmp_path / "data").mkdir()
    write_data(tmp_path / "data")
    asked = {"hellaswag": ("hellaswag", "dev", "data"), "boolq": ("boolq", "dev", "data"), "race": ("race-middle", "test", "data"),
             "wikitext": ("wikitext", "test", "data")}
    ours = {}
    scores = {}
    for name, (task, split, data) in asked.items():
        done = saobp("evaluate", "model", "--task", task, "--preset", "harness", "--split", split, "--data", data, "--output", "eval", "--json")
        lines = [json.loads(line) for line in (tmp_path / f"eval/{task}-{split}.predictions.jsonl").read_text().splitlines()]
        ours[name] = [[line["log_likelihood"]] if name == "wikitext" else [o["log_likelihood"] for o in line["options"]] for line in lines]
        scores[name] = {k: v["value"] for k, v in done.json["tasks"][task]["scores"].items()}
    golden = json.loads((GOLDEN / "lm_eval.json").read_text())
    answers = [golden]
    if importlib.util.find_spec("lm_eval"):
        answers.append(ask_the_harness(tmp_path))
    for answer in answers:
        for name, theirs in answer["likelihoods"].items():
            assert len(theirs) == len(ours[name]), name
            for a, b in zip(ours[name], theirs):
                assert a == pytest.approx(b, rel=1e-5, abs=1e-3), (name, answer["version"])
        results = answer["results"]
        assert scores["hellaswag"]["accuracy"] == pytest.approx(results["hellaswag"]["acc,none"])
        assert scores["hellaswag"]["accuracy_characters"] == pytest.approx(results["hellaswag"]["acc_norm,none"])
        assert scores["boolq"]["accuracy"] == pytest.approx(results["boolq"]["acc,none"])
        assert scores["race"]["accuracy"] == pytest.approx(results["race"]["acc,none"])
        for figure in ("word_perplexity", "byte_perplexity", "bits_per_byte"):
            assert scores["wikitext"][figure] == pytest.approx(results["wikitext"][f"{figure},none"], rel=1e-4)
