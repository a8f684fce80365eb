"""saobp score: scores from files of predictions, against scikit-learn, SciPy and SQuAD's official rules."""
import collections
import json
import random
import re
import string

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from bad_input_test import one_line


def write(path, lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def score(saobp, tmp_path, task, lines):
    write(tmp_path / "p.jsonl", lines)
    return saobp("score", "--task", task, "--predictions", "p.jsonl", "--json").json["tasks"][task]


def values(scores):
    return {name: found["value"] for name, found in scores["scores"].items()}


@pytest.mark.parametrize("seed", range(6))
def test_classes(tmp_path, saobp, seed):
    draw = np.random.default_rng(seed)
    n = int(draw.integers(2, 200))
    skill, share = draw.random(), draw.choice([0.0, 0.1, 0.5, 1.0])
    gold = (draw.random(n) < share).astype(int)
    predicted = np.where(draw.random(n) < skill, gold, 1 - gold)
    names = ["not_equivalent", "equivalent"]
    lines = [{"id": str(i), "gold": names[g], "prediction": names[p]} for i, (g, p) in enumerate(zip(gold, predicted))]
    found = score(saobp, tmp_path, "mrpc", lines)
    assert values(found)["accuracy"] == pytest.approx(metrics.accuracy_score(gold, predicted), abs=1e-12)
    assert values(found)["f1"] == pytest.approx(metrics.f1_score(gold, predicted, pos_label=1, zero_division=0), abs=1e-12)
    assert found["baselines"]["majority"]["accuracy"] == pytest.approx(max(gold.mean(), 1 - gold.mean()), abs=1e-12)
    names = ["unacceptable", "acceptable"]
    lines = [{"id": str(i), "gold": names[g], "prediction": names[p]} for i, (g, p) in enumerate(zip(gold, predicted))]
    assert values(score(saobp, tmp_path, "cola", lines))["matthews"] == pytest.approx(
        metrics.matthews_corrcoef(gold, predicted), abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_correlations_with_ties(tmp_path, saobp, seed):
    draw = np.random.default_rng(seed)
    gold = draw.integers(0, 6, 80) / 1.0
    predicted = np.round(gold + draw.normal(0, 2, 80), 1)
    found = values(score(saobp, tmp_path, "stsb", [{"id": str(i), "gold": g, "prediction": p}
                                                   for i, (g, p) in enumerate(zip(gold, predicted))]))
    assert found["pearson"] == pytest.approx(stats.pearsonr(gold, predicted)[0], abs=1e-12)
    assert found["spearman"] == pytest.approx(stats.spearmanr(gold, predicted)[0], abs=1e-12)


def test_a_constant_prediction_has_no_correlation(tmp_path, saobp):
    lines = [{"id": str(i), "gold": float(i), "prediction": 2.5} for i in range(5)]
    assert values(score(saobp, tmp_path, "stsb", lines)) == {"pearson": None, "spearman": None}
    assert "undefined" in saobp("score", "--task", "stsb", "--predictions", "p.jsonl").out


# SQuAD: evaluate-v1.1.py and evaluate-v2.0.py, retold.
def normalise(text):
    text = "".join(c for c in text.lower() if c not in set(string.punctuation))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def f1(gold, predicted, version=1):
    gold, predicted = normalise(gold).split(), normalise(predicted).split()
    if version == 2 and (not gold or not predicted):
        return int(gold == predicted)
    same = sum((collections.Counter(gold) & collections.Counter(predicted)).values())
    return 0 if same == 0 else 2 * same / (len(gold) + len(predicted))


PIECES = ["the", "The", "a", "an", "AN", "theory", "$5", "5", "café", "Café", "naïve", "über", "İstanbul", "ΣΑΣ", "“quoted”",
          "it's", "its", "state-of-the-art", "the–end", "a_b", "_the_", "x²", "\u00a0", "\u2003", "1,000", "U.S.", "&", "…", "the."]


def test_answers_are_normalised_as_officially(tmp_path, saobp):
    draw = random.Random(5)
    lines, exact, overlap = [], [], []
    for i in range(600):
        text = lambda: draw.choice(["", " "]).join(draw.choice(PIECES) + draw.choice(["", " ", "  "]) for _ in range(draw.randrange(5)))
        golds = [text() for _ in range(draw.randrange(1, 4))]
        predicted = draw.choice([text(), draw.choice(golds), draw.choice(golds).upper()])
        lines.append({"id": str(i), "gold": golds, "prediction": predicted})
        exact.append(max(normalise(g) == normalise(predicted) for g in golds))
        overlap.append(max(f1(g, predicted) for g in golds))
    found = values(score(saobp, tmp_path, "squad", lines))
    assert found["exact_match"] == pytest.approx(np.mean(exact), abs=1e-12)
    assert found["f1"] == pytest.approx(np.mean(overlap), abs=1e-12)


def test_no_answer_and_its_best_threshold(tmp_path, saobp):
    draw = random.Random(7)
    lines = []
    for i in range(300):
        golds = [] if draw.random() < 0.4 else [draw.choice(["red key", "box"]), "the"]
        answer, margin = draw.choice(["red key", "the box", "mill"]), draw.gauss(0, 3)
        lines.append({"id": str(i), "gold": golds, "prediction": "" if margin > 0 else answer, "answer": answer,
                      "no_answer_margin": margin})
    golds = [[g for g in line["gold"] if normalise(g)] or [""] for line in lines]
    exact = [max(normalise(g) == normalise(line["prediction"]) for g in gold) for gold, line in zip(golds, lines)]
    scores = score(saobp, tmp_path, "squad2", lines)["scores"]
    assert scores["exact_match"]["value"] == pytest.approx(np.mean(exact), abs=1e-12)
    raw = [max(normalise(g) == normalise(line["answer"]) for g in gold) for gold, line in zip(golds, lines)]
    current = best = sum(not line["gold"] for line in lines)
    threshold = 0.0
    for i in sorted(range(len(lines)), key=lambda i: lines[i]["no_answer_margin"]):
        current += raw[i] if lines[i]["gold"] else -1
        if current > best:
            best, threshold = current, lines[i]["no_answer_margin"]
    assert scores["best_exact_match"]["value"] == pytest.approx(best / len(lines), abs=1e-12)
    assert scores["best_exact_match"]["threshold"] == pytest.approx(threshold, abs=1e-12)


def test_bad_predictions(tmp_path, saobp):
    def refused(task, text, *words, code=1):
        (tmp_path / "p.jsonl").write_text(text)
        one_line(saobp("score", "--task", task, "--predictions", "p.jsonl", code=code), *words)

    refused("sst2", "", "holds no predictions")
    refused("sst2", '{"id": "1", "gold": "positive"}\n', "p.jsonl, line 1", '"prediction" is missing')
    refused("sst2", '{"id": "1", "gold": "positive", "prediction": "good"}\n', "prediction 1", '"good" is no label of SST-2')
    refused("sst2", '{"id": "1", "gold": null, "prediction": "positive"}\n', "has no gold")
    refused("sst2", '{"id": "1", "gold": "pos', "p.jsonl, line 1")
    one_line(saobp("score", "--task", "sst2", "--predictions", "none.jsonl", code=1), "none.jsonl")
    option = {"log_likelihood": -1.0, "unconditional": -2.0, "characters": 4, "bytes": 4, "tokens": 2}

    def choice(task="hellaswag", gold=0, prediction=0, options=(option,) * 4):
        return json.dumps({"id": "1", "gold": gold, "prediction": prediction, "options": options}) + "\n"

    refused("hellaswag", choice(gold=7), "prediction 1", "gold option 7 of 4")
    refused("hellaswag", choice(prediction=-1), "prediction 1", "option -1 of 4")
    refused("hellaswag", choice(options=[option, option | {"tokens": -3}]), "prediction 1", "an option has -3 tokens")
    refused("hellaswag", choice(options=[option, {"log_likelihood": -1.0}]), "prediction 1: an option", '"characters" is missing')
    refused("boolq", choice("boolq", "no", "no", [option]), "prediction 1", "lists 1 option; BoolQ has 2")
    refused("boolq", choice("boolq", "no", "no", {"no": option, "yes": option}), "prediction 1", '"options" is an object; a list')
