"""Trained tokenizers against those that the `tokenizers` package learns from the same files with the same settings."""
import itertools
import json
import random

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def their_bpe(files, vocab_size, min_frequency=2, special=("<|endoftext|>",), prefix_space=False, line_ends=True):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix_space)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, min_frequency=min_frequency, special_tokens=list(special),
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    if line_ends:
        tokenizer.train([str(f) for f in files], trainer)
    else:
        texts = [f.read_bytes().decode().split("\n") for f in files]
        tokenizer.train_from_iterator(itertools.chain.from_iterable(texts), trainer)
    return tokenizer


def model_of(path):
    model = json.loads(path.read_text())["model"]
    return model["vocab"], [tuple(pair) for pair in model["merges"]]


def assert_same_model(saobp, folder, files, vocab_size, *flags, threads=2, **settings):
    reference = their_bpe(files, vocab_size, **settings)
    reference.save(str(folder / "theirs.json"))
    inputs = [argument for file in files for argument in ("--input", file)]
    saobp("tokenizer", "train", "--kind", "bpe", *inputs, "--vocab-size", vocab_size, "--threads", threads, *flags,
          "--output", folder / "ours.json", "--force")
    (vocab, merges), (our_vocab, our_merges) = model_of(folder / "theirs.json"), model_of(folder / "ours.json")
    first = next((i for i, (a, b) in enumerate(zip(merges, our_merges)) if a != b), None)
    assert first is None, f"merge {first} is {our_merges[first]}, theirs is {merges[first]}"
    assert our_merges == merges
    assert our_vocab == vocab
    ours = Tokenizer.from_file(str(folder / "ours.json"))
    text = "The quick brown fox, naïve café\n\n  漢字 it's 42<|endoftext|> x\r\n"
    assert ours.encode(text).ids == reference.encode(text).ids
    assert ours.decode(ours.encode(text).ids) == reference.decode(reference.encode(text).ids)


@pytest.mark.parametrize("seed", range(12))
def test_bpe_on_words_full_of_ties(saobp, tmp_path, seed):
    """Few letters and long words: many pairs are equally frequent, and many tokens can be made in several ways."""
    draw = random.Random(seed)
    letters = "ab" if seed % 3 == 0 else "abcde" if seed % 3 == 1 else "aé漢 '\t"
    lines = ["".join(draw.choice(letters) for _ in range(draw.randrange(40))) for _ in range(300)]
    text = tmp_path / "text.txt"
    text.write_bytes("\n".join(line + draw.choice(["", "\r", "  "]) for line in lines).encode())
    assert_same_model(saobp, tmp_path, [text], 1500, threads=1 + seed % 2)


@pytest.mark.parametrize("flags, settings", [
    (["--min-frequency", 40], {"min_frequency": 40}),
    (["--min-frequency", 0], {"min_frequency": 0}),
    (["--add-prefix-space"], {"prefix_space": True}),
    (["--no-line-ends"], {"line_ends": False}),
    (["--add-prefix-space", "--no-line-ends"], {"prefix_space": True, "line_ends": False}),
    (["--special-tokens", "<pad>", "--special-tokens", "the", "--special-tokens", "a"],
     {"special": ("<pad>", "the", "a")})], ids=str)
def test_bpe_settings(saobp, tmp_path, flags, settings):
    draw = random.Random(1)
    words = "the then there other theme math path 1234 12 é漢字 it's they've a an … \u2028 \u00a0x <pad>".split(" ")
    files = [tmp_path / "one.txt", tmp_path / "two.txt"]
    for file in files:
        lines = [" ".join(draw.choice(words) for _ in range(draw.randrange(12))) for _ in range(500)]
        file.write_bytes("\n".join(lines).encode() + b"\n" * (file.name == "one.txt"))
    assert_same_model(saobp, tmp_path, files, 400, *flags, **settings)


def test_bpe_learns_byte_order_marks(saobp, tmp_path):
    """As the package does, which takes a file as it is; pretraining leaves them out."""
    files = [tmp_path / f"{i}.txt" for i in range(3)]
    for file in files:
        file.write_bytes("\ufeffred key\nold \ufeff key".encode())
    assert_same_model(saobp, tmp_path, files, 300)
    assert "ï»¿" in model_of(tmp_path / "ours.json")[0]


def test_bpe_on_real_text(saobp, data, tmp_path):
    novels = sorted((data / "corpus" / "novels").glob("*.txt"))[:3]
    web = sorted(p for p in (data / "corpus" / "web").iterdir() if p.suffix == ".txt")[:2]
    assert_same_model(saobp, tmp_path, novels + web, 20_000)


def test_what_training_refuses(saobp, tmp_path):
    (tmp_path / "text.txt").write_text("some text\n")
    (tmp_path / "empty.txt").write_text("")

    def refused(code, *arguments):
        command = ["tokenizer", "train", "--output", tmp_path / "out", "--input", *arguments]
        return saobp(*command, code=code).err

    assert "text to train" in refused(1, tmp_path / "empty.txt", "--kind", "bpe")
    assert "256 bytes alone are 257" in refused(1, tmp_path / "text.txt", "--kind", "bpe", "--vocab-size", 256)
    assert "--lowercase: does not go with --kind bpe" in refused(2, tmp_path / "text.txt", "--kind", "bpe", "--lowercase")
    assert "--line-ends: does not go with --kind wordpiece" in refused(2, tmp_path / "text.txt", "--no-line-ends")
    assert "wordpiece or bpe was expected" in refused(2, tmp_path / "text.txt", "--kind", "unigram")
    assert not (tmp_path / "out").exists()


def their_wordpiece(files, vocab_size):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train([str(f) for f in files], trainers.WordPieceTrainer(
        vocab_size=vocab_size, min_frequency=2, special_tokens=SPECIAL, show_progress=False))
    return tokenizer


def test_wordpiece_is_one_of_theirs(saobp, data, tmp_path):
    """Their ids come from hash maps and decide between equally frequent pairs, so the vocabulary varies from run to run.

    Ours must cut held-out text into a number of tokens within the spread of five runs.
    """
    novels = sorted((data / "corpus" / "novels").glob("*.txt"))
    files, held_out = novels[4:7], novels[11].read_text(encoding="utf-8").split("\n")
    inputs = [argument for file in files for argument in ("--input", file)]
    saobp("tokenizer", "train", *inputs, "--vocab-size", 8000, "--output", tmp_path)
    ours = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    count = lambda tokenizer: sum(len(e.ids) for e in tokenizer.encode_batch_fast(held_out, add_special_tokens=False))
    theirs = [count(their_wordpiece(files, 8000)) for _ in range(5)]
    assert min(theirs) <= count(ours) <= max(theirs)
