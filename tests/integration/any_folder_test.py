"""Models from where they lie: a checkpoint's folder, two models of different length, and a decoder with WordPiece."""
import json
import subprocess

import pytest
import torch
from tokenizers import Tokenizer
from transformers import GPT2LMHeadModel

from bad_input_test import one_line
from conftest import BINARY, tiny_config

OPTIONS = {"plain": [],
           "learned": ["--learn-strength", "head", "--strength-warmup-steps", 4, "--strength-learning-rate", 0.05],
           "reparametrised": ["--sigma-reparam", "--entropy-reg", 1e-3, "--eigen-reg", 1e-3],
           "wide": ["--dtype", "f64"]}


def measures(analysis):
    return {key: analysis[key] for key in ("matrices", "sequences", "tokens", "settings", "strengths")}


@pytest.mark.parametrize("kind", OPTIONS)
def test_a_checkpoint_is_analysed_like_the_run_that_ended_there(saobp, setting, tmp_path, kind):
    arguments = [*setting, *OPTIONS[kind], "--learning-rate", 1e-2, "--checkpoint-every", 3]
    saobp(*arguments, "--steps", 6, "--output", "run")
    look = ["--text", "valid.txt", "--json"]
    last = saobp("analyze", "run", *look).json
    newest = saobp("analyze", "run/checkpoints/step-000006", *look).json
    older = saobp("analyze", "run/checkpoints/step-000003/", *look).json
    assert json.dumps(measures(older)) != json.dumps(measures(last))
    for matrix in "AB":  # σReparam's weights are multiplied out in the run's own file: rounding
        for metric, layers in last["matrices"][matrix].items():
            for heads, again in zip(layers, newest["matrices"][matrix][metric], strict=True):
                assert [v is None for v in again] == [v is None for v in heads]  # null: the measure is not defined there
                assert [v for v in again if v is not None] == pytest.approx([v for v in heads if v is not None], rel=1e-4,
                                                                            abs=1e-6)
    assert newest["strengths"] == last["strengths"] and newest["model"] == "run/checkpoints/step-000006"
    if kind == "learned":
        log = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
        assert older["strengths"] != last["strengths"] and len(older["strengths"][0]) == 4
        assert f"λ = " in saobp("analyze", "run/checkpoints/step-000003", "--text", "valid.txt").out and log
    fills = [saobp("fill", place, "--text", "tom looks [MASK] the key", "--json").json["masks"][0]["tokens"][0]
             for place in ("run", "run/checkpoints/step-000006")]
    assert fills[0]["id"] == fills[1]["id"] and fills[0]["probability"] == pytest.approx(fills[1]["probability"], rel=1e-4)
    assert not (tmp_path / "run/checkpoints/step-000006/analysis").exists()


def test_a_damaged_checkpoint_is_refused(saobp, setting, tmp_path):
    saobp(*setting, "--steps", 1, "--output", "run")
    folder = tmp_path / "run/checkpoints/step-000001"
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[:-100])
    one_line(saobp("analyze", folder, "--text", "valid.txt", code=1), "model.safetensors", "truncated")
    (folder / "model.safetensors").write_bytes(weights)
    (folder / "state.json").write_text("{}")
    one_line(saobp("analyze", folder, "--text", "valid.txt", code=1), "state.json")


def test_a_length_that_suits_both(saobp, setting, tmp_path):
    saobp(*setting, "--steps", 1, "--output", "long")
    tiny_config(tmp_path / "short.json", max_position_embeddings=32)
    setting[setting.index("tiny.json")] = "short.json"
    saobp(*setting, "--steps", 1, "--output", "short")
    both = ["analyze", "long", "--compare", "short", "--text", "valid.txt"]
    one_line(saobp(*both, "--length", 40, code=2), "--length: 40", "from 3 to 32 suits both",
             "long ends at 64", "short ends at 32")
    assert not (tmp_path / "long/analysis").exists(), "nothing was measured before"
    found = saobp(*both, "--json").json
    assert found["first"]["settings"]["length"] == found["second"]["settings"]["length"] == 32


def test_what_was_cut_and_what_is_refined(saobp, setting, tmp_path):
    (tmp_path / "lines.txt").write_text("tom looks for the key\n" + "rain fell on the hills " * 20 + "\n")
    saobp(*setting, "--steps", 1, "--attention", "original", "--output", "plain")
    saobp(*setting, "--steps", 1, "--strengths", "0.1,0.3:0.2:0.1:0", "--output", "refined")
    look = ["--text", "lines.txt", "--length", 16]
    assert saobp("analyze", "plain", *look, "--json").json["cut_sequences"] == 1
    out = saobp("analyze", "plain", *look).out
    assert "2 sequences (1 of them cut at 16 tokens)" in out
    assert "original attention; nothing is refined: B is A" in out and "after refinement" not in out
    out = saobp("analyze", "refined", *look).out
    assert "high attention, λ = 0.1 and 0.15 (0.3 0.2 0.1 0) in layers 0 to 1" in out and "B is A" not in out
    out = saobp("analyze", "plain", "--compare", "refined", *look).out
    assert "B is A" in out and "λ = 0.1 and 0.15" in out
    assert "cut at" not in saobp("analyze", "plain", "--text", "lines.txt", "--length", 16, "--limit", 1).out


def test_a_decoder_with_wordpiece(saobp, setting, tmp_path):
    config = dict(model_type="gpt2", vocab_size=1, n_embd=32, n_layer=2, n_head=4, n_positions=64)
    (tmp_path / "gpt2.json").write_text(json.dumps(config))
    setting[setting.index("tiny.json")] = "gpt2.json"
    saobp(*setting, "--attention", "original", "--steps", 30, "--learning-rate", 1e-2, "--output", "run")
    tokenizer = Tokenizer.from_file(str(tmp_path / "run/tokenizer.json"))
    end = tokenizer.token_to_id("[SEP]")
    assert json.loads((tmp_path / "run/config.json").read_text())["eos_token_id"] == end
    prompts = ["Tom looks for", "the key", "xylo", ""]
    texts = saobp("generate", "run", *sum((["--prompt", p] for p in prompts), []), "--seed", 3, "--max-new-tokens", 20,
                  "--json").json["texts"]
    assert {"##" in tokenizer.id_to_token(i) for t in texts for i in t["ids"]} == {False, True}, "no pieces were drawn"
    for text in texts:
        before = tokenizer.encode(text["prompt"], add_special_tokens=False).ids or [end]
        whole, given = tokenizer.decode(before + text["ids"]), tokenizer.decode(before)
        assert whole == given + text["text"] and end not in text["ids"]
    # What is shown piece by piece is the same.
    command = [BINARY, "generate", "run", "--prompt", prompts[0], "--seed", "3", "--max-new-tokens", "20"]
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert shown == prompts[0] + texts[0]["text"] + "\n"
    greedy = saobp("generate", "run", "--prompt", "tom looks", "--temperature", 0, "--max-new-tokens", 12, "--json").json["texts"][0]
    ids = torch.tensor([tokenizer.encode("tom looks", add_special_tokens=False).ids])
    net = GPT2LMHeadModel.from_pretrained(tmp_path / "run").eval()
    want = net.generate(ids, do_sample=False, max_new_tokens=12, pad_token_id=0, attention_mask=torch.ones_like(ids))
    want = want[0, ids.shape[1]:].tolist()
    assert greedy["ids"] == (want[:-1] if want[-1] == end else want)
