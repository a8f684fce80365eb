"""Parquet is read like JSON lines with the same text; pyarrow, which writes it here, is the oracle."""
import gzip
import json

import pytest

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed (scripts/setup.sh --parquet)")
pq = pytest.importorskip("pyarrow.parquet")

from conftest import with_flags

TEXTS = ["the red key\n\nin a box", None, "  \n", "tom looks for rain é €\r\nnear hills", "", "old"] + [
    "rain fell on the old mill " * n for n in range(1, 700)]


@pytest.fixture
def setting(setting):
    """Without the validation text, which would be in the cache too."""
    at = setting.index("--validation")
    return setting[:at] + setting[at + 2:]


def cached_ids(saobp, setting, tmp_path, corpus):
    """The cache's tokens and offsets after a run on this text."""
    flags = with_flags(setting, corpus=corpus, cache=f"cache-{corpus}")
    saobp(*flags, "--steps", 1, "--output", f"run-{corpus}")
    (cache,) = (tmp_path / f"cache-{corpus}").iterdir()
    return cache.read_bytes()[:-40]  # without version, key, sizes and checksum


def json_lines(path, texts):
    path.write_text("".join(json.dumps({"text": t}) + "\n" for t in texts if t is not None))


@pytest.mark.parametrize("name, options", [
    ("plain", dict(compression="none", use_dictionary=False)),
    ("snappy", dict(compression="snappy", row_group_size=100)),
    ("zstd", dict(compression="zstd", data_page_size=1000, write_page_checksum=True)),
    ("pages2", dict(compression="gzip", data_page_version="2.0", use_dictionary=False,
                    column_encoding={"text": "DELTA_BYTE_ARRAY"})),
    ("lengths", dict(compression="lz4", use_dictionary=False, column_encoding={"text": "DELTA_LENGTH_BYTE_ARRAY"})),
])
def test_same_ids_as_json_lines(saobp, setting, tmp_path, name, options):
    json_lines(tmp_path / "same.jsonl", TEXTS)
    table = pa.table({"id": range(len(TEXTS)), "text": TEXTS, "tags": [["a", "b"]] * len(TEXTS)})
    pq.write_table(table, tmp_path / name, **options)  # told by its first bytes, not by its name
    assert cached_ids(saobp, setting, tmp_path, name) == cached_ids(saobp, setting, tmp_path, "same.jsonl")


@pytest.mark.parametrize("column", [pa.array(TEXTS, pa.large_string()), pa.array(TEXTS, pa.string_view()),
                                    pa.array(TEXTS).dictionary_encode(),
                                    pa.array([t and t.encode() for t in TEXTS], pa.binary())],
                         ids=lambda column: str(column.type).split("<")[0])
def test_types_of_strings(saobp, setting, tmp_path, column):
    json_lines(tmp_path / "same.jsonl", TEXTS)
    pq.write_table(pa.table({"text": column}), tmp_path / "typed.parquet")
    assert cached_ids(saobp, setting, tmp_path, "typed.parquet") == cached_ids(saobp, setting, tmp_path, "same.jsonl")


def test_text_field(saobp, setting, tmp_path):
    """A field of a group, beside a column that is called as the default; another field is another text."""
    texts = [t for t in TEXTS if t]
    json_lines(tmp_path / "same.jsonl", texts)
    table = pa.table({"text": ["old"] * len(texts), "page": [{"body": t, "title": "key"} for t in texts]})
    pq.write_table(table, tmp_path / "page.parquet")
    expected = cached_ids(saobp, setting, tmp_path, "same.jsonl")
    flags = with_flags(setting, corpus="page.parquet", cache="both")
    saobp(*flags, "--steps", 1, "--output", "run-text", "--text-field", "text", "--no-pack")
    saobp(*flags, "--steps", 1, "--output", "run-body", "--text-field", "page.body")
    ids = [path.read_bytes()[:-40] for path in (tmp_path / "both").iterdir()]
    assert len(ids) == 2 and expected in ids


@pytest.mark.parametrize("kind", ["bpe", "wordpiece"])
def test_tokenizer_training(saobp, tmp_path, kind):
    """The same lines as text, as compressed JSON lines and as a table teach the same vocabulary."""
    texts = [t.replace("\r", "") for t in TEXTS if t and not t.isspace()]
    (tmp_path / "same.txt").write_text("".join(t + "\n" for t in texts))
    (tmp_path / "same.jsonl.gz").write_bytes(gzip.compress("".join(json.dumps({"body": t}) + "\n" for t in texts).encode()))
    pq.write_table(pa.table({"body": texts}), tmp_path / "same.parquet", row_group_size=100)
    learnt = set()
    for name in ("same.txt", "same.jsonl.gz", "same.parquet"):
        saobp("tokenizer", "train", "--kind", kind, "--vocab-size", 320, "--input", name, "--text-field", "body",
              "--output", name + ".json")
        learnt.add((tmp_path / (name + ".json")).read_text())
    assert len(learnt) == 1


def test_a_nul_character_is_one_in_every_container(saobp, setting, tmp_path):
    texts = ["the re\0d key", "\0", "old box"] * 20
    json_lines(tmp_path / "nul.jsonl", texts)
    (tmp_path / "nul.jsonl.gz").write_bytes(gzip.compress((tmp_path / "nul.jsonl").read_bytes()))
    pq.write_table(pa.table({"text": texts}), tmp_path / "nul.parquet")
    kinds = [cached_ids(saobp, setting, tmp_path, name) for name in ("nul.jsonl", "nul.jsonl.gz", "nul.parquet")]
    assert kinds[0] == kinds[1] == kinds[2]


def write(path, column, **options):
    pq.write_table(pa.table({"text": column}), path, **options)


def damaged(path):
    write(path, TEXTS, compression="none", use_dictionary=False, write_page_checksum=True)
    bytes = bytearray(path.read_bytes())
    bytes[bytes.find(b"rain fell") + 2] ^= 1
    path.write_bytes(bytes)


def cut(path):
    write(path, TEXTS)
    path.write_bytes(path.read_bytes()[:-30])


@pytest.mark.parametrize("make, words", [
    (lambda path: path.write_bytes(b"PAR1\x15\x00"), ["Parquet"]),
    (cut, ["Parquet"]),
    (damaged, ["Parquet", "CRC"]),
    (lambda path: pq.write_table(pa.table({"body": ["old"], "id": [1]}), path),
     ['"text"', '"body", "id"', "--text-field"]),
    (lambda path: write(path, [1, 2]), ['"text"', "INT64", "strings"]),
    (lambda path: write(path, [["old"], ["key"]]), ['"text"']),
    (lambda path: write(path, [None, None], compression="none"), []),
    (lambda path: write(path, pa.array([], pa.string())), ["not one token"]),
    (lambda path: write(path, pa.array([b"old", None, b"ke\xff"], pa.binary())), ["row 3", '"text"', "offset 2"]),
], ids=["magic only", "cut short", "damaged", "no column", "numbers", "lists", "untyped", "no rows", "not UTF-8"])
def test_bad_files(saobp, setting, tmp_path, make, words):
    make(tmp_path / "part.parquet")
    done = saobp(*with_flags(setting, corpus="part.parquet"), "--steps", 1, "--output", "run", code=1)
    assert done.err.count("\n") == 1 and done.err.startswith(f"saobp: {tmp_path}/part.parquet: "), done.err
    for word in words:
        assert word in done.err, (word, done.err)
    assert not (tmp_path / "run").exists() and not list((tmp_path / "cache").glob("*.ids*"))
