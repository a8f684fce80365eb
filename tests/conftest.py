"""What the Python tests share: the program, run as a user runs it, and small models to give to it."""
import json
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
DATA = ROOT.parent / "shared" / "data"
BINARY = os.environ.get("SAOBP_BIN", str(ROOT / "build/release/bin/saobp"))

WORDS = "the a old red key box hall mill town is in of by near looks for where who rain fell on hills tom mira".split()


class Result:
    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    @property
    def json(self):
        return json.loads(self.out.splitlines()[-1])


@pytest.fixture
def saobp(tmp_path):
    """saobp("pretrain", …) → Result; a failing exit code fails the test unless `code` expects it."""

    def run(*args, code=0, **kwargs):
        env = os.environ | {"SAOBP_CACHE": str(tmp_path / "cache")} | kwargs.pop("env", {})
        command = [BINARY, *(a if isinstance(a, bytes) else str(a) for a in args)]
        done = Result(subprocess.run(command, capture_output=True, text=True, timeout=600, env=env, cwd=tmp_path, **kwargs))
        assert done.code == code, f"exit code {done.code}, expected {code}\n{done.out}\n{done.err}"
        return done

    return run


@pytest.fixture
def data():
    if not DATA.is_dir():
        pytest.skip(f"real data are not here ({DATA})")
    return DATA


def write_vocabulary(folder, words=WORDS):
    """A WordPiece vocab.txt of whole words and letters; returns its size."""
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + list(words)
    letters = "abcdefghijklmnopqrstuvwxyz.,?"
    tokens += [c for c in letters if c not in tokens] + ["##" + c for c in letters]
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n")
    return len(tokens)


def write_text(path, documents=60, seed=0):
    import random

    draw = random.Random(seed)
    path.write_text("\n\n".join(" ".join(draw.choice(WORDS) for _ in range(40)) for _ in range(documents)) + "\n")
    return path


def tiny_config(path, **changes):
    config = dict(model_type="bert", vocab_size=1, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
                  intermediate_size=64, max_position_embeddings=64) | changes
    path.write_text(json.dumps({k: v for k, v in config.items() if v is not None}))
    return path


def with_flags(arguments, **values):
    """The arguments with --flag values put in place of those that are there."""
    arguments = [str(a) for a in arguments]
    for name, value in values.items():
        flag = "--" + name.replace("_", "-")
        if flag in arguments:
            arguments[arguments.index(flag) + 1] = str(value)
        else:
            arguments += [flag, str(value)]
    return arguments


@pytest.fixture
def setting(tmp_path):
    """A vocabulary, a text and the size of a model: the arguments of a pretraining run that takes a second."""
    write_vocabulary(tmp_path)
    write_text(tmp_path / "text.txt")
    write_text(tmp_path / "valid.txt", documents=6, seed=1)
    tiny_config(tmp_path / "tiny.json")
    return ["pretrain", "--model", "tiny.json", "--tokenizer", "vocab.txt", "--corpus", "text.txt", "--validation",
            "valid.txt", "--length", 32, "--batch", 4, "--warmup-steps", 2, "--threads", 2]
