"""QK-norm, σReparam, Entropy-Reg and Eigen-Reg: a resumed run has the same bits, and its folder is a model."""
import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from learned_strength_test import assert_resumes
from never_lose_work_test import gpt2_setting  # noqa: F401 (a fixture)

BASELINES = {
    "qk_norm": ["--qk-norm"],
    "sigma_reparam": ["--sigma-reparam"],
    "entropy_reg": ["--attention", "original", "--entropy-reg", 1e-3],
    "eigen_reg": ["--attention", "original", "--eigen-reg", 0.1, "--eigen-reg-mean", 2],
    "all": ["--qk-norm", "--sigma-reparam", "--entropy-reg", 1e-3, "--eigen-reg", 0.1, "--learn-strength", "layer"],
}
BASELINES["all_in_bf16"] = [*BASELINES["all"], "--dtype", "bf16"]


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_resumed_equals_uninterrupted(tmp_path, saobp, setting, request, family, name):
    arguments = setting if family == "bert" else request.getfixturevalue("gpt2_setting")
    log = assert_resumes(tmp_path, saobp, *arguments, *BASELINES[name], "--accumulation", 2)
    lines = [m for m in log if "loss" in m]
    for term in ("entropy_reg", "eigen_reg"):
        assert all((term in m) == (f"--{term.replace('_', '-')}" in BASELINES[name]) for m in lines)
        assert all(m.get(term, 1) > 0 for m in lines)
    # The folder is a model for every verb, with nothing of training left in it.
    names = load_file(tmp_path / "whole/model.safetensors").keys()
    assert not any("sigma" in n or "regularizers" in n for n in names)
    assert any("query_norm" in n for n in names) == ("--qk-norm" in BASELINES[name])
    if family == "bert":
        saobp("fill", "whole", "--text", "a [MASK]")
        saobp("analyze", "whole", "--text", "valid.txt", "--limit", 1)
    else:
        assert saobp("generate", "whole", "--prompt", "a", "--max-new-tokens", 3, "--seed", 1).out.startswith("a")


def test_transformers_sees_plain_weights(tmp_path, saobp, setting):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    saobp(*setting, "--attention", "original", "--sigma-reparam", "--steps", 8, "--output", "run")
    stored = load_file(tmp_path / "run/model.safetensors")
    raw = load_file(tmp_path / "run/checkpoints/step-000008/model.safetensors")
    name = "bert.encoder.layer.0.attention.self.key.weight"
    gain = raw["layer_0.attention_self_qkv_sigma.gain"][1]
    assert np.linalg.norm(stored[name], 2) == pytest.approx(gain, rel=0.05)
    assert np.linalg.norm(raw[name], 2) != pytest.approx(gain, rel=0.05)
    ids = [[2, 7, 9, 11, 3]]
    (tmp_path / "ids.txt").write_text("the old red\n")
    saobp("fill", "run", "--text", "the old red", "--logits", "logits.npy")
    ours = np.load(tmp_path / "logits.npy")
    tokens = json.loads((tmp_path / "run/tokenizer.json").read_text())["model"]["vocab"]
    ids = [[tokens[t] for t in ("[CLS]", "the", "old", "red", "[SEP]")]]
    model = transformers.BertForMaskedLM.from_pretrained(tmp_path / "run").eval()
    with torch.no_grad():
        theirs = model(torch.tensor(ids)).logits.numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize("arguments, message", [
    (["--entropy-reg", -1], "--entropy-reg: -1 was given; a number from 0 to 1000 was expected"),
    (["--entropy-reg-tolerance", 1.5], "--entropy-reg-tolerance: 1.5 was given; a number from 0 to 1 was expected"),
    (["--eigen-reg", -0.5], "--eigen-reg: -0.5 was given; a number from 0 to 1000000000 was expected"),
])
def test_what_has_no_meaning_is_refused(saobp, setting, arguments, message):
    assert saobp(*setting, *arguments, "--output", "run", code=2).err.strip().endswith(message)
