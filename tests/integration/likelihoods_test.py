"""Decoders asked without training: log-likelihoods against transformers, by the rules of lm-evaluation-harness."""
import json
import random
import re

import pytest
import torch
import transformers as hf

from bad_input_test import one_line
from conftest import WORDS


@pytest.fixture
def decoder(tmp_path, saobp):
    text = tmp_path / "text.txt"
    draw = random.Random(4)
    text.write_text("\n".join(" ".join(draw.choice(WORDS) for _ in range(12)) + "." for _ in range(400)))
    saobp("tokenizer", "train", "--kind", "bpe", "--input", text, "--vocab-size", 400, "--output", "model")
    size = len(json.loads((tmp_path / "model/tokenizer.json").read_text())["model"]["vocab"])
    torch.manual_seed(2)
    config = hf.GPT2Config(vocab_size=size, n_embd=32, n_layer=2, n_head=4, n_positions=48, bos_token_id=0, eos_token_id=0)
    net = hf.GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn(parameter.shape) * 0.3)
    net.save_pretrained(tmp_path / "model")
    return net


class Harness:
    """TemplateLM._encode_pair and HFLM._loglikelihood_tokens of lm_eval, for one pair."""

    def __init__(self, folder, net):
        self.tokenizer, self.net = hf.PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json")), net
        self.start = self.tokenizer.convert_tokens_to_ids("<|endoftext|>")

    def encode(self, text):
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def log_likelihood(self, context, continuation):
        spaces = len(context) - len(context.rstrip())
        if spaces > 0:
            continuation, context = context[-spaces:] + continuation, context[:-spaces]
        whole = self.encode(context + continuation)
        before = self.encode(context) if context else []
        targets = whole[len(before):]
        ids = ((before or [self.start]) + targets)[-(self.net.config.n_positions + 1):][:-1]
        with torch.no_grad():
            logits = self.net(torch.tensor([ids])).logits[0].log_softmax(-1)[-len(targets):]
        return logits.gather(1, torch.tensor(targets)[:, None]).sum().item()


def wikihow(text):
    """preprocess() of the harness' tasks/hellaswag/utils.py."""
    text = text.strip().replace(" [title]", ". ")
    return re.sub("\\[.*?\\]", "", text).replace("  ", " ")


def test_hellaswag_as_the_harness_asks_it(tmp_path, saobp, decoder):
    draw = random.Random(6)
    sentence = lambda n: " ".join(draw.choice(WORDS) for _ in range(n))
    rows = []
    for i in range(30):
        rows.append({"ind": i, "activity_label": sentence(2), "ctx_a": sentence(draw.choice([3, 60])) + " [title] the mill [step] by.",
                     "ctx_b": draw.choice(["", "tom LOOKS"]), "endings": [sentence(draw.randrange(1, 5)) + draw.choice(["", " é"]) for _ in range(4)],
                     "label": draw.randrange(4), "source_id": "wikihow~x", "split_type": "zeroshot"})
    (tmp_path / "data").mkdir()
    (tmp_path / "data/hellaswag_val.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    done = saobp("evaluate", "model", "--task", "hellaswag", "--data", "data", "--output", "eval", "--batch", 7, "--json")
    lines = [json.loads(line) for line in (tmp_path / "eval/hellaswag-dev.predictions.jsonl").read_text().splitlines()]
    harness = Harness(tmp_path / "model", decoder)
    right = {name: 0 for name in ("accuracy", "accuracy_characters", "accuracy_bytes", "accuracy_tokens", "accuracy_pmi")}
    for row, line in zip(rows, lines):
        context = wikihow(row["activity_label"] + ": " + row["ctx_a"] + " " + row["ctx_b"].capitalize())
        options = [wikihow(e) for e in row["endings"]]
        theirs = [harness.log_likelihood(context, " " + o) for o in options]
        alone = [harness.log_likelihood("", " " + o) for o in options]
        assert [o["log_likelihood"] for o in line["options"]] == pytest.approx(theirs, abs=1e-3)
        assert [o["unconditional"] for o in line["options"]] == pytest.approx(alone, abs=1e-3)
        assert [(o["characters"], o["bytes"]) for o in line["options"]] == [(len(o), len(o.encode())) for o in options]
        by = {"accuracy": theirs, "accuracy_characters": [t / len(o) for t, o in zip(theirs, options)],
              "accuracy_bytes": [t / len(o.encode()) for t, o in zip(theirs, options)],
              "accuracy_tokens": [t / n["tokens"] for t, n in zip(theirs, line["options"])],
              "accuracy_pmi": [t - a for t, a in zip(theirs, alone)]}
        for name, found in by.items():
            right[name] += max(range(4), key=lambda n: found[n]) == row["label"]
    scores = done.json["tasks"]["hellaswag"]["scores"]
    assert {name: scores[name]["value"] * 30 for name in right} == pytest.approx(right)
    for row, line in zip(rows, lines):
        line["options"][row["label"]]["log_likelihood"] = 0.0
    (tmp_path / "better").mkdir()
    (tmp_path / "better/hellaswag-dev.predictions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    compared = saobp("compare", "eval", "better", "--task", "hellaswag", "--score", "accuracy_tokens", "--json").json["comparisons"][0]
    assert [compared[side]["value"] for side in ("first", "second")] == pytest.approx([right["accuracy_tokens"] / 30, 1])
    assert compared["mcnemar"]["only_second_right"] == 30 - right["accuracy_tokens"] and compared["mcnemar"]["only_first_right"] == 0
    one_line(saobp("compare", "eval", "better", "--task", "hellaswag", "--score", "f1", code=2), "accuracy_characters, accuracy_bytes")


def test_boolq_is_asked_by_its_labels(tmp_path, saobp, decoder):
    (tmp_path / "data").mkdir()
    rows = [{"question": "is the key red", "passage": "The key is old.", "title": "Key", "answer": bool(i % 2)} for i in range(4)]
    (tmp_path / "data/dev.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    saobp("evaluate", "model", "--task", "boolq", "--data", "data", "--output", "eval")
    line = json.loads((tmp_path / "eval/boolq-dev.predictions.jsonl").read_text().splitlines()[0])
    harness = Harness(tmp_path / "model", decoder)
    context = "The key is old.\nQuestion: is the key red?\nAnswer:"
    assert [o["log_likelihood"] for o in line["options"]] == pytest.approx(
        [harness.log_likelihood(context, " no"), harness.log_likelihood(context, " yes")], abs=1e-3)
    one_line(saobp("evaluate", "model", "--task", "boolq", "--data", "data", "--prompt", "x", code=2), "no prompt x; default")
    # Of several tasks those that cannot be asked are left out, and named.
    (tmp_path / "data/boolq").mkdir()
    (tmp_path / "data/dev.jsonl").rename(tmp_path / "data/boolq/dev.jsonl")
    done = saobp("evaluate", "model", "--task", "ax,sst2,stsb,boolq", "--data", "data", "--json")
    assert list(done.json["tasks"]) == ["boolq"] and list(done.json["left_out"]) == ["ax", "sst2", "stsb"]
    assert all("data: has no " in done.json["left_out"][name] for name in ("ax", "sst2"))
    assert "left out    ax: data: has no diagnostic-full.tsv of AX" in done.err
    mismatched = saobp("evaluate", "model", "--task", "mnli,boolq", "--data", "data", "--split", "dev_mismatched", code=1).out
    assert "left out    boolq: BoolQ has no split dev_mismatched" in mismatched
    # One that breaks off does not cost what was found before it.
    (tmp_path / "data/hellaswag").mkdir()
    (tmp_path / "data/hellaswag/hellaswag_val.jsonl").write_text('{"ind": 1,')
    broken = saobp("evaluate", "model", "--task", "boolq,hellaswag", "--data", "data", code=1)
    assert "boolq" in broken.out and "hellaswag_val.jsonl" in broken.err
    one_line(saobp("evaluate", "model", "--task", "ax,sst2", "--data", "data", code=1), "--task: none of ax and sst2 can be asked of model")
    one_line(saobp("evaluate", "model", "--task", "boolq", "--data", "data", "--split", "x", code=2), "no split x; ")


def test_a_constant_model_is_tied_everywhere(tmp_path, saobp, decoder):
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.zero_()
    decoder.save_pretrained(tmp_path / "model")
    (tmp_path / "data").mkdir()
    row = {"ind": 1, "activity_label": "x", "ctx_a": "the", "ctx_b": "", "endings": ["key", "key", "key", "key"], "label": 2,
           "source_id": "a~b", "split_type": "c"}
    (tmp_path / "data/hellaswag_val.jsonl").write_text(json.dumps(row) + "\n")
    assert saobp("evaluate", "model", "--task", "hellaswag", "--data", "data", "--json").json["tasks"]["hellaswag"]["ties"] == 1
