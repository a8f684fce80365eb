"""`saobp analyze` against the same diagnostics computed with numpy from transformers' attention."""
import json

import numpy as np
import pytest
import torch
from transformers import BertForMaskedLM, PreTrainedTokenizerFast

from conftest import WORDS

LINES = ["tom looks for the red key in the old mill.", "where is the box?", "", "   ", "rain fell on the hills. " * 20, "a"]
LENGTH = 24


def row_entropy(p):
    p = p / p.sum(-1, keepdims=True)
    return -(np.where(p > 0, p * np.log(np.where(p > 0, p, 1)), 0)).sum(-1).mean()


def diagnostics(a, beta=0.9, hops=4, threshold=0.01):
    """One head's matrix, each definition term by term."""
    g = sum(beta ** (t - 1) * np.linalg.matrix_power(a, t) for t in range(2, hops + 1))
    f, h = (a ** 2).sum(), (g ** 2).sum()
    return {"attention_entropy": row_entropy(a), "gtd": h / (f + h), "indirect_entropy": row_entropy(g),
            "sparsity": (a < threshold).mean()}


def refine(a, attention, strength):
    """The paper's Algorithm 1 in float64, by its loops over messages."""
    if attention == "original":
        return a
    if attention == "elemmul":
        b = a @ a.T
        return b / b.sum(-1, keepdims=True)
    lam = strength if attention == "high" else -strength
    message = np.exp(lam) * a.sum(-1, keepdims=True) + (1 - np.exp(lam)) * a
    u = np.array([a[j] * np.exp(np.log(np.delete(message, j, 0)).sum(0) - np.log(message).sum(0).max())
                  for j in range(len(a))])
    return u / u.sum(-1, keepdims=True)


def first_layer_attention(run, lines):
    net = BertForMaskedLM.from_pretrained(run, attn_implementation="eager").double().eval()
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(run / "tokenizer.json"))
    for line in lines:
        if not line.strip():
            continue
        ids = tokenizer(line)["input_ids"]
        ids = ids if len(ids) <= LENGTH else ids[:LENGTH - 1] + ids[-1:]
        with torch.no_grad():
            layers = net(torch.tensor([ids]), output_attentions=True).attentions
        yield len(ids), [layer[0].numpy() for layer in layers]


@pytest.mark.parametrize("attention, strength", [("original", None), ("high", 0.2), ("high", 1.5), ("low", 0.3), ("elemmul", None)])
def test_against_numpy(tmp_path, saobp, setting, attention, strength):
    more = ["--strength", strength] if strength is not None else []
    saobp(*setting, "--attention", attention, *more, "--steps", 30, "--learning-rate", 1e-2, "--output", "run")
    (tmp_path / "lines.txt").write_text("\n".join(LINES))
    got = saobp("analyze", "run", "--text", "lines.txt", "--length", LENGTH, "--json").json
    saved = json.loads((tmp_path / "run/analysis/lines.json").read_text())
    assert saved == got
    rows = list(first_layer_attention(tmp_path / "run", LINES))
    assert got["sequences"] == len(rows) == 4 and got["tokens"] == sum(n for n, _ in rows)
    # Only the first layer sees the same input there as here when attention is refined.
    layers = len(rows[0][1]) if attention == "original" else 1
    for layer in range(layers):
        for head in range(4):
            a = [diagnostics(m[layer][head]) for _, m in rows]
            b = [diagnostics(refine(m[layer][head], attention, strength)) for _, m in rows]
            for matrix, want in (("A", a), ("B", b)):
                for metric in want[0]:
                    mean = np.mean([w[metric] for w in want])
                    assert got["matrices"][matrix][metric][layer][head] == pytest.approx(mean, rel=2e-5, abs=1e-6), (
                        matrix, metric, layer, head)


def test_limit_compare_and_tables(tmp_path, saobp, setting):
    saobp(*setting, "--attention", "original", "--steps", 2, "--output", "one")
    saobp(*setting, "--attention", "high", "--steps", 2, "--output", "two")
    (tmp_path / "lines.txt").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(LINES).encode())
    done = saobp("analyze", "one", "--compare", "two", "--text", "lines.txt", "--limit", 2, "--json", "--output", "both.json")
    assert done.json["first"]["sequences"] == done.json["second"]["sequences"] == 2
    assert json.loads((tmp_path / "both.json").read_text()) == done.json
    table = saobp("analyze", "one", "--compare", "two", "--text", "lines.txt", "--limit", 2).out
    assert "entropy" in table and "0.856" in table
    original = done.json["first"]["matrices"]
    assert original["A"] == original["B"]  # nothing is refined there
    assert done.json["second"]["matrices"]["A"] != done.json["second"]["matrices"]["B"]
