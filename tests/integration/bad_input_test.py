"""Bad input ends in one clear line, exit code 1 or 2, and nothing half-written."""
import gzip
import json
import os
import shutil
import signal
import struct
import subprocess
import time

import pytest

from conftest import BINARY, tiny_config, with_flags, write_vocabulary
from never_lose_work_test import as_an_older_version_wrote_it


def one_line(done, *words):
    assert done.err.count("\n") == 1 and done.err.startswith("saobp: "), done.err
    for word in words:
        assert word in done.err, (word, done.err)
    assert not any(s in done.err + done.out for s in ("terminate called", "Exception", "c10::", "frame #"))


@pytest.fixture
def run_folder(saobp, setting, tmp_path):
    saobp(*setting, "--steps", 1, "--output", "run")
    return tmp_path / "run"


@pytest.mark.parametrize("make, words", [
    (None, ["nowhere.txt"]),
    (b"", ["nowhere.txt"]),
    (b" \n\n \n", ["nowhere.txt"]),
    (b"text \x00\x01 more\n", ["nowhere.txt", "line 1"]),
    (b"fine\nnot \xff fine\n", ["nowhere.txt", "line 2", "offset 9"]),
    (gzip.compress(b"fine\n" * 99)[:-9], ["nowhere.txt", "offset 21", "cut short"]),
    (b"PAR1\x15\x00", ["nowhere.txt", "Parquet"]),
])
def test_corpus(saobp, setting, tmp_path, make, words):
    if make is not None:
        (tmp_path / "nowhere.txt").write_bytes(make)
    done = saobp(*with_flags(setting, corpus="nowhere.txt"), "--steps", 1, "--output", "run", code=1)
    one_line(done, *words)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("arguments, words", [
    (["--strength", "nan"], ["--strength", "nan"]),
    (["--strength", "-1"], ["--strength", "-1"]),
    (["--strength", "21"], ["--strength", "20"]),
    (["--attention", "original", "--strength", "0.2"], ["--strength", "original"]),
    (["--attention", "sideways"], ["--attention", "sideways", "elemmul"]),
    (["--steps", "0"], ["--steps", "0"]),
    (["--steps", "many"], ["--steps", "many"]),
    (["--log-every", "99999999999999999999"], ["--log-every", "99999999999999999999", "64 bits"]),
    (["--learning-rate", "inf"], ["--learning-rate", "inf"]),
    (["--no-such-flag"], ["--no-such-flag"]),
    (["--length", "65"], ["65", "64"]),
    (["--length", "2"], ["--length", "2"]),
    (["--mask-probability", "1.5"], ["1.5"]),
    (["--holdout", "0.6"], ["--holdout", "0.5"]),
    (["--holdout", "0.1"], ["--holdout", "--validation"]),
    (["--model", "bert-huge"], ["bert-huge", "bert-mini"]),
])
def test_flags(saobp, setting, tmp_path, arguments, words):
    flags = with_flags(setting, steps=1)
    for flag in set(arguments[::2]) & set(flags):  # given twice, it would be another error
        i = flags.index(flag)
        del flags[i:i + 2]
    done = saobp(*flags, "--output", "run", *arguments, code=2)
    one_line(done, *words)
    assert not (tmp_path / "run").exists()


def test_output_exists(saobp, setting, run_folder):
    before = sorted((p, p.stat().st_mtime_ns) for p in run_folder.rglob("*"))
    one_line(saobp(*setting, "--steps", 1, "--output", "run", code=1), "run", "exists", "--resume")
    assert before == sorted((p, p.stat().st_mtime_ns) for p in run_folder.rglob("*"))


def test_weights(saobp, run_folder):
    path = run_folder / "model.safetensors"
    whole = path.read_bytes()
    size = struct.unpack("<Q", whole[:8])[0]
    header = json.loads(whole[8:8 + size])

    def with_header(change):
        changed = json.loads(json.dumps(header))
        change(changed)
        text = json.dumps(changed).encode()
        return struct.pack("<Q", len(text)) + text + whole[8 + size:]

    name = "bert.embeddings.word_embeddings.weight"
    cases = [(whole[:-100], ["truncated"]), (whole[:4], ["4 bytes"]), (struct.pack("<Q", 1 << 60) + whole[8:], ["header"]),
             (b"", ["0 bytes"]),
             (with_header(lambda h: h[name].update(shape=[7, 7])), [name, "[7, 7]"]),
             (with_header(lambda h: h[name].update(dtype="F64")), [name]),
             (with_header(lambda h: h[name].update(data_offsets=[0, 1 << 50])), [name, "outside"]),
             (with_header(lambda h: h.update(other=h.pop(name))), [name, "missing"]),
             (whole[:-4] + struct.pack("<f", float("nan")), ["not finite"])]
    for content, words in cases:
        path.write_bytes(content)
        one_line(saobp("fill", "run", "--text", "[MASK]", code=1), "model.safetensors", *words)


@pytest.mark.parametrize("change, words", [
    ({"hidden_size": None}, ["hidden_size", "missing"]),
    ({"num_attention_heads": 7, "hidden_size": 256}, ["256", "7"]),
    ({"num_attention_heads": 0}, ["num_attention_heads", "0"]),
    ({"model_type": "gpt2"}, ["n_embd", "missing"]),
    ({"model_type": "llama"}, ["llama"]),
    ({"hidden_size": "wide"}, ["hidden_size", "string"]),
    ({"hidden_act": "swish"}, ["swish"]),
    ({"refined_attention": {"attention": "high"}}, ["strength", "missing"]),
    ({"refined_attention": {"attention": "high", "strength": -1.0, "exclude_self": True}}, ["strength", "-1"]),
])
def test_config(saobp, setting, tmp_path, change, words):
    tiny_config(tmp_path / "tiny.json", **change)
    done = saobp(*setting, "--steps", 1, "--output", "run", code=1)
    one_line(done, "tiny.json", *words)


def test_tokenizers(saobp, setting, tmp_path):
    (tmp_path / "odd.json").write_text(json.dumps({"model": {"type": "Unigram", "vocab": []}}))
    one_line(saobp(*with_flags(setting, tokenizer="odd.json"), "--steps", 1, "--output", "run", code=1), "odd.json", "Unigram")
    vocabulary = (tmp_path / "vocab.txt").read_text()
    (tmp_path / "vocab.txt").write_text(vocabulary.replace("[MASK]", "mask"))
    one_line(saobp(*setting, "--steps", 1, "--output", "run", code=1), "[MASK]")
    (tmp_path / "nul.txt").write_bytes(b"fine\nre\0d\n")
    for kind in ("bpe", "wordpiece"):
        one_line(saobp("tokenizer", "train", "--kind", kind, "--input", "nul.txt", "--output", "o.json", code=1),
                 "nul.txt", "line 2", "NUL")
    one_line(saobp("tokenizer", "train", "--input", "text.txt", "--min-frequency", -1, "--output", "o.json", code=2), "-1")
    (tmp_path / "vocab.txt").unlink()
    one_line(saobp(*setting, "--steps", 1, "--output", "run", code=1), "vocab.txt")


def test_the_state_of_a_checkpoint(saobp, run_folder):
    record = json.loads((run_folder / "run.json").read_text())
    (run_folder / "run.json").write_text(json.dumps(record | {"finished": None, "final": None}))
    checkpoint = run_folder / "checkpoints/step-000001"
    sound = (checkpoint / "state.json").read_text()
    for key, value in (("step", -1), ("step", 2), ("rows", -1), ("ranks", 0), ("seconds", "long"), ("corpus", "text")):
        (checkpoint / "state.json").write_text(sound)
        as_an_older_version_wrote_it(checkpoint, **{key: value})
        one_line(saobp("pretrain", "--resume", "run", code=1), "state.json", key)
    for final in (None, 7, {}, {"step": "last"}):
        (run_folder / "run.json").write_text(json.dumps(record | {"final": final}))
        one_line(saobp("pretrain", "--resume", "run", code=1), "run.json", "final")


def test_models(saobp, run_folder, tmp_path):
    one_line(saobp("fill", "nowhere", "--text", "[MASK]", code=1), "nowhere")
    one_line(saobp("fill", "run", "--text", "no mask here", code=1), "[MASK]")
    one_line(saobp("fill", "run", "--text", "a " * 100 + "[MASK]", code=1), "103", "64")
    one_line(saobp("fill", "run", "--text", b"\xff[MASK]", code=1), "UTF-8")
    one_line(saobp("analyze", "run", "--text", "nowhere.txt", code=1), "nowhere.txt")
    one_line(saobp("analyze", "run", "--text", "text.txt", "--length", 65, code=2), "65", "64")
    (tmp_path / "blank.txt").write_text(" \n\n")
    one_line(saobp("analyze", "run", "--text", "blank.txt", code=1), "blank.txt")
    write_vocabulary(run_folder, words=[f"w{i}" for i in range(500)])
    one_line(saobp("fill", "run", "--tokenizer", "run/vocab.txt", "--text", "[MASK]", code=1), "tokens", "model")
    os.rename(run_folder / "model.safetensors", run_folder / "pytorch_model.bin")
    one_line(saobp("fill", "run", "--text", "[MASK]", code=1), "safetensors")
    (run_folder / "model.safetensors.index.json").write_text("{}")
    one_line(saobp("fill", "run", "--text", "[MASK]", code=1), "index.json", "weight_map")
    one_line(saobp("pretrain", "--resume", "nowhere", code=1), "nowhere")
    one_line(saobp("pretrain", code=2), "--output")
    one_line(saobp("pretrain", "--resume", "run", "--seed", 5, code=2), "--seed", "--steps, --threads")
    one_line(saobp(code=2))
    one_line(saobp("sing", code=2), "sing")


def test_no_room_on_the_disk(saobp, setting, run_folder, tmp_path):
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("a small file system can be mounted by root only")
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small], capture_output=True).returncode != 0:
        pytest.skip("no file system can be mounted here")
    try:
        done = saobp(*setting, "--steps", 2, "--output", small / "run", code=1)
        one_line(done, "No space left")
        assert not list(small.rglob("*.partial*")) and not list(small.rglob("step-*/optimizer.safetensors"))
    finally:
        subprocess.run(["umount", small], check=True)
    done = subprocess.run([BINARY, "info"], stdout=open("/dev/full", "w"), stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and "standard output" in done.stderr


def test_ctrl_c_in_the_middle_of_a_step(saobp, setting, tmp_path):
    command = [BINARY, *with_flags(setting, steps=100000, output="run")]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                               env=os.environ | {"SAOBP_CACHE": str(tmp_path / "cache")})
    while not (tmp_path / "run/metrics.jsonl").exists() and process.poll() is None:
        time.sleep(0.01)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 130 and error.count("\n") == 1 and "--resume run" in error, error
    assert len(list((tmp_path / "run/checkpoints").iterdir())) == 1
    assert json.loads((tmp_path / "run/run.json").read_text())["finished"] is None
