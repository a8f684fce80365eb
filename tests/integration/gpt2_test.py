"""GPT-2 against transformers: logits both ways, refined attention put into transformers, greedy generation, analysis."""
import base64
import json
import os
import pathlib
import subprocess

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AttentionInterface, GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from analyze_test import diagnostics
from bad_input_test import one_line
from conftest import BINARY, WORDS

PROMPTS = ["tom looks for the red key", "where is it? In the old mill, naïvely: 漢字 👍", "rain"]
VARIANTS = [("original", 0.0, True), ("high", 0.7, True), ("high", 0.7, False), ("low", 0.5, True), ("elemmul", 0.0, True)]


def write_tokenizer(folder):
    """A small byte-level BPE with an end of text; returns it and its size."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=["<|endoftext|>"], show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator([" ".join(WORDS)] * 5, trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    return tokenizer, tokenizer.get_vocab_size()


def write_model(folder, seed=1, refined=None, spread=0.1, **changes):
    """A random GPT-2 in every tensor, with its tokenizer; returns it and the tokenizer."""
    tokenizer, size = write_tokenizer(folder)
    settings = dict(n_embd=48, n_layer=3, n_head=4, n_inner=80, n_positions=64, bos_token_id=0, eos_token_id=0)
    config = GPT2Config(vocab_size=size, attn_implementation="eager", **(settings | changes))
    net = GPT2LMHeadModel(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in net.named_parameters():
            norm = "ln_" in name and name.endswith("weight")
            value.copy_(torch.randn(value.shape, generator=generator) * spread + (1.0 if norm else 0.0))
    net.eval().save_pretrained(folder)
    if refined:
        config = json.loads((folder / "config.json").read_text())
        config["refined_attention"] = dict(zip(("attention", "strength", "exclude_self"), refined))
        (folder / "config.json").write_text(json.dumps(config))
    return net, tokenizer


def prefix_refine(a, attention, strength, exclude_self=True):
    """The causal form in loops over rows: a [..., L, L], messages of later rows blocked."""
    if attention == "original":
        return a
    if attention == "elemmul":
        b = torch.tril(a @ a.transpose(-1, -2))
        return b / b.sum(-1, keepdim=True)
    lam = strength if attention == "high" else -strength
    rows, received = [], torch.zeros_like(a[..., 0, :])
    for j in range(a.shape[-1]):
        message = torch.log(np.exp(lam) * a[..., j, :].sum(-1, keepdim=True) + (1 - np.exp(lam)) * a[..., j, :])
        heard = received if exclude_self else received + message
        rows.append(a[..., j, :] * torch.exp(heard - heard[..., :j + 1].amax(-1, keepdim=True)))
        received = received + message - lam  # 0 for keys that row j does not see
    b = torch.stack(rows, -2)
    return b / b.sum(-1, keepdim=True)


def refined_in_transformers(net, attention, strength, exclude_self):
    def forward(module, query, key, value, attention_mask, scaling=None, **_):
        scores = query.double() @ key.double().transpose(-1, -2) * query.shape[-1] ** -0.5
        length = scores.shape[-1]
        a = scores.masked_fill(torch.ones(length, length).triu(1).bool(), float("-inf")).softmax(-1)
        b = prefix_refine(a, attention, strength, exclude_self)
        return (b @ value.double()).to(value.dtype).transpose(1, 2), b

    AttentionInterface.register("refined_in_test", forward)
    net.config._attn_implementation = "refined_in_test"
    return net


def logits_of(saobp, folder, prompts):
    saobp("generate", folder, *sum((["--prompt", p] for p in prompts), []), "--max-new-tokens", 1, "--logits",
          folder / "logits.npy")
    return torch.from_numpy(np.load(folder / "logits.npy"))


@pytest.mark.parametrize("changes", [{}, {"activation_function": "gelu"}, {"activation_function": "relu"},
                                     {"tie_word_embeddings": False}, {"n_inner": None}])
def test_logits_of_a_random_checkpoint(tmp_path, saobp, changes):
    net, tokenizer = write_model(tmp_path, **changes)
    rows = [tokenizer.encode(p).ids for p in PROMPTS]
    longest = max(map(len, rows))
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    real = torch.tensor([[i < len(row) for i in range(longest)] for row in rows])
    assert not real.all()  # short rows are padded
    with torch.no_grad():
        want = net(input_ids=ids, attention_mask=real.long()).logits
    got = logits_of(saobp, tmp_path, PROMPTS)
    assert got.shape == want.shape
    assert want[real].std() > 0.1  # the comparison sees something
    assert (got - want)[real].abs().max() <= 1e-4


@pytest.mark.parametrize("variant", VARIANTS)
def test_logits_with_refined_attention(tmp_path, saobp, variant):
    net, tokenizer = write_model(tmp_path, refined=variant, spread=0.3)
    prompt = " ".join(PROMPTS[:2])
    ids = torch.tensor([tokenizer.encode(prompt).ids])
    got = logits_of(saobp, tmp_path, [prompt])
    with torch.no_grad():
        plain = net(ids).logits
        want = refined_in_transformers(net, *variant)(ids).logits
    scale = want.abs().max()
    assert (got - want).abs().max() <= 1e-5 * scale
    assert variant[0] == "original" or (got - plain).abs().max() > 1e-2 * scale  # it does something


def test_transformers_loads_a_checkpoint_of_ours(tmp_path):
    program = pathlib.Path(BINARY).with_name("test_model")
    if not program.exists():
        pytest.skip(f"{program} is not built, and it is what writes a GPT-2 with values in every tensor")
    subprocess.run([program, "--gtest_filter=Gpt2Weights.SaveAndLoadInEveryBit"], check=True, capture_output=True,
                   env=os.environ | {"SAOBP_KEEP": str(tmp_path)})
    net, report = GPT2LMHeadModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"] and not report["mismatched_keys"]
    with torch.no_grad():
        want = net.eval()((torch.arange(14) * 3 + 4).reshape(2, 7)).logits
    got = torch.from_numpy(np.load(tmp_path / "logits.npy"))
    assert want.std() > 0.1
    assert (got - want).abs().max() <= 1e-4


def test_half_precision_and_bare_models_are_read(tmp_path, saobp):
    net, tokenizer = write_model(tmp_path)
    net.to(torch.bfloat16).transformer.save_pretrained(tmp_path)  # GPT2Model: no "transformer." in the names
    with torch.no_grad():
        want = net.float()(torch.tensor([tokenizer.encode(PROMPTS[0]).ids])).logits
    assert (logits_of(saobp, tmp_path, PROMPTS[:1]) - want).abs().max() <= 1e-4


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_greedy_equals_transformers(tmp_path, saobp, seed):
    net, tokenizer = write_model(tmp_path, seed, spread=0.3, n_positions=96)
    done = saobp("generate", tmp_path, *sum((["--prompt", p] for p in PROMPTS), []), "--temperature", 0,
                 "--max-new-tokens", 30, "--json").json
    assert [t["prompt"] for t in done["texts"]] == PROMPTS
    for text in done["texts"]:
        ids = torch.tensor([tokenizer.encode(text["prompt"]).ids])
        want = net.generate(ids, do_sample=False, max_new_tokens=30, pad_token_id=0, attention_mask=torch.ones_like(ids))
        want = want[0, ids.shape[1]:].tolist()
        ended = want[-1] == 0
        assert text["ids"] == (want[:-1] if ended else want)
        assert text["stopped"] == ("end_of_text" if ended else "max_new_tokens")
        assert text["text"] == tokenizer.decode(text["ids"])
        assert ended or text["tokens_per_s"] > 0


def test_text_streams_as_valid_utf8(tmp_path):
    write_model(tmp_path)
    command = [BINARY, "generate", str(tmp_path), "--prompt", "héllo", "--temperature", "8", "--max-new-tokens", "55"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    text = b""
    while chunk := process.stdout.read1(4096):
        text += chunk
        text.decode("utf-8")  # whatever has arrived is whole
    assert process.wait() == 0
    assert text.decode().startswith("héllo") and text.decode().endswith("\n")
    assert "\ufffd" in text.decode()  # random bytes: some make no character
    assert "tokens/s" in process.stderr.read().decode()


def test_seeds_and_the_end_of_the_position_table(tmp_path, saobp):
    write_model(tmp_path)
    run = lambda *more: saobp("generate", tmp_path, "--prompt", "tom", "--json", "--max-new-tokens", 1000, *more).json["texts"][0]
    first = run("--seed", 5)
    assert first["ids"] == run("--seed", 5)["ids"] != run("--seed", 6)["ids"]
    if first["stopped"] == "positions":
        assert first["prompt_tokens"] + len(first["ids"]) == 64 + 1
    assert run("--top-k", 1)["ids"] == run("--temperature", 0)["ids"] == run("--top-p", 1e-9)["ids"]
    assert saobp("generate", tmp_path, "--prompt", "", "--json").json["texts"][0]["prompt_tokens"] == 1  # <|endoftext|>
    config = json.loads((tmp_path / "config.json").read_text()) | {"trained_positions": first["prompt_tokens"]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    note = f"its positions were trained in rows of up to {first['prompt_tokens']} tokens"
    few = lambda new: saobp("generate", tmp_path, "--prompt", "tom", "--temperature", 0, "--max-new-tokens", new).err
    assert note not in few(1) and note in few(2)


@pytest.mark.parametrize("attention, strength, exclude_self", VARIANTS)
def test_analyze(tmp_path, saobp, attention, strength, exclude_self):
    net, tokenizer = write_model(tmp_path, refined=(attention, strength, exclude_self), spread=0.3)
    (tmp_path / "lines.txt").write_text("\n\n".join(PROMPTS))
    got = saobp("analyze", tmp_path, "--text", tmp_path / "lines.txt", "--length", 20, "--json").json
    rows = [tokenizer.encode(p).ids[:20] for p in PROMPTS]
    assert got["sequences"] == 3 and got["tokens"] == sum(map(len, rows)) and min(map(len, rows)) < 20
    with torch.no_grad():
        layers = [net.double()(torch.tensor([row]), output_attentions=True).attentions for row in rows]
    # Only the first layer sees the same input there as here when attention is refined.
    for layer in range(3 if attention == "original" else 1):
        for head in range(4):
            raw = [row[layer][0, head] for row in layers]
            for matrix, seen in (("A", raw), ("B", [prefix_refine(a, attention, strength, exclude_self) for a in raw])):
                want = [diagnostics(a.numpy()) for a in seen]
                for metric in want[0]:
                    mean = np.mean([w[metric] for w in want])
                    assert got["matrices"][matrix][metric][layer][head] == pytest.approx(mean, rel=2e-5, abs=1e-6), (
                        matrix, metric, layer, head)


def test_maps_keep_attention_that_is_spread(tmp_path, saobp):
    """Of a causal map, whose first entry is 1, rows over many tokens too."""
    write_model(tmp_path, n_positions=600)
    (tmp_path / "line.txt").write_text(" ".join(PROMPTS * 60)[:2000])
    saobp("analyze", tmp_path, "--text", tmp_path / "line.txt", "--maps", "--into", tmp_path / "kept", "--measures", "gtd", "--length", 600)
    maps = json.loads((tmp_path / "kept/analysis/line.maps.json").read_text())
    part, n = maps["sequences"][0]["B"], len(maps["sequences"][0]["tokens"])
    assert n > 400 and maps["power"] == 2
    for layer in range(3):
        for head in range(4):
            shares = np.frombuffer(base64.b64decode(part["bytes"][layer][head]), np.uint8).reshape(n, n) / 255
            assert np.abs((shares ** 2 * part["scale"][layer][head]).sum(1) - 1).max() < 0.07, (layer, head)


def test_what_does_not_fit_is_refused_in_one_line(tmp_path, saobp, setting):
    saobp(*setting, "--steps", 1, "--output", "run")
    (tmp_path / "gpt2").mkdir()
    write_model(tmp_path / "gpt2")
    one_line(saobp("fill", "gpt2", "--text", "[MASK]", code=1), "GPT-2", "BERT")
    one_line(saobp("generate", "run", "--prompt", "tom", code=1), "BERT", "GPT-2")
    one_line(saobp("generate", "gpt2", "--prompt", "tom " * 99, code=1), "64")
    one_line(saobp("generate", "gpt2", "--prompt", b"\xff", code=1), "UTF-8")
    one_line(saobp("generate", "gpt2", "--prompt", "tom", "--top-p", 1.5, code=2), "--top-p", "1.5")
    one_line(saobp("generate", "gpt2", "--prompt", "tom", "--temperature", -1, code=2), "--temperature", "-1")
    one_line(saobp("analyze", "gpt2", "--text", "text.txt", "--length", 65, code=2), "65", "64")
    vocabulary = (tmp_path / "vocab.txt").read_text()
    (tmp_path / "vocab.txt").write_text(vocabulary.replace("[SEP]", "sep"))
    one_line(saobp("pretrain", *setting[1:2], "gpt2/config.json", *setting[3:], "--output", "other", code=1),
             "<|endoftext|>", "[SEP]")
