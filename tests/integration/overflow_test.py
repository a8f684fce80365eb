"""Finite weights whose activations are not: the layer is named, and nothing is printed as a result."""
import shutil

import pytest
from safetensors.numpy import load_file, save_file

from bad_input_test import one_line
from conftest import tiny_config, with_flags
from never_lose_work_test import as_an_older_version_wrote_it, as_if_killed_after, gpt2_setting  # noqa: F401


def enlarge(folder, tensor, factor):
    weights = load_file(folder / "model.safetensors")
    assert tensor in weights, sorted(weights)
    weights[tensor] = (weights[tensor] * 0 + 1) * weights[tensor].dtype.type(factor)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.fixture
def deep(tmp_path, saobp, setting):
    tiny_config(tmp_path / "tiny.json", num_hidden_layers=3)
    saobp(*setting, "--steps", 2, "--log-every", 1, "--checkpoint-every", 1, "--output", "run")
    return tmp_path / "run"


@pytest.mark.parametrize("tensor, place", [
    ("bert.embeddings.word_embeddings.weight", "the embeddings"),
    ("bert.encoder.layer.0.attention.self.value.weight", "layer 0"),
    ("bert.encoder.layer.2.output.dense.weight", "layer 2"),
    ("cls.predictions.transform.dense.weight", "the head")])
def test_fill_and_analyze_name_the_layer(tmp_path, saobp, deep, tensor, place):
    enlarge(deep, tensor, 3e38)
    done = saobp("fill", "run", "--text", "the [MASK] key", "--json", code=1)
    one_line(done, "run: values that are not finite begin in " + place)
    assert done.out == ""
    if place in ("the embeddings", "layer 0"):  # the others come after all attention
        one_line(saobp("analyze", "run", "--text", "valid.txt", "--output", "a.json", code=1),
                 "run: values that are not finite begin in " + place)
        assert not (tmp_path / "a.json").exists() and not (deep / "analysis").exists()


def test_generate_names_the_layer(tmp_path, saobp, gpt2_setting):  # noqa: F811
    saobp(*gpt2_setting, "--steps", 1, "--output", "run")
    enlarge(tmp_path / "run", "transformer.h.1.mlp.c_proj.weight", 3e38)
    for more in ([], ["--logits", "logits.npy"]):
        one_line(saobp("generate", "run", "--prompt", "the key", "--temperature", 0, *more, code=1), "begin in layer 1")
    assert not (tmp_path / "logits.npy").exists()


def test_validation_names_the_layer(tmp_path, saobp, setting, deep):
    shutil.rmtree(deep / "checkpoints/step-000002")
    as_if_killed_after(tmp_path, "run", "cut")
    checkpoint = tmp_path / "cut/checkpoints/step-000001"
    enlarge(checkpoint, "bert.encoder.layer.1.output.dense.weight", 3e38)
    as_an_older_version_wrote_it(checkpoint)
    done = saobp("pretrain", "--resume", "cut", "--max-skipped", 9, code=1)
    one_line(done, "the validation loss after step 2 is ", "nan: values that are not finite begin in layer 1", "saved")
