"""A stranger's program builds against the installed library, with its own flags, and runs."""
import json
import os
import pathlib
import shutil
import subprocess

import numpy as np
import pytest
import torch
import transformers as hf

from conftest import BINARY, ROOT, write_vocabulary

BUILD = pathlib.Path(BINARY).parent.parent
HERE = pathlib.Path(__file__).parent


def run(*command, **kwargs):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **kwargs)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("consumer")
    run("cmake", "--install", BUILD, "--prefix", folder / "prefix")
    shutil.copytree(HERE, folder / "source", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    prefixes = f"{folder / 'prefix'};{torch.utils.cmake_prefix_path}"
    run("cmake", "-S", folder / "source", "-B", folder / "build", "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={prefixes}",
        "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON")
    run("cmake", "--build", folder / "build")
    return folder


def test_only_public_headers_are_installed_and_nothing_leaks(built):
    listed = {line.strip(" )") for line in (ROOT / "cmake/Library.cmake").read_text().splitlines() if line.startswith("  saobp/")}
    there = {str(p.relative_to(built / "prefix/include")) for p in (built / "prefix/include").rglob("*.h")}
    assert there == listed
    for entry in json.loads((built / "build/compile_commands.json").read_text()):
        assert str(ROOT / "saobp") not in entry["command"] and f"-I{ROOT} " not in entry["command"]
        assert "SAOBP_" not in entry["command"]
    for text in (built / "prefix").rglob("*.cmake"):
        assert str(ROOT) not in text.read_text(), text


def test_the_operator(built):
    lines = dict(line.split(" ", 1) for line in run(built / "build/operator").splitlines())
    assert lines["shape"] == "[2, 4, 16, 8]" and lines["kernel"].startswith("cpu/") and float(lines["gradient"]) > 0
    assert "9" in lines["error"] and "8" in lines["error"]


def test_hidden_states_of_a_folder(built, tmp_path, saobp):
    size = write_vocabulary(tmp_path)
    net = hf.BertModel(hf.BertConfig(vocab_size=size, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
                                     intermediate_size=48, max_position_embeddings=32))
    net.save_pretrained(tmp_path)
    text = "the red key is in the box"
    ours = np.array([[float(v) for v in line.split()]
                     for line in run(built / "build/hidden_states", tmp_path, text).splitlines()])
    saobp("fill", tmp_path, "--text", text, "--hidden-states", "h.npy")
    assert np.abs(ours - np.load(tmp_path / "h.npy")[0]).max() < 1e-5
    done = subprocess.run([built / "build/hidden_states", "nowhere", text], capture_output=True, text=True)
    assert done.returncode == 1 and "nowhere" in done.stderr and "what()" not in done.stderr


def test_ten_steps_and_a_model_that_transformers_loads(built, tmp_path):
    losses = [float(line) for line in run(built / "build/training", tmp_path).splitlines()]
    assert len(losses) == 10 and losses[-1] < losses[0]
    net, report = hf.BertForMaskedLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
