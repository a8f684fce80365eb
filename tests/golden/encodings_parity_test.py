"""Rows of texts and pairs: ids, token types, offsets and windows are those of the `tokenizers` package."""
import itertools
import json
import os
import random
import subprocess

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from tokenizers_parity_test import CHARACTERS, DATA, MARKS, NASTY, SAOBP, random_lines

TOOL = os.environ.get("SAOBP_ENCODE_ROWS", os.path.join(os.path.dirname(SAOBP), "encode_rows"))
STRATEGIES = ["longest_first", "only_first", "only_second"]


def our_rows(path, cases):
    """cases: dicts of "text", "pair", "special_tokens", "max_length", "truncation", "stride"; a list of rows for each,
    or None where the settings were refused."""
    done = subprocess.run([TOOL, str(path)], input="".join(json.dumps(c) + "\n" for c in cases), capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.split("\n")[:-1]]


def row_of(encoding):
    return {"ids": encoding.ids, "type_ids": encoding.type_ids, "offsets": [list(o) for o in encoding.offsets]}


def their_rows(tokenizer, case):
    if case.get("max_length"):
        try:
            tokenizer.enable_truncation(case["max_length"], stride=case["stride"], strategy=case["truncation"])
            made = tokenizer.encode(case["text"], case.get("pair"), add_special_tokens=case["special_tokens"])
        except BaseException:  # a panic of theirs
            return None
        finally:
            tokenizer.no_truncation()
    else:
        made = tokenizer.encode(case["text"], case.get("pair"), add_special_tokens=case["special_tokens"])
    return [row_of(e) for e in [made, *made.overflowing]]


def assert_same_rows(tokenizer, path, cases):
    # Room for text: where special tokens fill the row we refuse, and they give rows without any.
    least = {pair: len(tokenizer.encode("", "" if pair else None).ids) + 1 for pair in (False, True)}
    for case in cases:
        if "max_length" in case:
            case["max_length"] = max(case["max_length"], least["pair" in case])
    ours = our_rows(path, cases)
    assert len(ours) == len(cases)
    bad = []
    for case, rows in zip(cases, ours):
        theirs = their_rows(tokenizer, case)
        if theirs is None:
            continue  # what they refuse, or panic at, is another test's
        if rows is None or [{k: r[k] for k in ("ids", "type_ids", "offsets")} for r in rows] != theirs:
            bad.append((str(case)[:200], str(theirs)[:400], str(rows)[:400]))
        else:
            for row in rows:
                for (begin, end), (first, last), which in zip(row["offsets"], row["bytes"], row["texts"]):
                    text = case["text"] if which == 0 else case.get("pair", "")
                    assert which < 0 or text[begin:end].encode() == text.encode()[first:last]
    assert not bad, f"{len(bad)} of {len(cases)} cases differ: {bad[:2]}"


def byte_level(folder, processor, add_prefix_space=False, use_regex=True):
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("t", "h"), ("th", "e"), ("Ġ", "the"), ("Ġ", "t"), ("Ġ", "a"), ("i", "n"), ("Ã", "©"), ("Ġ", "Ġ")]
    vocabulary = {t: i for i, t in enumerate(["<s>", "<pad>", "</s>", "<unk>", *alphabet, *("".join(m) for m in merges)])}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space, use_regex=use_regex)
    tokenizer.post_processor = processor
    from tokenizers import AddedToken
    tokenizer.add_special_tokens(["<s>", "</s>", AddedToken("<mask>", lstrip=True, special=True)])
    tokenizer.add_tokens([AddedToken("hello", single_word=True), AddedToken("stop", rstrip=True)])
    tokenizer.save(str(folder / "tokenizer.json"))
    return tokenizer, folder / "tokenizer.json"


def template():
    return processors.TemplateProcessing(single="<s> $A </s>:3", pair="<s> $A:1 </s> $B:2 </s>:2",
                                         special_tokens=[("<s>", 0), ("</s>", 2)])


PROCESSORS = {
    "none": lambda: None,
    "bytes": lambda: processors.ByteLevel(trim_offsets=False),
    "trim": lambda: processors.ByteLevel(trim_offsets=True, add_prefix_space=False),
    "trim, space": lambda: processors.ByteLevel(trim_offsets=True, add_prefix_space=True),
    "roberta": lambda: processors.RobertaProcessing(("</s>", 2), ("<s>", 0), True, True),
    "roberta, plain": lambda: processors.RobertaProcessing(("</s>", 2), ("<s>", 0), False, False),
    "bert": lambda: processors.BertProcessing(("</s>", 2), ("<s>", 0)),
    "template": template,
    "sequence": lambda: processors.Sequence([processors.ByteLevel(trim_offsets=True, add_prefix_space=False), template()]),
}


def wordpiece():
    return Tokenizer.from_file(str(DATA / "tokenizers/bert-base-uncased/tokenizer.json"))


def settings(text, pair, rng):
    for special in (True, False):
        yield {"text": text, "pair": pair, "special_tokens": special}
    for _ in range(3):
        yield {"text": text, "pair": pair, "special_tokens": rng.random() < 0.7, "max_length": rng.randint(4, 24),
               "stride": rng.randint(0, 4), "truncation": rng.choice(STRATEGIES if pair is not None else STRATEGIES[:2])}


def cases_of(texts, seed):
    rng = random.Random(seed)
    cases = []
    for text in texts:
        for pair in (None, rng.choice(texts)):
            cases += [{k: v for k, v in c.items() if v is not None} for c in settings(text, pair, rng)]
    return cases


SHORT = [text for text in NASTY if len(text) < 1000]
RANDOM = random_lines(random.Random(3), CHARACTERS, 12, 400) + random_lines(random.Random(4), MARKS + list("ae  é漢"), 14, 300)


@pytest.mark.parametrize("processor", PROCESSORS)
@pytest.mark.parametrize("prefix, regex", [(False, True), (True, True), (True, False)], ids=str)
def test_byte_level(tmp_path, processor, prefix, regex):
    tokenizer, path = byte_level(tmp_path, PROCESSORS[processor](), prefix, regex)
    texts = SHORT + RANDOM[:60] + ["the café  the  in", " the", "x <mask> hello stop  y", "hello", "  stop  "]
    assert_same_rows(tokenizer, path, cases_of(texts, 1))


@pytest.mark.parametrize("settings", [{}, {"unk_token": "<unk>"}, {"unk_token": "<unk>", "fuse_unk": True}], ids=str)
def test_bytes_that_the_vocabulary_lacks(tmp_path, settings):
    known = ["<unk>", "a", "b", "c", "Ġ", "e", "h", "t", "th", "the", "Ã"]
    tokenizer = Tokenizer(models.BPE({t: i for i, t in enumerate(known)}, [("t", "h"), ("th", "e")], **settings))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    draw = random.Random(7)
    texts = random_lines(draw, list("abc the Zé!xé  "), 12, 400) + ["a Z b the", "the é abc", "xx!! abc"]
    assert_same_rows(tokenizer, tmp_path / "tokenizer.json", [{"text": t, "special_tokens": False} for t in texts])


def small_wordpiece(folder, **options):
    from tokenizers import AddedToken, normalizers
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "red", "key", "##s", "cafe", "##e", "e", "i", "ss", "漢"]
    words += list("abcdfghjklmnopqrstuvwxyz.,!'") + ["##" + c for c in "abcdfghijklmnopqrtuvwxyz"]
    tokenizer = Tokenizer(models.WordPiece({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(**options)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    tokenizer.add_tokens([AddedToken("Red Key", normalized=True), AddedToken("<x>", lstrip=True, rstrip=True)])
    tokenizer.save(str(folder / "tokenizer.json"))
    return tokenizer, folder / "tokenizer.json"


@pytest.mark.parametrize("options", [{}, {"lowercase": False, "strip_accents": True}, {"strip_accents": False},
                                     {"clean_text": False}, {"handle_chinese_chars": False}], ids=str)
def test_wordpiece_through_normalisation(tmp_path, options):
    tokenizer, path = small_wordpiece(tmp_path, **options)
    texts = SHORT + RANDOM + ["Cafés! the RED  key <x>  漢字", "İstanbul the red key", "e\u0301\u302e\u0327 e"]
    assert_same_rows(tokenizer, path, cases_of(texts, 2))


@pytest.mark.parametrize("name", ["bert-base-uncased", "gpt2"])
def test_real_text(name):
    folder = DATA / "tokenizers" / name
    if not folder.is_dir():
        pytest.skip(f"real data are not here ({folder})")
    path = folder / "tokenizer.json" if (folder / "tokenizer.json").exists() else folder
    if path == folder:
        from transformers import AutoTokenizer
        tokenizer = AutoTokenizer.from_pretrained(folder).backend_tokenizer
        tokenizer.no_truncation(), tokenizer.no_padding()
    else:
        tokenizer = Tokenizer.from_file(str(path))
    cases = []
    rng = random.Random(5)
    for file in sorted((DATA / "squad").rglob("*.json"))[:2]:
        articles = json.loads(file.read_text())["data"]
        for article in rng.sample(articles, min(12, len(articles))):
            for paragraph in article["paragraphs"][:6]:
                question = paragraph["qas"][0]["question"] if paragraph["qas"] else "?"
                cases.append({"text": question, "pair": paragraph["context"], "special_tokens": True, "max_length": 128,
                              "stride": 32, "truncation": "only_second"})
                cases.append({"text": paragraph["context"], "special_tokens": True})
    for file in sorted((DATA / "corpus").rglob("*")):
        if file.is_file() and file.suffix in (".txt", ".raw", ".tokens"):
            lines = file.read_text(errors="ignore")[:200_000].split("\n")
            cases += [{"text": line, "special_tokens": False} for line in lines if line][:300]
    assert len(cases) > 100
    assert_same_rows(tokenizer, path, cases)
