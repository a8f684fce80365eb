"""Where results go: devices, pipes and links, and never over an input."""
import io
import json
import os
import signal
import stat
import subprocess

import numpy as np
import pytest

from bad_input_test import one_line
from conftest import BINARY


@pytest.fixture
def run_folder(saobp, setting, tmp_path):
    saobp(*setting, "--steps", 1, "--output", "run")
    return tmp_path / "run"


def raw(tmp_path, *args, **kwargs):
    """The program with bytes for its output."""
    return subprocess.run([BINARY, *map(str, args)], cwd=tmp_path, capture_output=True, timeout=120, **kwargs)


ENCODE = ("tokenizer", "encode", "--tokenizer", "vocab.txt")


def test_standard_output_is_a_file_like_any_other(saobp, run_folder, tmp_path):
    saobp(*ENCODE, "--input", "text.txt", "--output", "ids.npy")
    for name in ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"):
        done = raw(tmp_path, *ENCODE, "--input", "text.txt", "--output", name)
        assert done.returncode == 0 and done.stdout == (tmp_path / "ids.npy").read_bytes()
        assert b"tokens" in done.stderr
    # Redirected into a file: that is written where it stands, and nothing else is.
    with open(tmp_path / "redirected", "wb") as file:
        subprocess.run([BINARY, "fill", "run", "--text", "a [MASK]", "--logits", "/dev/stdout"], cwd=tmp_path, check=True,
                       stdout=file, stderr=subprocess.DEVNULL)
    assert np.load(tmp_path / "redirected").shape[:2] == (1, 4)
    done = raw(tmp_path, "analyze", "run", "--text", "valid.txt", "--output", "/dev/stdout")
    assert json.loads(done.stdout)["sequences"] == 6 and b"written" in done.stderr
    done = raw(tmp_path, "report", "run", "--output", "/dev/stdout")
    assert done.stdout.startswith(b"<!DOCTYPE html>") and done.stdout.rstrip().endswith(b"</html>")
    done = raw(tmp_path, "tokenizer", "convert", "--tokenizer", "vocab.txt", "--output", "/dev/stdout")
    assert json.loads(done.stdout)["model"]["type"] == "WordPiece"
    assert np.load(io.BytesIO(raw(tmp_path, *ENCODE, "--text", "the key", "--output", "/dev/stdout").stdout)).shape == (2,)


def test_devices_and_pipes_stay_what_they_are(saobp, tmp_path, setting):
    for device in ("full", "null"):
        try:
            os.mknod(tmp_path / device, 0o600 | stat.S_IFCHR, os.stat("/dev/" + device).st_rdev)
        except PermissionError:
            os.symlink("/dev/" + device, tmp_path / device)
    one_line(saobp(*ENCODE, "--input", "text.txt", "--output", "full", code=1), "full: cannot be written", "No space left")
    saobp(*ENCODE, "--input", "text.txt", "--output", "null")
    assert all((tmp_path / d).is_char_device() for d in ("full", "null"))
    os.mkfifo(tmp_path / "pipe")
    reader = subprocess.Popen(["cat", "pipe"], cwd=tmp_path, stdout=subprocess.PIPE)
    saobp(*ENCODE, "--text", "the key", "--output", "pipe")
    assert np.load(io.BytesIO(reader.communicate(timeout=60)[0])).shape == (2,)
    one_line(saobp(*ENCODE, "--text", "the key", "--output", "pipe", code=1), "nobody reads from this pipe")
    assert (tmp_path / "pipe").is_fifo() and not list(tmp_path.glob("*.partial*"))


def test_links_and_permissions_stay(saobp, run_folder, tmp_path):
    page = tmp_path / "page.html"
    page.write_text("old")
    page.chmod(0o640)
    (tmp_path / "link.html").symlink_to("page.html")
    saobp("report", "run", "--output", "link.html")
    assert (tmp_path / "link.html").is_symlink() and page.read_text().startswith("<!DOCTYPE")
    assert page.stat().st_mode & 0o777 == 0o640
    (run_folder / "analysis").symlink_to("../elsewhere")
    (tmp_path / "elsewhere").mkdir()
    saobp("analyze", "run", "--text", "valid.txt")
    assert json.loads((tmp_path / "elsewhere/valid.json").read_text())["sequences"] == 6


def test_an_input_is_never_replaced(saobp, run_folder, tmp_path):
    os.link(tmp_path / "text.txt", tmp_path / "hard")
    (tmp_path / "soft").symlink_to("text.txt")
    (run_folder / "analysis").mkdir()
    saobp("analyze", "run", "--text", "valid.txt", "--name", "mine")
    (tmp_path / "mine.jsonl").write_text('{"text": "the key"}\n')
    (run_folder / "analysis/lines.json").write_text('{"text": "the key"}\n')
    (tmp_path / "t.json").write_text('{"text": "the key"}\n')
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    text = ["--text", "a [MASK]"]
    for arguments in [
        *[["analyze", "run", "--text", "text.txt", "--output", o] for o in ("text.txt", "./soft", "hard", "run/run.json")],
        *[[*ENCODE, "--input", "text.txt", "--output", o] for o in ("hard", "vocab.txt", tmp_path / "text.txt")],
        *[["fill", "run", *text, "--logits", o] for o in ("run/model.safetensors", "run/metrics.jsonl")],
        ["fill", "run", *text, "--hidden-states", "run/tokenizer.json"],
        ["fill", "run", *text, "--tokenizer", "vocab.txt", "--logits", "vocab.txt"],
        ["fill", "run", *text, "--logits", "new.npy", "--hidden-states", "run/../new.npy"],
        ["generate", "run", "--prompt", "a", "--logits", "run/config.json"],
        *[["report", "run", "--output", "run/" + o] for o in ("run.json", "metrics.jsonl", "analysis/mine.json")],
        ["report", "run", "--output", "run/checkpoints/step-000001/state.json"],
        ["analyze", "run", "--text", "run/analysis/lines.json"],
        ["tokenizer", "train", "--input", "t.json", "--output", "t.json", "--force"],
        ["tokenizer", "convert", "--tokenizer", "run/tokenizer.json", "--output", "run", "--force"],
    ]:
        done = saobp(*arguments, code=2)
        one_line(done, "--", str(arguments[-1]) if arguments[-1] != "--force" else ".json")
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before
    (run_folder / "analysis/lines.json").unlink()  # a report would refuse it
    # What such a verb has written may be written again.
    for _ in range(2):
        saobp("fill", "run", *text, "--logits", "run/logits.npy")
        saobp("report", "run")
        saobp("analyze", "run", "--text", "valid.txt", "--output", "run/analysis/valid.json")
        saobp("analyze", "run", "--text", "valid.txt", "--output", "run/mine.json")


def into_head(tmp_path, wanted, *args):
    """The program piped into one that ends when it has seen `wanted`: exit code, what was read, standard error."""
    reader, writer = os.pipe()
    process = subprocess.Popen([BINARY, *map(str, args)], cwd=tmp_path, stdout=writer, stderr=subprocess.PIPE, text=True,
                               env=os.environ | {"SAOBP_CACHE": str(tmp_path / "cache")})
    os.close(writer)
    seen = b""
    while wanted not in seen and (piece := os.read(reader, 1)):
        seen += piece
    os.close(reader)
    error = process.communicate(timeout=120)[1]
    return process.returncode, seen, error


def test_a_run_whose_output_is_closed_saves_its_state(saobp, setting, tmp_path):
    code, _, error = into_head(tmp_path, b"step 3/", *setting, "--steps", 100000, "--log-every", 1, "--output", "run")
    assert code == 141 and error.count("\n") == 1, error
    assert "standard output was closed at step" in error and "--resume run" in error
    checkpoint, = (tmp_path / "run/checkpoints").iterdir()
    step = json.loads((checkpoint / "state.json").read_text())["step"]
    assert step >= 3 and len((tmp_path / "run/metrics.jsonl").read_text().splitlines()) == step


def test_others_end_quietly(saobp, run_folder, tmp_path):
    (tmp_path / "long.txt").write_text("the key is in the hall\n" * 20000)
    for arguments in ([*ENCODE, "--input", "long.txt"], [*ENCODE, "--input", "long.txt", "--output", "/dev/stdout"]):
        code, seen, error = into_head(tmp_path, b" " if "/dev/stdout" not in arguments else b"NUMPY", *arguments)
        assert code == 141 and seen and error == ""
    code, _, error = into_head(tmp_path, b"", "analyze", "run", "--text", "valid.txt")
    assert code == 141 and error == ""
    assert json.loads((run_folder / "analysis/valid.json").read_text())["sequences"] == 6  # written all the same


def test_what_killed_writers_left_goes(saobp, setting, tmp_path):
    common = [*setting, "--steps", 100000, "--checkpoint-every", 1, "--output", "run"]
    process = subprocess.Popen([BINARY, *map(str, common)], cwd=tmp_path, stdout=subprocess.DEVNULL,
                               env=os.environ | {"SAOBP_CACHE": str(tmp_path / "cache")})
    while not list(tmp_path.glob("run/checkpoints/step-0*")) and process.poll() is None:
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = [tmp_path / f"cache/0123456789abcdef.ids.partial-{process.pid}", tmp_path / f"ids.npy.partial-{process.pid}"]
    for path in left:
        path.write_text("half")
    (tmp_path / f"other.npy.partial-{process.pid}").write_text("not ours to judge")
    saobp(*setting, "--validation", "text.txt", "--corpus", "valid.txt", "--document", "line", "--steps", 1, "--output", "next")
    saobp(*ENCODE, "--text", "the key", "--output", "ids.npy")
    assert not any(path.exists() for path in left) and (tmp_path / f"other.npy.partial-{process.pid}").exists()
