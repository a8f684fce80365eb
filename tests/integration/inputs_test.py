"""Every verb that reads text reads what --corpus reads; and what is no file, or changes under its reader, is named."""
import gzip
import json
import os
import subprocess

import pytest

from bad_input_test import one_line
from conftest import BINARY, with_flags

LINES = ["the red key is in the old box", "tom looks for a key", "rain fell on the hills"]
ENCODE = ("tokenizer", "encode", "--tokenizer", "vocab.txt")


@pytest.fixture
def run_folder(saobp, setting, tmp_path):
    saobp(*setting, "--steps", 1, "--output", "run")
    return tmp_path / "run"


@pytest.fixture
def texts(tmp_path):
    """The same three documents in every container that can be made here."""
    plain = "".join(line + "\n" for line in LINES)
    rows = "".join(json.dumps({"id": i, "score": float("nan"), "text": line}) + "\r\n" for i, line in enumerate(LINES))
    (tmp_path / "plain.txt").write_text(plain)
    (tmp_path / "plain.TXT.GZ").write_bytes(gzip.compress(plain.encode()) + bytes(512))
    (tmp_path / "rows.JSONL").write_text(rows)
    (tmp_path / "rows.jsonl.gzip").write_bytes(b"".join(gzip.compress(row.encode()) for row in rows.splitlines(True)))
    (tmp_path / "folder").mkdir()
    for i, line in enumerate(LINES):
        (tmp_path / f"folder/{i}.txt").write_text(line)
    names = ["plain.txt", "plain.TXT.GZ", "rows.JSONL", "rows.jsonl.gzip", "folder", "folder/*.txt"]
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        return names
    pq.write_table(pa.table({"text": LINES}), tmp_path / "table.parquet")
    return [*names, "table.parquet"]


def fed(tmp_path, text, *args):
    """With `text`, a file's bytes, on standard input."""
    done = subprocess.run([BINARY, *map(str, args)], cwd=tmp_path, input=text, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def test_encode_and_analyze_read_what_a_corpus_is(saobp, run_folder, tmp_path, texts):
    ids = saobp(*ENCODE, "--input", "plain.txt").out
    assert ids.count("\n") == 3
    first = saobp("analyze", "run", "--text", "plain.txt", "--json").json
    assert first["sequences"] == 3
    corpus = ["pretrain", "--model", "tiny.json", "--tokenizer", "vocab.txt", "--steps", 1, "--batch", 1, "--length", 8,
              "--warmup-steps", 1, "--document", "line"]
    for number, name in enumerate(texts):
        assert saobp(*ENCODE, "--input", name).out == ids, name
        analysis = saobp("analyze", "run", "--text", name, "--json").json
        assert analysis["matrices"] == first["matrices"] and analysis["tokens"] == first["tokens"], name
        out = saobp(*corpus, "--corpus", name, "--output", f"new{number}").out
        assert f"corpus      {len(ids.split())} tokens, 0 % [UNK], 3 documents" in out, name
        if os.path.isfile(tmp_path / name):
            whole = (tmp_path / name).read_bytes()
            suffix = ":jsonl" if "row" in name else ""  # there is no name to tell it by
            assert fed(tmp_path, whole, *ENCODE, "--input", "-" + suffix) == ids
            assert fed(tmp_path, whole, *ENCODE, "--input", "/dev/stdin" + suffix) == ids
            piped = json.loads(fed(tmp_path, whole, "analyze", "run", "--text", "-" + suffix, "--compare", "run", "--json"))
            assert piped["first"]["matrices"] == piped["second"]["matrices"] == first["matrices"]
            trained = json.loads(fed(tmp_path, whole, "tokenizer", "train", "--vocab-size", 40, "--input", "-" + suffix,
                                     "--output", "/dev/stdout"))
            saobp("tokenizer", "train", "--vocab-size", 40, "--input", name, "--output", "t.json", "--force")
            assert trained == json.loads((tmp_path / "t.json").read_text())


def test_a_field_of_another_name(saobp, run_folder, tmp_path):
    (tmp_path / "x.jsonl").write_text(json.dumps({"body": "the key\nis in a box"}) + "\n")
    for verb in ([*ENCODE, "--input"], ["analyze", "run", "--text"]):
        one_line(saobp(*verb, "x.jsonl", code=1), "x.jsonl: line 1", '"text"', '"body"')
        saobp(*verb, "x.jsonl", "--text-field", "body")
    assert saobp(*ENCODE, "--input", "x.jsonl", "--text-field", "body").out.count("\n") == 1  # one document, one line
    one_line(saobp(*ENCODE, "--input", "x.jsonl:2", code=2), "--input x.jsonl:2", "weight")
    one_line(saobp("analyze", "run", "--text", "vocab.txt:nonsense", code=2), "nonsense")


def test_what_cannot_be_read_again_is_no_corpus(saobp, setting, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    one_line(saobp(*with_flags(setting, corpus="pipe"), "--steps", 1, "--output", "run", code=1), "pipe: is a pipe", "read again")
    one_line(saobp(*with_flags(setting, corpus="-"), "--steps", 1, "--output", "run", code=1), "standard input")


def test_links_in_a_folder(saobp, setting, tmp_path):
    folder = tmp_path / "texts"
    (folder / "real").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    for name in ("texts/a.txt", "texts/real/b.txt", "outside/c.txt"):
        (tmp_path / name).write_text("the key\n")
    (folder / "again").symlink_to("real")
    (folder / "outside").symlink_to("../outside")
    (folder / "real/round").symlink_to("..")
    done = saobp(*with_flags(setting, corpus="texts", length=6, batch=1), "--steps", 1, "--output", "run")
    assert "6 tokens, 0 % [UNK], 3 documents, 3 files" in done.out
    (folder / "dead.txt").symlink_to("nowhere")
    done = saobp(*with_flags(setting, corpus="texts"), "--steps", 1, "--output", "other", code=1)
    one_line(done, "texts/dead.txt: is a link that leads nowhere", "--exclude")


def test_a_tokenizer_behind_a_dead_link_is_not_passed_over(saobp, setting, tmp_path):
    (tmp_path / "tokenizer.json").symlink_to("nowhere.json")
    one_line(saobp("tokenizer", "encode", "--tokenizer", ".", "--text", "key", code=1), "tokenizer.json")
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "tokenizer_config.json").symlink_to("nowhere.json")
    one_line(saobp("tokenizer", "encode", "--tokenizer", ".", "--text", "key", code=1), "tokenizer_config.json")


def test_documents_have_a_bound(saobp, setting, run_folder, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "huge.json").touch()
    os.truncate(tmp_path / "huge.json", 1 << 40)
    for file, words in (("/dev/zero", "is a device"), ("huge.json", "at most"), ("pipe", "nothing came from this pipe")):
        one_line(saobp(*with_flags(setting, tokenizer=file), "--steps", 1, "--output", "new", code=1), file, words)
        if file != "pipe":  # which takes its time
            one_line(saobp("pretrain", "--config", file, "--output", "new", code=1), file, words)
    one_line(saobp(*with_flags(setting, model="huge.json"), "--steps", 1, "--output", "new", code=1), "huge.json", "at most")
    one_line(saobp("fill", "run", "--tokenizer", "/dev/zero", "--text", "[MASK]", code=1), "/dev/zero: is a device")
    assert not (tmp_path / "new").exists()
    # A pipe that someone writes to is as good as a file.
    writer = subprocess.Popen("cat run/tokenizer.json > pipe", shell=True, cwd=tmp_path)
    assert saobp("tokenizer", "encode", "--tokenizer", "pipe", "--text", "the key").out == \
        saobp(*ENCODE, "--text", "the key").out
    assert writer.wait() == 0


def test_a_cache_that_is_cut_short_under_a_run_is_named(setting, tmp_path):
    (tmp_path / "text.txt").write_text("the red key is in the box\n\n" * 20000)
    command = [BINARY, *map(str, setting), "--steps", "100000", "--log-every", "1", "--output", "run"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                               env=os.environ | {"SAOBP_CACHE": str(tmp_path / "cache")})
    while not (tmp_path / "run/metrics.jsonl").exists() and process.poll() is None:
        pass
    for cache in (tmp_path / "cache").glob("*.ids"):
        os.truncate(cache, 100)
    error = process.communicate(timeout=120)[1]
    assert process.returncode == 1 and error.count("\n") == 1, error
    assert ".ids: cannot be read any more: it was cut short" in error
