"""Every layout in which models' folders come, and the run folder as other programs read it."""
import json
import shutil

import pytest
import torch
import transformers as hf
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoTokenizer

from bad_input_test import one_line
from conftest import WORDS, write_vocabulary
from families_parity_test import draw_every_tensor, make_encoder

GREEDY = ["--temperature", 0, "--max-new-tokens", 8, "--json"]


def make_gpt2(folder, **settings):
    """Its vocabulary has every byte and a few words; returns the model."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({t: i for i, t in enumerate(["<|endoftext|>", *alphabet])}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = hf.GPT2Config(**{"vocab_size": 257, "n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 40,
                              "eos_token_id": 0, "bos_token_id": 0, **settings})
    net = draw_every_tensor(hf.GPT2LMHeadModel(config), 3)
    net.save_pretrained(folder)
    return net


def continued(net, text="the", tokens=8):
    ids = torch.tensor([[list(sorted(pre_tokenizers.ByteLevel.alphabet())).index(c) + 1 for c in text]])
    with torch.no_grad():
        made = net.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=tokens, do_sample=False, pad_token_id=0)
    return made[0, ids.shape[1]:].tolist()


def test_weights_in_several_files(tmp_path, saobp):
    net = make_gpt2(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    net.save_pretrained(tmp_path, max_shard_size="20KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 2
    assert saobp("generate", tmp_path, "--prompt", "the", *GREEDY).json["texts"][0]["ids"] == continued(net)
    part = sorted(tmp_path.glob("model-*.safetensors"))[1]
    shutil.move(part, tmp_path / "elsewhere")
    one_line(saobp("generate", tmp_path, "--prompt", "the", code=1), part.name)


def test_any_of_several_end_tokens_ends_a_text(tmp_path, saobp):
    net = make_gpt2(tmp_path)
    free = continued(net)
    config = json.loads((tmp_path / "config.json").read_text())
    end = next(t for t in free[2:] if t not in free[:2])
    (tmp_path / "config.json").write_text(json.dumps(config | {"eos_token_id": [0, end]}))
    text = saobp("generate", tmp_path, "--prompt", "the", *GREEDY).json["texts"][0]
    assert text["ids"] == free[:free.index(end)] and text["stopped"] == "end_of_text"


def test_a_head_of_its_own_where_config_json_ties_it(tmp_path, saobp):
    net = make_gpt2(tmp_path, tie_word_embeddings=False)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"tie_word_embeddings": True}))
    done = saobp("generate", tmp_path, "--prompt", "the", *GREEDY)
    assert done.json["texts"][0]["ids"] == continued(net)
    assert "the head has weights of its own" in done.err


def test_tied_tensors_under_their_other_names(tmp_path, saobp):
    make_encoder(tmp_path, "bert")
    want = saobp("fill", tmp_path, "--text", "the [MASK] key", "--json").json
    tensors = load_file(tmp_path / "model.safetensors")
    tensors["cls.predictions.decoder.bias"] = tensors.pop("cls.predictions.bias")
    tensors["cls.predictions.decoder.weight"] = tensors.pop("bert.embeddings.word_embeddings.weight")
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    assert saobp("fill", tmp_path, "--text", "the [MASK] key", "--json").json == want


def test_an_id_without_a_token_is_never_chosen(tmp_path, saobp):
    net = make_gpt2(tmp_path)
    likeliest = continued(net, tokens=1)[0]
    frame = json.loads((tmp_path / "tokenizer.json").read_text())
    frame["model"]["vocab"] = {t: i for t, i in frame["model"]["vocab"].items() if i != likeliest}
    (tmp_path / "tokenizer.json").write_text(json.dumps(frame))
    ids = saobp("generate", tmp_path, "--prompt", "the", *GREEDY).json["texts"][0]["ids"]
    assert ids and likeliest not in ids


def test_added_tokens_beside_vocab_txt(tmp_path, saobp):
    size = write_vocabulary(tmp_path)
    (tmp_path / "added_tokens.json").write_text(json.dumps({"<ent>": size}))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": True}))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert", "vocab_size": size + 1}))
    ours = saobp("tokenizer", "encode", "--tokenizer", tmp_path, "--text", "the <ent> Key", "--special-tokens", "--json").json
    assert ours["ids"] == AutoTokenizer.from_pretrained(tmp_path)("the <ent> Key")["input_ids"] and size in ours["ids"]


@pytest.mark.parametrize("roles", [{"cls_token": "the", "sep_token": "key"}, {"unk_token": "the"},
                                   {"sep_token": "<newsep>"}, {"extra_special_tokens": ["<new>"]}], ids=str)
def test_roles_that_files_give_to_other_tokens(tmp_path, saobp, roles):
    size = write_vocabulary(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"} | roles))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert", "vocab_size": size + 2}))
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    for text in ["red box", "red Ω <new> box", "<newsep> red"]:
        ours = saobp("tokenizer", "encode", "--tokenizer", tmp_path, "--text", text, "--special-tokens", "--json").json
        assert ours["ids"] == theirs(text)["input_ids"], text


@pytest.mark.parametrize("change, words", [
    ({"max_position_embeddings": 80}, ["position_embeddings", "[64, 48]", "[80, 48]"]),
    ({"id2label": {"0": "A", "1": "A"}}, ["id2label", "twice"]),
    ({"id2label": ["A"]}, ["id2label", "list"]),
    ({"tie_word_embeddings": "yes"}, ["tie_word_embeddings", "string", "true or false"])], ids=str)
def test_a_config_that_is_not_the_weights(tmp_path, saobp, change, words):
    make_encoder(tmp_path, "bert")
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | change))
    one_line(saobp("fill", tmp_path, "--text", "the [MASK] key", code=1), *words)


def test_weights_are_numbers_of_a_floating_type(tmp_path, saobp):
    make_encoder(tmp_path, "bert")
    tensors = load_file(tmp_path / "model.safetensors")
    save_file({name: value.to(torch.int8) for name, value in tensors.items()}, tmp_path / "model.safetensors")
    one_line(saobp("fill", tmp_path, "--text", "the [MASK] key", code=1), "I8", "F32")


def test_null_end_tokens_end_nothing(tmp_path, saobp):
    make_gpt2(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"vocab_size": 257, "eos_token_id": None, "bos_token_id": None}))
    (tmp_path / "t.txt").write_text("the red key is in the old mill by the town\n" * 20)
    saobp("pretrain", "--from", tmp_path, "--corpus", tmp_path / "t.txt", "--steps", 1, "--batch", 1, "--length", 16,
          "--learning-rate", 0, "--output", "run")
    again = json.loads((tmp_path / "run/config.json").read_text())
    assert again["eos_token_id"] is None and again["bos_token_id"] is None


@pytest.mark.parametrize("kind", ["gpt2", "roberta"])
def test_special_tokens_beside_vocab_json(tmp_path, saobp, kind):
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = ["<s>", "<pad>", "</s>", "<unk>"] if kind == "roberta" else []
    vocabulary = {t: i for i, t in enumerate([*special, *alphabet, "th", "the", *(["<mask>"] if special else [])])}
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary))
    (tmp_path / "merges.txt").write_text("#version: 0.2\nt h\nth e\n")
    config = {"tokenizer_class": "GPT2Tokenizer", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<s>"}
    if kind == "roberta":
        config = {"tokenizer_class": "RobertaTokenizer"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind, "vocab_size": len(vocabulary) + 2}))
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    for text in ["<s>the</s>", "the other", "x <mask> the"]:
        ours = saobp("tokenizer", "encode", "--tokenizer", tmp_path, "--text", text, "--special-tokens", "--json").json
        assert ours["ids"] == theirs(text)["input_ids"], text
    if kind == "roberta":
        ours = saobp("tokenizer", "encode", "--tokenizer", tmp_path, "--text", "the", "--pair", "th", "--special-tokens",
                     "--json").json
        assert ours["ids"] == theirs("the", "th")["input_ids"]


@pytest.mark.parametrize("flags", [[], ["--no-lowercase"], ["--kind", "bpe"], ["--kind", "bpe", "--add-prefix-space"]], ids=str)
def test_a_run_folder_gives_autotokenizer_the_same_ids(tmp_path, saobp, flags):
    text = tmp_path / "t.txt"
    text.write_text("\n".join(" ".join(w.capitalize() if i % 3 else w for i, w in enumerate(WORDS)) for _ in range(40)))
    saobp("tokenizer", "train", "--input", text, "--vocab-size", 320, *flags, "--output", "tok")
    model = {"model_type": "gpt2", "n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 40} if "bpe" in flags else \
        {"model_type": "bert", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16,
         "max_position_embeddings": 40}
    (tmp_path / "tiny.json").write_text(json.dumps({"vocab_size": 1} | model))
    saobp("pretrain", "--output", "run", "--model", "tiny.json", "--tokenizer", "tok", "--corpus", text, "--steps", 1,
          "--batch", 2, "--length", 16, "--attention", "original", "--warmup-steps", 1)
    theirs = AutoTokenizer.from_pretrained(tmp_path / "run")
    assert theirs.model_max_length == 40
    for sentence in ["The Red key [MASK]", "the red Key, Mira!", "Café"]:
        ours = saobp("tokenizer", "encode", "--tokenizer", "run", "--text", sentence, "--special-tokens", "--json").json
        batch = theirs(sentence)
        assert ours["ids"] == batch["input_ids"]
        assert "token_type_ids" in batch if "bpe" not in flags else "token_type_ids" not in batch
    if "bpe" in flags:
        assert theirs.eos_token == "<|endoftext|>"
        generation = hf.GenerationConfig.from_pretrained(tmp_path / "run")
        assert generation.eos_token_id == theirs.eos_token_id
    else:
        assert (theirs.mask_token, theirs.pad_token, theirs.cls_token) == ("[MASK]", "[PAD]", "[CLS]")
