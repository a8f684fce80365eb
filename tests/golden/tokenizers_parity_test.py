"""Ids and text must be those of the `tokenizers` package: on nasty strings, with every option, and on real text."""
import itertools
import json
import os
import random
import subprocess
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

SAOBP = os.environ.get("SAOBP_BIN", "build/release/bin/saobp")
DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

NASTY = [
    "", " ", "\t", "\r", " \r", "a\rb", "\u0000", "a\u0000b", "\u0001\u0007\u001b[0m", "\u007f", "\u0080\u0085\u009f",
    "a\u0085b", "a\u2028b\u2029c", "a\u00a0b\u3000c\u1680d\u202fe", "\ufeffstart", "soft\u00adhyphen", "zero\u200bwidth",
    "\u200e\u200fmarks\u202a\u202e", "\ufffd", "a\ufffdb", "漢字とカナ", "漢a字1。", "한국어 한국어", "\u1112\u1161\u11ab",
    "\U00020000\U0002a6df\U0002b820\U0002b91f\U0002b920", "\uf900\ufa0e", "e\u0301\u0327", "e\u0327\u0301",
    "\u0301\u0302\u0303", "a" + "\u0300" * 50, "\u0344\u0390", "\u1e9b\u0323", "\u212b\u00c5A\u030a",
    "İstanbul I\u0307 ıI", "ΣΑΣ ΌΔΟΣ Σ", "ß ẞ ﬀ ŉ ǰ", "ǅ ǈ ǋ ǲ ǅungla", "ⅧⅨ ½²①", "Ⓐ Ａ ａ", "𝒜𝔄𝟘",
    "\U0001d160\U0001d165\U0001d16d\U0001d167", "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🇩🇪", "قال، ؟", "שָׁלוֹם", "नमस्ते क्षि", "ไทย กำ", "\u0e33\u0eb3",
    "\ud7ff\ue000\uf8ff", "\U000f0000\U0010ffff", "\u0378\U0001ffff\ufffe\uffff", "a" * 100, "a" * 101, "é" * 100, "é" * 101,
    "a" * 100_000, "ab" * 50_000, "漢" * 30_000, "é" * 50_000, "!" * 100_000, " " * 100_000, "\u0301" * 100_000,
    "don't I'LL we'll they've it's 'tis 's '", "''''s", "  two  spaces   ", " \t \n x".replace("\n", "\r"), "x \u00a0 y",
    "1 234,5 ٣٤ ⅷ", "a_b-c—d…e", "$+<=>^`|~", "#hash ##hash ###", "[MASK] [mask] [MASK][SEP]x[CLS", "x[UNK]y [PAD",
    "<|endoftext|>", "a<|endoftext|> b", "Ġtoken Ċ", "naïve café Zürich Ærøskøbing", "\u166d\u1734\u1885\ua9bd\U000111c9",
    "\u1c89\ua7cb\ua7dc\U00010d50\U00016ea0", "\U000105c0\U00010d40\U00011bf0\U0002ebf0", "\u08d4\u0897\u08e2\u061d",
]


def run(*args, **kwargs):
    done = subprocess.run([SAOBP, "tokenizer", *map(str, args)], capture_output=True, **kwargs)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def our_ids(tokenizer, lines, folder, threads=2):
    """One list of ids a line."""
    path = folder / "lines.txt"
    path.write_bytes("".join(line + "\n" for line in lines).encode())
    out = run("encode", "--tokenizer", tokenizer, "--input", path, "--threads", threads).split("\n")
    assert out.pop() == ""
    return [[int(i) for i in line.split()] for line in out]


def assert_same_ids(reference, path, lines, folder):
    theirs = [e.ids for e in reference.encode_batch_fast(lines, add_special_tokens=False)]
    ours = our_ids(path, lines, folder)
    assert len(ours) == len(theirs)
    bad = [i for i, ids in enumerate(theirs) if ids != ours[i]]
    shown = [(ascii(lines[i][:80]), theirs[i][:20], ours[i][:20]) for i in bad[:5]]
    assert not bad, f"{len(bad)} of {len(lines)} lines differ: {shown}"


def assert_same_text(reference, path, documents, folder):
    ids = folder / "ids.txt"
    ids.write_text("".join(" ".join(map(str, d)) + "\n" for d in documents))
    for skip in (False, True):
        theirs = reference.decode_batch(documents, skip_special_tokens=skip)
        flag = ["--skip-special"] if skip else []
        ours = json.loads(run("decode", "--tokenizer", path, "--input", ids, "--json", *flag).split("\n")[-2])["texts"]
        assert ours == theirs


def random_lines(rng, pool, length, count):
    return ["".join(rng.choice(pool) for _ in range(length)) for _ in range(count)]


def characters():
    """Every assigned character but most ideographs and syllables; some unassigned; the first after Unicode 15."""
    chosen = []
    for c in range(0x110000):
        if 0xD800 <= c < 0xE000 or c == 0x0A:
            continue
        category = unicodedata.category(chr(c))
        crowd = 0x3400 <= c < 0xA000 or 0xAC00 <= c < 0xD7A4 or 0x17000 <= c < 0x18D00 or c >= 0x20000
        if category == "Cn" or crowd or category == "Co":
            if c % 61 == 0 or 0x10D40 <= c < 0x10D90 or 0x16EA0 <= c < 0x16EE0 or 0xA7C0 <= c < 0xA7E0:
                chosen.append(chr(c))
        else:
            chosen.append(chr(c))
    return chosen + list("\u1c89\u1c8a\u08d4\u08e2\u0897\U000113c5\U00011938")


CHARACTERS = characters()
MARKS = [c for c in CHARACTERS if unicodedata.category(c)[0] == "M"]


def single_character_wordpiece(clean, chinese, strip, lower):
    """Every character is a token, alone and continuing, so that no difference hides behind [UNK]."""
    vocabulary = {token: i for i, token in enumerate(SPECIAL)}
    for c in CHARACTERS + ["\n"]:
        for token in (c, "##" + c):
            vocabulary.setdefault(token, len(vocabulary))
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(
        clean_text=clean, handle_chinese_chars=chinese, strip_accents=strip, lowercase=lower)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    tokenizer.add_special_tokens(SPECIAL)
    return tokenizer


TRAINING_TEXT = [
    "the quick brown fox jumps over the lazy dog, doesn't it? they've said we'll see",
    "refined attention keeps the tokens that other tokens do not already look at",
    "naïve café Zürich coöperate 漢字 かな 한국어 привет мир 1234 5678 99",
    "a  b   c    d\te\r f", "It's 10:30 o'clock; I'm late! (really...)",
] * 20


def byte_level_bpe(vocab_size=700, add_prefix_space=False, use_regex=True, initial=True, **model):
    tokenizer = Tokenizer(models.BPE(**model))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space, use_regex=use_regex)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    special = [model["unk_token"]] if model.get("unk_token") else []
    alphabet = pre_tokenizers.ByteLevel.alphabet() if initial else []
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, show_progress=False, initial_alphabet=alphabet,
                                  special_tokens=special)
    tokenizer.train_from_iterator(TRAINING_TEXT, trainer)
    return tokenizer


@pytest.fixture(scope="module")
def rng():
    return random.Random(20)


@pytest.mark.parametrize("clean,chinese,strip,lower", [
    (True, True, None, True), (True, True, None, False), (True, True, False, True), (True, True, True, False),
    (False, True, True, True), (False, False, False, False), (True, False, True, True)])
def test_bert_normalizer(clean, chinese, strip, lower, tmp_path, rng):
    reference = single_character_wordpiece(clean, chinese, strip, lower)
    path = tmp_path / "tokenizer.json"
    reference.save(str(path))
    lines = [f"a{c}b {c}1 {c}{c}!{c}" for c in CHARACTERS]
    reordering = MARKS + ["\u0300", "\u302e", "\U0001d165", "\u08d4", "\U0001e000"] * 50
    starters = list("AIİΣǅé漢豈\u1100\u1161\u11a8각\u0000\u00ad\u200d") * 60
    lines += random_lines(rng, CHARACTERS, 20, 2000) + random_lines(rng, reordering, 12, 2000)
    lines += random_lines(rng, reordering + starters, 12, 4000) + NASTY
    assert_same_ids(reference, path, lines, tmp_path)


@pytest.mark.parametrize("options", [
    {}, {"add_prefix_space": True}, {"use_regex": False}, {"ignore_merges": True},
    {"initial": False, "unk_token": "<unk>"}, {"initial": False, "unk_token": "<unk>", "fuse_unk": True},
    {"initial": False}], ids=str)
def test_byte_level_bpe(options, tmp_path, rng):
    reference = byte_level_bpe(**options)
    path = tmp_path / "tokenizer.json"
    reference.save(str(path))
    spaces = [" ", "\t", "\r", "\x85", "\u2028", "\u00a0", "a", "'", "s", "t", "l", "r", "e", "v", "1", "!", "é", "\u0301"]
    lines = [f"x{c} {c}1 !{c}{c}" for c in CHARACTERS] + random_lines(rng, CHARACTERS, 12, 1000)
    lines += random_lines(rng, spaces, 15, 6000) + NASTY + TRAINING_TEXT[:5]
    assert_same_ids(reference, path, lines, tmp_path)
    size = reference.get_vocab_size()
    documents = [[i] for i in range(size)] + [[rng.randrange(size) for _ in range(12)] for _ in range(2000)]
    assert_same_text(reference, path, documents, tmp_path)
    # What we write is what they read.
    run("convert", "--tokenizer", path, "--output", tmp_path / "again")
    again = Tokenizer.from_file(str(tmp_path / "again" / "tokenizer.json"))
    assert [e.ids for e in again.encode_batch(NASTY)] == [e.ids for e in reference.encode_batch(NASTY)]
    assert again.get_vocab() == reference.get_vocab()


def test_merges_as_text_and_as_pairs(tmp_path):
    reference = byte_level_bpe()
    reference.save(str(tmp_path / "pairs.json"))
    written = json.loads((tmp_path / "pairs.json").read_text())
    assert isinstance(written["model"]["merges"][0], list)
    written["model"]["merges"] = [" ".join(m) for m in written["model"]["merges"]]
    (tmp_path / "text.json").write_text(json.dumps(written))
    folder = tmp_path / "gpt2"
    folder.mkdir()
    reference.model.save(str(folder))  # vocab.json and merges.txt
    for path in (tmp_path / "text.json", folder, folder / "vocab.json"):
        assert_same_ids(reference, path, NASTY[:40] + TRAINING_TEXT[:5], tmp_path)


@pytest.mark.parametrize("kind", ["wordpiece", "bpe"])
def test_added_tokens(kind, tmp_path, rng):
    # single_word, lstrip, rstrip, normalized, special: each kind takes the half with an even or an odd number of them, in which
    # any four still meet in every way.
    flags = [f for f in itertools.product([False, True], repeat=5) if sum(f) % 2 == (kind == "bpe")]
    for round, (single, left, right, normalized, special) in enumerate(flags):
        reference = single_character_wordpiece(True, True, None, True) if kind == "wordpiece" and round == 0 else (
            byte_level_bpe() if kind == "bpe" and round == 0 else Tokenizer.from_file(str(tmp_path / "base.json")))
        if round == 0:
            if kind == "wordpiece":  # a small vocabulary loads faster
                vocabulary = {t: i for i, t in enumerate(SPECIAL + [p + c for c in "abcdeéxyz<>!" for p in ("", "##")])}
                reference.model = models.WordPiece(vocabulary, unk_token="[UNK]")
            reference.save(str(tmp_path / "base.json"))
        content = ["<Tok>", "Éx", "ab", "a b"][round % 4]
        build = lambda text: AddedToken(text, single_word=single, lstrip=left, rstrip=right, normalized=normalized)
        more = [build(content), build(content + "c"), AddedToken("yz", normalized=not normalized)]
        reference.add_special_tokens(more) if special else reference.add_tokens(more)
        path = tmp_path / f"{round}.json"
        reference.save(str(path))
        parts = [content, content.lower(), content + "c", " ", "  ", "\u2003", "\t", "é", "x", "_", "\u0301", "!", "yz",
                 "[MASK]", "<", "漢"]
        assert_same_ids(reference, path, random_lines(rng, parts, 7, 600), tmp_path)
        size = reference.get_vocab_size()
        assert_same_text(reference, path, [[rng.randrange(size) for _ in range(9)] for _ in range(200)], tmp_path)


def test_vocab_txt(tmp_path):
    words = SPECIAL + ["hello", "world", "##s", "he", "##llo", "h", "##é", "é", "e", "H", "##e", "漢", "!", "##llos"]
    (tmp_path / "vocab.txt").write_text("\n".join(words) + "\n")
    lines = ["Hello worlds", "héllo HÉ", "漢hello!", "[MASK] hellos", "unknown", "h\u00e9"]
    for lower in (True, False):
        (tmp_path / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": lower}))
        reference = Tokenizer(models.WordPiece({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
        reference.normalizer = normalizers.BertNormalizer(lowercase=lower)
        reference.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        reference.add_special_tokens(SPECIAL)
        assert_same_ids(reference, tmp_path / "vocab.txt", lines, tmp_path)
        run("convert", "--tokenizer", tmp_path, "--output", tmp_path / "as.json", "--force")
        written = Tokenizer.from_file(str(tmp_path / "as.json"))
        for line in lines:
            ids = reference.encode(line).ids
            assert written.encode(line).ids == [2, *ids, 3]
            assert written.encode(line, "hello").type_ids == [0] * (len(ids) + 2) + [1, 1]


def test_wordpiece_decoding(tmp_path, rng):
    pieces = [".", ",", "!", "?", "'", "n't", "'m", "do", "not", "do not", "'s", "'ve", "'re", "##s", "##.", "#", "##",
              "####a", "a", "##n't", "x . y", "' '"]
    vocabulary = {t: i for i, t in enumerate(SPECIAL + pieces)}
    reference = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    reference.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    reference.add_special_tokens(SPECIAL)
    documents = [[rng.randrange(len(vocabulary)) for _ in range(6)] for _ in range(2000)] + [[i] for i in range(5)] + [[]]
    for decoder in (decoders.WordPiece(), decoders.WordPiece(cleanup=False), decoders.WordPiece(prefix="@@"), None):
        written = json.loads(reference.to_str())
        written["decoder"] = json.loads(decoder.__getstate__()) if decoder else None
        path = tmp_path / "tokenizer.json"
        path.write_text(json.dumps(written))
        reference = Tokenizer.from_file(str(path))
        assert_same_text(reference, path, documents, tmp_path)


@pytest.mark.parametrize("case", ["--lowercase", "--no-lowercase"])
def test_training(case, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("\n".join(TRAINING_TEXT * 3))
    saved = []
    for name in ("one", "two"):
        run("train", "--input", text, "--vocab-size", 220, "--min-frequency", 2, case, "--output", tmp_path / name)
        saved.append((tmp_path / name / "tokenizer.json").read_bytes())
    assert saved[0] == saved[1]
    path = tmp_path / "one" / "tokenizer.json"
    reference = Tokenizer.from_file(str(path))
    assert_same_ids(reference, path, NASTY + TRAINING_TEXT[:5], tmp_path)
    encoding = reference.encode("the quick fox")
    assert encoding.tokens[0] == "[CLS]" and encoding.tokens[-1] == "[SEP]"
    assert "[UNK]" not in encoding.tokens

    # Their trainer breaks ties among pairs by ids that its hash maps gave, so most of the vocabulary is equal, not all.
    theirs = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    theirs.normalizer = normalizers.BertNormalizer(lowercase=case == "--lowercase")
    theirs.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    theirs.train_from_iterator(TRAINING_TEXT * 3, trainers.WordPieceTrainer(
        vocab_size=220, min_frequency=2, special_tokens=SPECIAL, show_progress=False))
    assert reference.get_vocab_size() == theirs.get_vocab_size() == 220
    common = set(reference.get_vocab()) & set(theirs.get_vocab())
    assert len(common) > 0.8 * 220
    for i, token in enumerate(SPECIAL):
        assert reference.token_to_id(token) == i


def shared_texts():
    """Raw lines out of every text and task file: whole small files, and a stretch from the middle of large ones."""
    files = sorted(p for p in (DATA / "corpus").rglob("*") if p.is_file() and p.name != "SOURCE.txt")
    files += sorted(p for folder in ("glue", "squad", "hellaswag", "boolq") for p in (DATA / folder).rglob("*")
                    if p.suffix in (".tsv", ".json", ".jsonl", ".txt"))
    files += sorted((DATA / "race").rglob("*.txt"))[::60]
    lines = []
    for path in files:
        size = path.stat().st_size
        with path.open("rb") as file:
            if size > 40_000:
                file.seek(size // 2)
                file.readline(200_000)
            text = file.read(40_000).decode("utf-8", errors="ignore")
        lines += text.split("\n")
    return lines


@pytest.mark.skipif(not DATA.exists(), reason=f"no real data at {DATA}")
@pytest.mark.parametrize("name", ["bert-base-uncased", "gpt2"])
def test_real_text(name, tmp_path):
    folder = DATA / "tokenizers" / name
    reference = Tokenizer.from_file(str(folder / "tokenizer.json"))
    lines = shared_texts()
    assert sum(map(len, lines)) > 5_000_000
    theirs = np.fromiter((i for e in reference.encode_batch_fast(lines, add_special_tokens=False) for i in e.ids), np.int32)
    text = tmp_path / "text.txt"
    text.write_bytes("".join(line + "\n" for line in lines).encode())
    for source in (folder / "tokenizer.json", folder / ("vocab.txt" if "bert" in name else "vocab.json")):
        for threads in (1, 2):
            out = run("encode", "--tokenizer", source, "--input", text, "--threads", threads, "--json",
                      "--output", tmp_path / "ids.npy")
            ours = np.load(tmp_path / "ids.npy")
            assert ours.dtype == np.int32 and np.array_equal(ours, theirs)
            result = json.loads(out.split("\n")[-2])
            assert result["tokens"] == len(theirs) and result["lines"] == len(lines) and result["threads"] == threads
    assert_same_ids(reference, folder / "tokenizer.json", NASTY, tmp_path)
    documents = [list(map(int, theirs[i:i + 50])) for i in range(0, len(theirs), 5000)]
    assert_same_text(reference, folder / "tokenizer.json", documents, tmp_path)


def test_text_with_line_feeds():
    """--text is one document whatever is in it."""
    tokenizer = byte_level_bpe()
    path = Path(os.environ.get("TMPDIR", "/tmp")) / f"saobp-line-feeds-{os.getpid()}.json"
    tokenizer.save(str(path))
    try:
        for text in ("a\nb", "\n\n a", "x\r\n\r\ny \n", "\n"):
            shown = json.loads(run("encode", "--tokenizer", path, "--text", text, "--json").split("\n")[-2])
            expected = tokenizer.encode(text)
            assert shown["ids"] == expected.ids and shown["tokens"] == expected.tokens
    finally:
        path.unlink()
