"""Writes the seeds of the fuzz targets, small files of every kind that the program reads.

seeds.py FOLDER makes FOLDER/TARGET/NUMBER; what a target's input looks like is said in its source.
"""

import gzip
import io
import json
import pathlib
import struct
import sys

import numpy
import pyarrow
import pyarrow.parquet

TEXTS = ["", "the red key", "The  Red\tkey isn't in the [MASK] .\n", "naïve Ἀθῆναι 東京 ﬁ e\u0301\u0323 \U0001F600",
         "a" * 70, "###[UNK]##ed", "\ufeff\r\n"]
WORDS = ["the", "red", "key", "##ed", "##s", "t", "##h", "##e", ".", "'", "東", "naive", "isn", "in"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def joined(*files):
    return b"\0".join(file if isinstance(file, bytes) else file.encode() for file in files)


def text_of(value):
    return json.dumps(value, ensure_ascii=False)


def byte_alphabet():
    """The characters that stand for the bytes in a byte-level vocabulary."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) if byte in printable else chr(256 + others.index(byte)) for byte in range(256)]


def added(id, content, **flags):
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True} | flags
    return {"id": id, "content": content, **flags}


def bert_normalizer(**settings):
    return {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
            "lowercase": True} | settings


def wordpiece(**parts):
    model = {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
             "max_input_chars_per_word": 100, "vocab": {token: id for id, token in enumerate(SPECIAL + WORDS)}}
    return {"version": "1.0", "added_tokens": [added(id, token) for id, token in enumerate(SPECIAL)],
            "normalizer": bert_normalizer(), "pre_tokenizer": {"type": "BertPreTokenizer"}, "post_processor": None,
            "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True}, "model": model} | parts


def bpe(alphabet=None, prefix=False, model=None, **parts):
    alphabet = alphabet or byte_alphabet()
    merges = ["t h", "th e", "Ġ the", "r e", "re d", "Ġ red", "a a", "aa aa"]
    merges = [merge.split() for merge in merges if set(merge) - {" "} <= set(alphabet)]
    vocab = {token: id for id, token in enumerate(alphabet + [left + right for left, right in merges])}
    level = {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": True}
    model = {"type": "BPE", "dropout": None, "unk_token": None, "fuse_unk": False, "byte_fallback": False,
             "ignore_merges": False, "vocab": vocab, "merges": merges} | (model or {})
    return {"version": "1.0", "added_tokens": [], "normalizer": None, "pre_tokenizer": level, "post_processor": level,
            "decoder": level, "model": model} | parts


def tokenizers():
    yield wordpiece()
    yield wordpiece(normalizer=None, decoder=None, added_tokens=[])
    yield wordpiece(normalizer=bert_normalizer(lowercase=False, strip_accents=False, clean_text=False))
    yield wordpiece(added_tokens=[added(19, "Née", normalized=True, special=False),
                                  added(20, "x", single_word=True, lstrip=True, rstrip=True)])
    yield bpe()
    yield bpe(prefix=True)
    yield bpe(added_tokens=[added(264, "<|endoftext|>"), added(265, " re", lstrip=True, rstrip=True, special=False)])
    yield bpe(alphabet=list("theradisnky.Ġ?"), model={"unk_token": "?", "fuse_unk": True, "ignore_merges": True})
    yield bpe(decoder=None)


def tokenizer_inputs():
    return [joined(text_of(one), text) for one in tokenizers() for text in TEXTS]


def vocabularies():
    config = text_of({"do_lower_case": False, "tokenize_chinese_chars": True, "strip_accents": None})
    model = bpe()["model"]
    merges = "#version: 0.2\n" + "".join(f"{left} {right}\n" for left, right in model["merges"])
    for text in TEXTS:
        yield joined("\n".join(SPECIAL + WORDS) + "\n", config, text)
        yield joined("\r\n".join(SPECIAL + WORDS), "", text)
        yield joined(text_of(model["vocab"]), merges, '{"add_prefix_space": true}', text)
        yield joined(text_of(model["vocab"]), merges, "", text)


def safetensors(header, data=b""):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def safetensors_files():
    sizes = {"BOOL": 1, "U8": 1, "I16": 2, "BF16": 2, "F16": 2, "F32": 4, "I32": 4, "I64": 8, "F64": 8}
    header, offset = {"__metadata__": {"format": "pt", "n": 1}}, 0
    for dtype, size in sizes.items():
        header[f"layer.{dtype}"] = {"dtype": dtype, "shape": [2, 3], "data_offsets": [offset, offset + 6 * size]}
        offset += 6 * size
    yield safetensors({})
    yield safetensors({"scalar": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]}}, b"\0\0\x80?")
    yield safetensors({"none": {"dtype": "F32", "shape": [0, 5], "data_offsets": [0, 0]}})
    yield safetensors(header, bytes(range(offset)))
    yield safetensors({"__metadata__": {str(i): "x" for i in range(3000)}})


def text_files():
    lines = "".join(json.dumps({"id": i, "text": text}) + "\n" for i, text in enumerate(TEXTS))
    for text in ["a\n\nb\r\n\r\nc\rd\n", "\ufeffone\n \u3000\ntwo", lines, "\n".join(TEXTS),
                 '{"text": "\\ud83d\\ude00\\n", "n": [1e5, {"a": null}]}\n\n{"text": ""}']:
        for mode in range(8):
            yield bytes([mode]) + text.encode()
        yield b"\3" + gzip.compress(text.encode(), mtime=0)


def compressed_files():
    zstd = pyarrow.Codec("zstd")
    for text in [*(text.encode() for text in TEXTS), bytes(range(256)) * 20]:
        packed = zstd.compress(text, asbytes=True)
        skipped = b"\x50\x2a\x4d\x18\2\0\0\0xx"
        for file in [gzip.compress(text, mtime=0), packed, packed + packed, skipped + packed, text]:
            yield b"\0" + file
        yield from (bytes([how]) + text for how in (1, 3, 0x81, 0x83))


def parquet_file(table, **options):
    file = io.BytesIO()
    pyarrow.parquet.write_table(table, file, **options)
    return file.getvalue()


def parquet_files():
    table = pyarrow.table({"text": [*TEXTS, None], "n": list(range(len(TEXTS) + 1))})
    yield parquet_file(table)
    yield parquet_file(table, compression="none", use_dictionary=False)
    yield parquet_file(table, compression="zstd", data_page_version="2.0")
    yield parquet_file(table, compression="gzip", write_page_checksum=True)
    yield parquet_file(table, row_group_size=3, write_statistics=False)
    for encoding in ["DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"]:
        yield parquet_file(table, use_dictionary=False, column_encoding={"text": encoding, "n": "PLAIN"})
    yield parquet_file(pyarrow.table({"text": [["a"], ["b", "c"]], "group": [{"text": "x"}, None]}))


def model_configs():
    refined = {"attention": "high", "strength": 0.2, "exclude_self": True}
    bert = {"model_type": "bert", "vocab_size": 100, "hidden_size": 64, "num_hidden_layers": 2,
            "num_attention_heads": 4, "intermediate_size": 128, "max_position_embeddings": 32, "type_vocab_size": 2,
            "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1,
            "initializer_range": 0.02, "layer_norm_eps": 1e-12, "pad_token_id": 0,
            "position_embedding_type": "absolute", "tie_word_embeddings": True}
    gpt2 = {"model_type": "gpt2", "vocab_size": 100, "n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 32,
            "n_inner": None, "activation_function": "gelu_new", "resid_pdrop": 0.1, "attn_pdrop": 0.1,
            "embd_pdrop": 0.1, "layer_norm_epsilon": 1e-5, "initializer_range": 0.02, "eos_token_id": 99,
            "scale_attn_weights": True}
    configs = [bert, gpt2, bert | {"refined_attention": refined},
               bert | {"refined_attention": refined | {"strengths": [0.1, [0.1, 0.2, 0.3, 0.4]], "qk_norm": True}},
               gpt2 | {"refined_attention": {"attention": "elemmul", "strength": 0.0, "exclude_self": False}}]
    return [text_of(config).encode() for config in configs]


def settings():
    corpus = {"corpus": ["a.txt:2:line", "b.jsonl:0.5", "c/*.txt"], "exclude": ["x*"], "document": "blank", "cache": "",
              "text_field": "text", "pack": True, "holdout": 0.1, "holdout_seed": 7}
    masking = {"mask_probability": 0.15, "mask_share": 0.8, "random_share": 0.1}
    return [text_of(one).encode() for one in ({"corpus": corpus}, {"masking": masking}, {"corpus": {}, "masking": {}})]


def report_folders():
    record = {"command": "pretrain", "seed": 42, "started": "2026-01-02T03:04:05Z", "finished": None,
              "options": {"train": {"steps": 30, "batch": 8}, "optimizer": {"learning_rate": 5e-4}},
              "model": {"name": "bert-mini", "parameters": 11171130, "attention": "high", "strength": 0.2,
                        "layers": 2, "hidden_size": 8, "heads": 2},
              "final": {"step": 30, "loss": 3.25, "validation_loss": 3.5, "masked_lm_perplexity": 33.12,
                        "tokens_per_s": 5231.4, "peak_rss_mb": 812}}
    layers = {"attention_entropy": [[2.0, 2.5], [1.0, 1.5]], "gtd": [[0.7, 0.72], [0.8, 0.84]],
              "indirect_entropy": [[3, 3], [3, 3]], "sparsity": [[0.5, 0.7], [0.9, 0.9]]}
    analysis = {"model": "m", "text": "dev.txt", "sequences": 12, "tokens": 1234,
                "settings": {"gtd_discount": 0.9, "gtd_hops": 4, "sparsity_threshold": 0.01},
                "matrices": {"A": layers, "B": layers | {"gtd": [[0.75, 0.8], [0.9, 0.95]]}}}
    plain = analysis | {"matrices": {"A": layers, "B": layers | {"attention_entropy": []}}}
    heads = [[0.4, 0.1], [0.2, None]]
    many = {"top_key_share": heads, "first_token_share": heads, "sink_output_norm": heads, "rollout_entropy": [[1], [2]]}
    full = analysis | {"matrices": {"A": layers | many, "B": layers | many}, "standard_errors": {"B": {"top_key_share": heads}},
                       "measures": {"top_key_share": {"heading": "top key", "unit": "", "definition": "d"}}, "states": {"states_cosine": [0.1, 0.95]},
                       "what_if": [{"attention": "high", "strength": 0.1, "loss": None, "divergence": 0.1, "states_cosine": 1, "pooled_cosine": 1,
                                    "attention_entropy": 2, "sink_rate": 0, "top_key_share": 0.1, "gtd": 0.7}]}
    part = {"scale": [[0.5]], "bytes": [["AAAA"]]}
    maps = {"model": "m", "text": "t", "layers": 1, "heads": 1,
            "sequences": [{"id": "1", "tokens": ["a"], "special": [0], "words": [0], "types": [0], "norms": [[[1]]], "A": part, "B": part}]}
    looked = {"attention_entropy": [[2.0, 2.5]], "gtd": [[0.7, 0.72]]}
    lines = [{"step": step, "loss": 10 - step / 10, "strengths": [0.1, [0.1, 0.2]]} for step in range(1, 12)]
    lines += [{"step": 8, "loss": None}, {"step": 9, "validation_loss": 9.5},
              {"step": 10, "attention": {"A": looked, "B": looked}}, {"step": 12, "validation_loss": 9.0}]
    log = "".join(json.dumps(line) + "\n" for line in lines)
    record, analysis, plain, full, maps = map(text_of, (record, analysis, plain, full, maps))
    yield joined(log, record, full, analysis, maps)
    yield joined("", record, full, "", maps)
    yield joined(log, record, analysis, plain)
    yield joined(log, record, analysis)
    yield joined(log[:-20], record)
    yield joined("", record, "", plain)
    yield joined(log)


def arrays():
    for numbers in ([], [3, 5, 32767], list(range(40))):
        for dtype in ("<i4", "<i8", "<i2"):
            file = io.BytesIO()
            numpy.save(file, numpy.array(numbers, dtype))
            yield file.getvalue()
    file = io.BytesIO()
    numpy.lib.format.write_array(file, numpy.arange(6).reshape(2, 3), version=(2, 0))
    yield file.getvalue()


def run_folders():
    state = {"step": 10, "rows": 80, "ranks": 1, "skipped": 0, "skipped_in_a_row": 0, "seconds": 12.5,
             "corpus": ["a.ids"], "tokenizer": "17", "options": {"train": {"steps": 30}}}
    sealed = state | {"checksums": {"model.safetensors": "ef46db3751d8e999"}, "checksum": "44bc2cf5ad770999"}
    lines = "".join(json.dumps({"step": step, "loss": 10 - step / 10}) + "\n" for step in range(1, 12))
    for log in (lines, lines[:-9], lines + '{"step": 12, "loss": null}\n', "\n\n" + lines, ""):
        for last in (0, 5, 99):
            yield joined(str(last), log, text_of(state))
            yield joined(str(last), log, json.dumps(sealed, indent=1))


def task_files():
    tsv = "index\tsentence\tlabel\r\n0\tit's \"open\t1\r\n1\tcafé \U0001f600\t0\r\n"
    squad = {"version": "v2.0", "data": [{"title": "t", "paragraphs": [{"context": "the café is red.", "qas": [
        {"id": "1", "question": "what is the café?", "answers": [{"text": "red", "answer_start": 12}], "is_impossible": False},
        {"id": "2", "question": "a_b an", "answers": [], "is_impossible": True}]}]}]}
    race = {"article": "x", "questions": ["_ is", "b"], "options": [["a", "b"], ["c", "d"]], "answers": ["A", "B"], "id": "m1"}
    lines = json.dumps({"q": "x", "n": 1.5, "o": ["a", "b"], "label": True}) + "\n"
    for kind, text in ((0, tsv), (0, "\ufeff" + tsv), (1, "a\t1\tb\nc\t0\t\n"), (2, lines * 3), (2, json.dumps([{"label": 1}])),
                       (3, json.dumps(race)), (4, json.dumps(squad))):
        yield bytes([kind]) + text.encode()


SEEDS = {"safetensors": safetensors_files, "tokenizer": tokenizer_inputs, "vocabulary": vocabularies,
         "text": text_files, "compressed": compressed_files, "parquet": parquet_files, "config": model_configs,
         "settings": settings, "report": report_folders, "npy": arrays, "run": run_folders, "records": task_files}


def main(folder):
    for target, files in SEEDS.items():
        (folder / target).mkdir(parents=True, exist_ok=True)
        for number, content in enumerate(files()):
            (folder / target / f"{number:03}").write_bytes(content)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
