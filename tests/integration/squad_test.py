"""Answers as spans: windows, training and n-best lists against transformers."""
import collections
import json
import random
import shutil

import numpy as np
import pytest
import torch
import transformers as hf

from bad_input_test import one_line
from conftest import ROOT, WORDS, write_vocabulary

LENGTH, OVERLAP = 40, 8


def write_squad(path, seed, count=24, version2=False):
    draw = random.Random(seed)
    paragraphs = []
    for i in range(count):
        words = [draw.choice(WORDS) for _ in range(draw.choice([12, 30, 70]))]
        place = draw.randrange(len(words))
        words[place] = "café 😀 hall"  # beyond ASCII, and beyond 16 bits
        context = "  ".join(words)
        answer = "hall"
        start = context.index("😀 hall") + 2
        qa = {"id": f"q{i}", "question": "where is " + draw.choice(WORDS) + "?", "answers": [{"text": answer, "answer_start": start}]}
        if version2:
            qa["is_impossible"] = i % 3 == 0
            qa["answers"] = [] if qa["is_impossible"] else qa["answers"]
        paragraphs.append({"context": context, "qas": [qa]})
    path.write_text(json.dumps({"version": "x", "data": [{"title": "t", "paragraphs": paragraphs}]}))
    return paragraphs


@pytest.fixture
def task(tmp_path):
    def make(name="squad"):
        settings = json.loads((ROOT / f"configs/tasks/{name}.json").read_text())
        settings["overlap"] = OVERLAP
        (tmp_path / f"{name}.json").write_text(json.dumps(settings))
        return f"{name}.json"

    return make


@pytest.fixture
def model(tmp_path):
    config = hf.BertConfig(vocab_size=write_vocabulary(tmp_path), hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
                           intermediate_size=64, max_position_embeddings=64)
    torch.manual_seed(3)
    hf.BertModel(config).save_pretrained(tmp_path / "model")
    shutil.copy(tmp_path / "vocab.txt", tmp_path / "model/vocab.txt")
    return "model"


def windows(tokenizer, paragraph):
    qa = paragraph["qas"][0]
    return tokenizer(qa["question"], paragraph["context"], truncation="only_second", max_length=LENGTH, stride=OVERLAP,
                     return_overflowing_tokens=True, return_offsets_mapping=True, padding="max_length")


def their_answers(net, tokenizer, paragraph, n_best=20, longest=30):
    """postprocess_qa_predictions of transformers' utils_qa.py, for one question."""
    batch = windows(tokenizer, paragraph)
    found, null = [], None
    for i in range(len(batch["input_ids"])):
        inputs = {k: torch.tensor([batch[k][i]]) for k in ("input_ids", "attention_mask", "token_type_ids")}
        with torch.no_grad():
            out = net(**inputs)
        real = int(inputs["attention_mask"].sum())
        start, end = out.start_logits[0, :real].numpy(), out.end_logits[0, :real].numpy()
        offsets = [o if batch.sequence_ids(i)[k] == 1 else None for k, o in enumerate(batch["offset_mapping"][i])][:real]
        score = start[0] + end[0]
        null = score if null is None or score < null else null
        for s in np.argsort(start)[-1: -n_best - 1: -1]:
            for e in np.argsort(end)[-1: -n_best - 1: -1]:
                if offsets[s] is None or offsets[e] is None or e < s or e - s + 1 > longest:
                    continue
                found.append((float(start[s] + end[e]), paragraph["context"][offsets[s][0]: offsets[e][1]]))
    found.sort(key=lambda f: -f[0])
    return found[:n_best], float(null)


def test_it_learns_and_answers_as_transformers(tmp_path, saobp, model, task):
    (tmp_path / "data").mkdir()
    write_squad(tmp_path / "data/train-v1.1.json", 1, 60)
    dev = write_squad(tmp_path / "data/dev-v1.1.json", 2)
    done = saobp("finetune", model, "--task", task(), "--data", "data", "--output", "run", "--epochs", 6, "--batch", 8,
                 "--learning-rate", 3e-3, "--length", LENGTH, "--json")
    assert done.json["dev"]["scores"]["exact_match"]["value"] > 0.5
    net = hf.BertForQuestionAnswering.from_pretrained(tmp_path / "run").eval()
    tokenizer = hf.AutoTokenizer.from_pretrained(tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run/eval/squad-dev.predictions.jsonl").read_text().splitlines()]
    assert sum(len(windows(tokenizer, p)["input_ids"]) for p in dev) > len(dev), "some contexts go in windows"
    for paragraph, line in zip(dev, lines):
        theirs, _ = their_answers(net, tokenizer, paragraph)
        assert line["id"] == paragraph["qas"][0]["id"] and line["gold"] == ["hall"]
        assert line["prediction"] == theirs[0][1]
        ours = [(b["start_logit"] + b["end_logit"], b["text"]) for b in line["nbest"]]
        assert [o[0] for o in ours] == pytest.approx([t[0] for t in theirs], abs=1e-4)
        assert sum(b["probability"] for b in line["nbest"]) == pytest.approx(1)
    # The answers in the windows: transformers' own training script finds the same places.
    answers = collections.Counter(line["prediction"] for line in lines)
    assert answers["hall"] > 12
    assert json.loads((tmp_path / "run/eval/squad-dev.official.json").read_text()) == {p["id"]: p["prediction"] for p in lines}
    again = saobp("evaluate", "run", "--task", "squad.json", "--data", "data", "--batch", 5, "--json")
    assert again.json["tasks"]["squad"]["scores"] == done.json["dev"]["scores"]
    # Looked into, a window is a sequence of its own; what is known of its question is known of it.
    (tmp_path / "marks.jsonl").write_text("".join(json.dumps({"id": p["qas"][0]["id"], "mark": i % 5}) + "\n" for i, p in enumerate(dev)))
    seen = saobp("analyze", "run", "--task", "squad.json", "--data", "data", "--keep-sequences", "--scores", "marks.jsonl",
                 "--correlate", "mark")
    rows = [json.loads(line) for line in next((tmp_path / "run/analysis").glob("*.sequences.jsonl")).read_text().splitlines()]
    counts = {p["qas"][0]["id"]: len(windows(tokenizer, p)["input_ids"]) for p in dev}
    assert [row["id"] for row in rows] == [f"{q}#{n}" if count > 1 else q for q, count in counts.items() for n in range(count)]
    assert all(row.get("example", row["id"]) == row["id"].partition("#")[0] for row in rows)
    assert "24 ids, of which 24 are of sequences here" in seen.out
    assert " ".join(seen.out.split()).count("parts of 24 examples, and those of one example are no independent draws") == 1


def test_version_2_can_say_that_there_is_no_answer(tmp_path, saobp, model, task):
    (tmp_path / "data").mkdir()
    write_squad(tmp_path / "data/train-v2.0.json", 1, 40, version2=True)
    dev = write_squad(tmp_path / "data/dev-v2.0.json", 2, version2=True)
    done = saobp("finetune", model, "--task", task("squad2"), "--data", "data", "--output", "run", "--epochs", 2, "--batch", 8,
                 "--learning-rate", 1e-3, "--length", LENGTH, "--json")
    scores = done.json["dev"]["scores"]
    assert {"exact_match", "f1", "has_answer_f1", "no_answer_f1", "best_f1"} <= set(scores)
    net = hf.BertForQuestionAnswering.from_pretrained(tmp_path / "run").eval()
    tokenizer = hf.AutoTokenizer.from_pretrained(tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run/eval/squad2-dev.predictions.jsonl").read_text().splitlines()]
    for paragraph, line in zip(dev, lines):
        theirs, null = their_answers(net, tokenizer, paragraph)
        assert line["no_answer_margin"] == pytest.approx(null - theirs[0][0], abs=1e-4)
        assert line["answer"] == theirs[0][1]
        assert line["prediction"] == ("" if null > theirs[0][0] else theirs[0][1])


def test_answers_that_do_not_align(tmp_path, saobp, model, task):
    (tmp_path / "data").mkdir()
    paragraphs = write_squad(tmp_path / "data/train-v1.1.json", 1, 40)
    write_squad(tmp_path / "data/dev-v1.1.json", 2, 4)

    def rewrite(count, change):
        for p in paragraphs[:count]:
            change(p["qas"][0])
        (tmp_path / "data/train-v1.1.json").write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}))

    start = ["finetune", model, "--task", task(), "--data", "data", "--epochs", 1, "--length", LENGTH, "--output"]
    rewrite(1, lambda qa: qa["answers"][0].update(answer_start=0))
    assert "not trained on: q0" in saobp(*start, "run").out
    rewrite(10, lambda qa: qa["answers"][0].update(answer_start=0))
    one_line(saobp(*start, "r2", code=1), "of 10 of 40 questions the answer does not stand where", "first of q0")
    rewrite(1, lambda qa: qa.update(answers=[]))
    one_line(saobp(*start, "r2", code=1), "question q0", "has no answer")
    rewrite(1, lambda qa: qa.update(id="q1", answers=[{"text": "hall", "answer_start": 0}]))
    one_line(saobp(*start, "r2", code=1), "question q1", "twice")
    whole = (tmp_path / "data/train-v1.1.json").read_text()
    (tmp_path / "data/train-v1.1.json").write_text(whole[: len(whole) // 2])
    one_line(saobp(*start, "r2", code=1), "train-v1.1.json", "line 1")
