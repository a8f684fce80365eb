"""What `saobp analyze` shows beside means: matrices, drawings, what-if, importance, long sequences."""
import json

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoModelForMaskedLM, BertConfig, BertModel, PreTrainedTokenizerFast

from analyze_test import refine
from bad_input_test import one_line
from conftest import write_text, write_vocabulary
from finetune_test import model  # noqa: F401 (a fixture)
from never_lose_work_test import gpt2_setting  # noqa: F401 (a fixture)

LINE = "tom looks for the red key in the old mill."


def trained(saobp, setting, *more):
    saobp(*setting, *more, "--steps", 30, "--learning-rate", 1e-2, "--output", "run")


@pytest.mark.parametrize("kind, tolerance", [("f32", 1e-6), ("f16", 1e-3)])
def test_matrices_for_numpy(tmp_path, saobp, setting, kind, tolerance):
    trained(saobp, setting, "--attention", "high", "--strength", 0.8)
    (tmp_path / "lines.txt").write_text(f"where is the box?\n{LINE}\nrain\n")
    saobp("analyze", "run", "--text", "lines.txt", "--matrices", "m.npz", "--matrix-type", kind, "--sequences", "2,1")
    found = np.load(tmp_path / "m.npz")
    assert sorted(found) == ["A_0", "A_1", "B_0", "B_1", "G_0", "G_1", "ids", "tokens_0", "tokens_1"]
    assert list(found["ids"]) == ["2", "1"] and list(found["tokens_0"])[:4] == ["[CLS]", "tom", "looks", "for"]
    net = AutoModel.from_pretrained(tmp_path / "run", attn_implementation="eager").double().eval()
    vocabulary = {token: i for i, token in enumerate((tmp_path / "vocab.txt").read_text().split("\n"))}
    ids = torch.tensor([[vocabulary[token] for token in found["tokens_0"]]])
    with torch.no_grad():
        a = net(ids, output_attentions=True).attentions[0][0].numpy()
    b = np.stack([refine(head, "high", 0.8) for head in a])
    g = sum(0.9 ** (t - 1) * np.linalg.matrix_power(b, t) for t in (2, 3, 4))
    for name, want in (("A_0", a), ("B_0", b), ("G_0", g)):
        assert found[name].dtype == {"f32": np.float32, "f16": np.float16}[kind]
        assert np.abs(found[name][0].astype(float) - want).max() < tolerance * max(1, want.max()), name


def test_settings_of_what_is_measured_besides(tmp_path, saobp, model):
    (tmp_path / "lines.txt").write_text(LINE + "\n")
    look = ["analyze", model, "--text", "lines.txt", "--measures", "sparsity"]
    saobp(*look, "--gtd-hops", 2, "--matrices", "m.npz")
    found = np.load(tmp_path / "m.npz")
    b = found["B_0"][0, 0].astype(float)
    assert np.abs(found["G_0"][0, 0] - 0.9 * b @ b).max() < 1e-3
    rates = [saobp(*look, "--sink-threshold", share, "--what-if", "high:0.1", "--json").json["what_if"][0]["sink_rate"]
             for share in (0.01, 0.99)]
    assert rates == [1, 0]
    assert "2 layers of 4 heads" in saobp(*look[:-1], "cross_layer_gtd").out
    one_line(saobp(*look, "--gtd-hops", 2, code=2), "--gtd-hops is for gtd, indirect_entropy or cross_layer_gtd")


def test_matrices_of_plain_attention(tmp_path, saobp, model):
    (tmp_path / "lines.txt").write_text(LINE + "\n")
    saobp("analyze", model, "--text", "lines.txt", "--matrices", "m.npz")
    found = np.load(tmp_path / "m.npz")
    assert (found["A_0"] == found["B_0"]).all() and {"G_0", "ids", "tokens_0"} <= set(found)


def test_one_head_is_drawn(tmp_path, saobp, model):
    (tmp_path / "lines.txt").write_text(LINE + "\n")
    shown = saobp("analyze", model, "--text", "lines.txt", "--draw", "1.3").out.split("\n\n")[0]
    lines = shown.split("\n")
    assert "layer 1 head 3" in lines[0] and "[CLS] │" in lines[1]
    assert len({len(line) for line in lines[1:]}) == 1 and len(lines) == 1 + 13  # a row a token
    one_line(saobp("analyze", model, "--text", "lines.txt", "--draw", "9.0", code=2), "9.0", "0.0 to 1.3")
    one_line(saobp("analyze", model, "--text", "lines.txt", "--draw", "1", code=2), "LAYER.HEAD")
    one_line(saobp("analyze", model, "--text", "lines.txt", "--draw", "1.0", "--sequences", "7", code=2), "7", 'from "1" to "1"')
    one_line(saobp("analyze", model, "--text", "lines.txt", "--sequences", "1", code=2), "--maps, --matrices or --draw")


def test_what_if(tmp_path, saobp, setting):
    trained(saobp, setting, "--attention", "original")
    got = saobp("analyze", "run", "--text", "text.txt", "--length", 24, "--limit", 6, "--what-if", "high:0.1..3,low:0.2,elemmul",
                "--json").json["what_if"]
    assert [row["attention"] for row in got] == ["original"] + ["high"] * 8 + ["low", "elemmul"]
    strengths = [row["strength"] for row in got[1:9]]
    assert strengths[0] == 0.1 and strengths[-1] == 3 and strengths == sorted(strengths)
    first = got[0]
    assert first["divergence"] == 0 and first["states_cosine"] == pytest.approx(1) == first["pooled_cosine"]
    assert got[1]["divergence"] < got[8]["divergence"] and got[1]["states_cosine"] > got[8]["states_cosine"]
    # Each line is what the model says when it is opened with that refinement.
    config = json.loads((tmp_path / "run/config.json").read_text())
    config["refined_attention"] = {"attention": "high", "strength": 3.0, "exclude_self": True}
    (tmp_path / "run/config.json").write_text(json.dumps(config))
    refined = saobp("analyze", "run", "--text", "text.txt", "--length", 24, "--limit", 6, "--what-if", "low:1", "--json").json
    assert refined["what_if"][0]["loss"] == pytest.approx(got[8]["loss"], rel=1e-6)
    entropies = [value for layer in refined["matrices"]["B"]["attention_entropy"] for value in layer]
    assert got[8]["attention_entropy"] == pytest.approx(np.mean(entropies), rel=1e-6)


def test_a_sequence_that_asks_nothing_counts_for_nothing(tmp_path, saobp, gpt2_setting):  # noqa: F811
    """A decoder predicts nothing of a single token."""
    saobp(*gpt2_setting, "--attention", "high", "--strength-length", 8, "--steps", 3, "--output", "run")
    one = next(t for t in ("a", "b", "e") if len(saobp("tokenizer", "encode", "--tokenizer", "run", "--text", t, "--json").json["ids"]) == 1)
    (tmp_path / "without.txt").write_text("the red key lies in the old box\ntom looks for the mill\n")
    (tmp_path / "with.txt").write_text("the red key lies in the old box\ntom looks for the mill\n" + one + "\n")
    ask = lambda text: saobp("analyze", "run", "--text", text, "--length", 16, "--what-if", "high:1,elemmul", "--importance", "--json").json
    without, found = ask("without.txt"), ask("with.txt")
    for a, b in zip(without["what_if"], found["what_if"]):
        assert a["loss"] == b["loss"] and a["divergence"] == b["divergence"] is not None
    assert without["importance"]["mean"]["loss"] == found["importance"]["mean"]["loss"]
    cosine = found["states"]["states_cosine"]
    assert found["sequences"] == 3 and all(value is not None and abs(value) <= 1 for value in cosine)
    assert found["undefined"]["states"]["states_cosine"] == len(cosine)


def test_importance_is_the_rise_of_the_loss(tmp_path, saobp, setting):
    trained(saobp, setting)
    (tmp_path / "lines.txt").write_text(LINE + "\n" + "the hall of the town is near the red mill and the old box\n")
    got = saobp("analyze", "run", "--text", "lines.txt", "--length", 24, "--importance", "--json").json["importance"]
    assert got["sequences"] == 2 and np.shape(got["uniform"]["loss"]) == (2, 4)
    # Of one head, by a hook into transformers: its part of the context is the mean of its values.
    net = AutoModelForMaskedLM.from_pretrained(tmp_path / "run", attn_implementation="eager").eval()
    hooked = []

    def flatten(module, inputs, output):
        value = module.value(inputs[0]).view(*inputs[0].shape[:2], 4, -1)
        context = output[0].view(*inputs[0].shape[:2], 4, -1).clone()
        context[:, :, 2] = value[:, :, 2].mean(1, keepdim=True)
        hooked.append(1)
        return (context.flatten(2), *output[1:])

    # The states of the last layer, against those that it has anyhow: no masks are needed for that, so a bare encoder.
    bare = tmp_path / "bare"
    net.bert.save_pretrained(bare)
    (bare / "tokenizer.json").write_text((tmp_path / "run/tokenizer.json").read_text())
    bare_got = saobp("analyze", bare, "--text", "lines.txt", "--length", 24, "--importance", "--json").json["importance"]
    assert bare_got["loss"] is None and bare_got["uniform"]["loss"][0][0] is None
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "run/tokenizer.json"))
    rows = [tokenizer(line)["input_ids"] for line in (tmp_path / "lines.txt").read_text().splitlines()]
    cosines = []
    for row in rows:
        ids = torch.tensor([row])
        with torch.no_grad():
            before = net.bert(ids).last_hidden_state[0]
            handle = net.bert.encoder.layer[1].attention.self.register_forward_hook(flatten)
            after = net.bert(ids).last_hidden_state[0]
            handle.remove()
        cosines.append(torch.cosine_similarity(before, after, -1).mean().item())
    assert hooked and bare_got["uniform"]["states_cosine"][1][2] == pytest.approx(np.mean(cosines), abs=1e-5)


def test_long_sequences_take_little_memory_and_agree(tmp_path, saobp):
    config = BertConfig(vocab_size=write_vocabulary(tmp_path), hidden_size=64, num_hidden_layers=2, num_attention_heads=4,
                        intermediate_size=64, max_position_embeddings=1024, initializer_range=0.2)
    torch.manual_seed(3)
    BertModel(config).save_pretrained(tmp_path / "model")
    (tmp_path / "model/vocab.txt").write_text((tmp_path / "vocab.txt").read_text())
    changed = json.loads((tmp_path / "model/config.json").read_text())
    changed["refined_attention"] = {"attention": "high", "strength": 0.1, "exclude_self": True}
    (tmp_path / "model/config.json").write_text(json.dumps(changed))
    (tmp_path / "long.txt").write_text(" ".join(write_text(tmp_path / "text.txt").read_text().split()) + "\n")
    ask = ["analyze", "model", "--text", "long.txt", "--length", 1024, "--json", "--probes", 512]
    exact, found = saobp(*ask).json, saobp(*ask, "--dense-length", 1023).json
    assert found["long_sequences"] == 1 and "long_sequences" not in exact
    for matrix in "AB":
        for measure in ("attention_entropy", "normalized_entropy", "first_token_share", "special_token_share"):
            assert np.allclose(exact["matrices"][matrix][measure], found["matrices"][matrix][measure], rtol=1e-4, atol=1e-7), measure
        difference = np.subtract(exact["matrices"][matrix]["gtd"], found["matrices"][matrix]["gtd"])
        assert (np.abs(difference) < 6 * np.array(found["estimate_errors"][matrix]["gtd"]) + 1e-4).all()
        assert set(found["matrices"][matrix]) < set(exact["matrices"][matrix])
    assert exact["states"]["states_cosine"] == found["states"]["states_cosine"]
    assert "longer than 1023" in saobp(*ask[:-3], "--dense-length", 1023).out


def test_what_if_nonsense(tmp_path, saobp, model):
    (tmp_path / "lines.txt").write_text(LINE + "\n")
    ask = lambda what: saobp("analyze", model, "--text", "lines.txt", "--what-if", what, code=2)
    one_line(ask("hihg:0.1"), "hihg", "did you mean high?")
    one_line(ask("high:0.4..0.1"), "smaller strength to a larger")
    one_line(ask("high:much"), "much", "no strength")
    one_line(ask("elemmul:0.1"), "elemmul")
    one_line(ask("original"), "original")
