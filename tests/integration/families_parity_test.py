"""Every family both ways between this program and transformers: the same hidden states and logits, with every tensor
drawn at random, short rows padded and token types; filled or continued, analysed, trained on, and loaded there again."""
import json

import numpy as np
import pytest
import torch
import transformers as hf
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from conftest import write_vocabulary

TEXTS = ["tom looks for the red [MASK] in the old mill.", "where is [MASK]?", "rain fell on the hills [MASK] by mira"]


def draw_every_tensor(model, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in model.named_parameters():
            norm = "norm" in name.lower() or "ln_" in name
            value.copy_(torch.randn(value.shape, generator=generator) * 0.1 + (norm and name.endswith("weight")))
    return model.eval()


def write_roberta_tokenizer(folder):
    """Byte-level without merges, with RoBERTa's special tokens and its way to put them around a text."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate(["<s>", "<pad>", "</s>", "<unk>", *letters, "<mask>"])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True,
                                                            add_prefix_space=False)
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    return len(vocabulary)


def tokens_of(folder, texts):
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    pad = next(t for t in ("[PAD]", "<pad>") if tokenizer.token_to_id(t) is not None)
    tokenizer.enable_padding(pad_id=tokenizer.token_to_id(pad), pad_token=pad)
    rows = tokenizer.encode_batch(texts)
    return {"input_ids": torch.tensor([r.ids for r in rows]),
            "attention_mask": torch.tensor([r.attention_mask for r in rows])}


def write_wordpiece(folder):
    size = write_vocabulary(folder)
    hf.BertTokenizerFast(str(folder / "vocab.txt")).backend_tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "vocab.txt").unlink()
    return size


SMALL = {"hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 80}
ENCODERS = {
    "bert": (hf.BertConfig, hf.BertForMaskedLM, write_wordpiece, {**SMALL, "max_position_embeddings": 64}),
    "roberta": (hf.RobertaConfig, hf.RobertaForMaskedLM, write_roberta_tokenizer,
                {**SMALL, "max_position_embeddings": 66, "type_vocab_size": 1}),
    "distilbert": (hf.DistilBertConfig, hf.DistilBertForMaskedLM, write_wordpiece,
                   {"dim": 48, "n_layers": 3, "n_heads": 4, "hidden_dim": 80, "max_position_embeddings": 64}),
    "electra": (hf.ElectraConfig, hf.ElectraForMaskedLM, write_wordpiece,
                {**SMALL, "embedding_size": 20, "max_position_embeddings": 64}),
}


def make_encoder(folder, family, model=None, seed=1, **settings):
    config_class, language_model, write_tokenizer, sizes = ENCODERS[family]
    size = write_tokenizer(folder)
    config = config_class(vocab_size=size, attn_implementation="eager", **{**sizes, **settings})
    net = draw_every_tensor((model or language_model)(config), seed)
    net.save_pretrained(folder)
    return net


def texts_for(family):
    return [t.replace("[MASK]", "<mask>") for t in TEXTS] if family == "roberta" else TEXTS


def arguments(texts, flag="--text"):
    return sum(([flag, text] for text in texts), [])


@pytest.mark.parametrize("family, settings", [
    ("bert", {}), ("roberta", {}), ("roberta", {"tie_word_embeddings": False}), ("distilbert", {}),
    ("distilbert", {"activation": "relu", "tie_word_embeddings": False}), ("electra", {}),
    ("electra", {"embedding_size": 48, "hidden_act": "gelu_new"}), ("bert", {"hidden_act": "gelu_pytorch_tanh"})], ids=str)
def test_logits_and_hidden_states_of_an_encoder(tmp_path, saobp, family, settings):
    net = make_encoder(tmp_path, family, **settings)
    batch = tokens_of(tmp_path, texts_for(family))
    real = batch["attention_mask"].bool()
    assert not real.all()  # short rows are padded
    with torch.no_grad():
        want = net(**batch, output_hidden_states=True)
    saobp("fill", tmp_path, *arguments(texts_for(family)), "--logits", "logits.npy", "--hidden-states", "hidden.npy")
    for got, wanted in (("logits", want.logits), ("hidden", want.hidden_states[-1])):
        got = torch.from_numpy(np.load(tmp_path / f"{got}.npy"))
        assert got.shape == wanted.shape
        assert wanted[real].std() > 0.1  # the comparison sees something
        assert (got - wanted)[real].abs().max() <= 1e-4


@pytest.mark.parametrize("family", ENCODERS)
def test_an_encoder_is_trained_on_and_loaded_there_again(tmp_path, saobp, setting, family):
    folder = tmp_path / "there"
    folder.mkdir()
    make_encoder(folder, family)
    text = setting[setting.index("--corpus") + 1]
    saobp("pretrain", "--model", folder, "--tokenizer", folder, "--corpus", text, "--attention", "original", "--steps", 3,
          "--batch", 4, "--length", 32, "--warmup-steps", 1, "--output", "run")
    run = tmp_path / "run"
    language_model = ENCODERS[family][1]
    net, report = language_model.from_pretrained(run, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"] and not report["mismatched_keys"]
    batch = tokens_of(run, texts_for(family))
    with torch.no_grad():
        want = net.eval()(**batch).logits
    saobp("fill", "run", *arguments(texts_for(family)), "--logits", "logits.npy")
    real = batch["attention_mask"].bool()
    assert (torch.from_numpy(np.load(tmp_path / "logits.npy")) - want)[real].abs().max() <= 1e-4
    seen = saobp("analyze", "run", "--text", "valid.txt", "--limit", 3, "--json").json
    assert len(seen["matrices"]["A"]["gtd"]) == 3
    assert saobp("info", "run", "--json").json["model"]["family"] == family


def test_a_discriminator_is_analysed_and_says_that_it_cannot_fill(tmp_path, saobp, setting):
    folder = tmp_path / "electra"
    folder.mkdir()
    net = make_encoder(folder, "electra", hf.ElectraForPreTraining)
    batch = tokens_of(folder, TEXTS)
    with torch.no_grad():
        want = net.electra(**batch).last_hidden_state
    saobp("fill", folder, *arguments(TEXTS), "--hidden-states", "hidden.npy", code=1)
    plain = [text.replace("[MASK]", "key") for text in TEXTS]
    batch = tokens_of(folder, plain)
    with torch.no_grad():
        want = net.electra(**batch).last_hidden_state
    saobp("fill", folder, *arguments(plain), "--hidden-states", "hidden.npy")
    real = batch["attention_mask"].bool()
    assert (torch.from_numpy(np.load(tmp_path / "hidden.npy")) - want)[real].abs().max() <= 1e-4
    assert saobp("analyze", folder, "--text", "valid.txt", "--limit", 2, "--json").json["sequences"] == 2
    message = saobp("fill", folder, "--text", TEXTS[0], code=1).err
    assert "no masked-LM head" in message and "ElectraForPreTraining" in message


@pytest.mark.parametrize("settings", [
    {"scale_attn_by_inverse_layer_idx": True, "reorder_and_upcast_attn": True}, {"scale_attn_weights": False},
    {"n_inner": 72}, {"n_layer": 6}, {"tie_word_embeddings": False, "activation_function": "gelu_pytorch_tanh"}], ids=str)
def test_variants_of_gpt2(tmp_path, saobp, settings):
    tokenizer = Tokenizer(models.BPE({t: i for i, t in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.add_special_tokens(["<|endoftext|>"])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    config = hf.GPT2Config(**{"vocab_size": 257, "n_embd": 48, "n_layer": 3, "n_head": 4, "n_positions": 64,
                              "eos_token_id": 256, "bos_token_id": 256, "attn_implementation": "eager", **settings})
    net = draw_every_tensor(hf.GPT2LMHeadModel(config), 2)
    net.save_pretrained(tmp_path)
    ids = torch.tensor([tokenizer.encode("the red key is in").ids])
    with torch.no_grad():
        want = net(ids).logits
        continued = net.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, do_sample=False,
                                 pad_token_id=256)
    done = saobp("generate", tmp_path, "--prompt", "the red key is in", "--temperature", 0, "--max-new-tokens", 12,
                 "--logits", "logits.npy", "--json")
    assert want.std() > 0.1
    assert (torch.from_numpy(np.load(tmp_path / "logits.npy")) - want).abs().max() <= 1e-4
    made = done.json["texts"][0]["ids"]
    assert made == [i for i in continued[0, ids.shape[1]:].tolist() if i != 256][:len(made)] and made
    kept = {key: json.loads((tmp_path / "config.json").read_text()).get(key) for key in settings}
    assert kept  # what transformers wrote is what was read
