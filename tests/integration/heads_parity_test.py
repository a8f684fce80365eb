"""The heads that tasks need, under transformers' names: each model loads here and gives the same logits, and what is
saved here loads there, with nothing missing or left over."""
import os
import pathlib
import subprocess

import pytest
import torch
import transformers as hf
from safetensors.torch import load_file, save_file

from conftest import BINARY
from families_parity_test import draw_every_tensor

TOOL = os.environ.get("SAOBP_HEAD_LOGITS", str(pathlib.Path(BINARY).parent / "head_logits"))
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48, "vocab_size": 60,
         "attn_implementation": "eager"}
DISTILBERT = {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48, "vocab_size": 60, "attn_implementation": "eager"}
GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 40, "vocab_size": 60, "pad_token_id": 1, "eos_token_id": 2,
        "bos_token_id": 2, "attn_implementation": "eager"}

MODELS = [hf.BertForMaskedLM, hf.BertForSequenceClassification, hf.BertForMultipleChoice, hf.BertForQuestionAnswering,
          hf.RobertaForMaskedLM, hf.RobertaForSequenceClassification, hf.RobertaForMultipleChoice,
          hf.RobertaForQuestionAnswering, hf.DistilBertForMaskedLM, hf.DistilBertForSequenceClassification,
          hf.DistilBertForMultipleChoice, hf.DistilBertForQuestionAnswering, hf.ElectraForMaskedLM, hf.ElectraForPreTraining,
          hf.ElectraForSequenceClassification, hf.ElectraForMultipleChoice, hf.ElectraForQuestionAnswering,
          hf.GPT2LMHeadModel, hf.GPT2ForSequenceClassification, hf.GPT2ForQuestionAnswering]


def config_of(model):
    settings = {"distilbert": DISTILBERT, "gpt2": GPT2}.get(model.config_class.model_type, SIZES)
    labels = {"id2label": {i: n for i, n in enumerate(["no", "maybe", "yes"])},
              "label2id": {"no": 0, "maybe": 1, "yes": 2}} if "SequenceClassification" in model.__name__ else {}
    return model.config_class(**settings, **labels)


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.__name__)
def test_a_head_both_ways(tmp_path, model):
    net = draw_every_tensor(model(config_of(model)), 5)
    net.save_pretrained(tmp_path / "there")
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(5, 60, (4, 11), generator=generator)
    mask = torch.ones_like(ids)
    mask[1, 7:] = mask[3, 4:] = 0
    ids[mask == 0] = net.config.pad_token_id
    batch = {"input_ids": ids, "attention_mask": mask}
    if getattr(net.config, "type_vocab_size", 0) > 1:
        batch["token_type_ids"] = torch.randint(0, 2, ids.shape, generator=generator) * mask
    save_file(batch, tmp_path / "inputs.safetensors")
    choice = "MultipleChoice" in model.__name__
    with torch.no_grad():
        want = net(**{k: v.reshape(2, 2, -1) if choice else v for k, v in batch.items()})
    span = "QuestionAnswering" in model.__name__
    want = torch.stack([want.start_logits, want.end_logits], -1) if span else want.logits
    done = subprocess.run([TOOL, tmp_path / "there", tmp_path / "inputs.safetensors", tmp_path / "out.safetensors",
                           tmp_path / "here"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    got = load_file(tmp_path / "out.safetensors")["logits"].reshape(want.shape)
    real = mask.bool() if want.shape[:2] == mask.shape else torch.ones(want.shape[:1], dtype=torch.bool)
    assert want[real].std() > 0.01
    assert (got - want)[real].abs().max() <= 1e-4
    again, report = model.from_pretrained(tmp_path / "here", output_loading_info=True)
    assert not report["missing_keys"] and not report["mismatched_keys"]
    # A pooler that the class has no use for is left out.
    assert all("pooler" in key for key in report["unexpected_keys"])
    assert again.config.architectures == [model.__name__]
    if "SequenceClassification" in model.__name__:
        assert again.config.id2label == net.config.id2label and again.config.label2id == net.config.label2id
    for (name, before), after in zip(net.named_parameters(), again.parameters()):
        assert torch.equal(before, after), name
