"""What a model is fed for the real tasks, whole data sets, against a script around the tokenizers package."""
import json
import pathlib

import pytest
import tokenizers

# Token by token, from the longer one; ids, types and labels as transformers' run_glue.py has them.
GLUE = {
    "cola": ("glue/CoLA/dev.tsv", False, (3,), 1), "sst2": ("glue/SST-2/dev.tsv", True, (0,), 1),
    "mrpc": ("glue/MRPC/dev.tsv", True, (3, 4), 0), "rte": ("glue/RTE/dev.tsv", True, (1, 2), 3),
    "wnli": ("glue/WNLI/dev.tsv", True, (1, 2), 3), "qnli": ("glue/QNLI/dev.tsv", True, (1, 2), 3),
    "stsb": ("glue/STS-B/dev.tsv", True, (7, 8), 9)}
LABELS = {"rte": ["entailment", "not_entailment"], "qnli": ["entailment", "not_entailment"]}


@pytest.fixture
def folder(tmp_path, data):
    config = {"model_type": "bert", "vocab_size": 30522, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1,
              "intermediate_size": 16, "max_position_embeddings": 512, "type_vocab_size": 2, "pad_token_id": 0}
    (tmp_path / "model").mkdir()
    (tmp_path / "model/config.json").write_text(json.dumps(config))
    return data


@pytest.fixture
def rows(tmp_path, saobp, folder):
    def read(task, data, *options):
        saobp("tasks", "rows", "model", "--tokenizer", folder / "tokenizers/bert-base-uncased", "--task", task, "--data", data,
              "--output", "rows.jsonl", *options)
        return [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    return read


def reference(data, length, strategy, stride=0):
    tokenizer = tokenizers.Tokenizer.from_file(str(data / "tokenizers/bert-base-uncased/tokenizer.json"))
    tokenizer.enable_truncation(length, stride=stride, strategy=strategy)
    tokenizer.no_padding()
    return tokenizer


@pytest.mark.parametrize("task", GLUE)
def test_glue(rows, folder, task):
    name, header, texts, label = GLUE[task]
    lines = [line.split("\t") for line in (folder / name).read_text("utf-8-sig").splitlines()[header:]]
    coded = reference(folder, 64, "longest_first").encode_batch([tuple(line[t].strip() for t in texts) if len(texts) > 1 else
                                                                 line[texts[0]].strip() for line in lines])
    found = rows(task, folder / "glue", "--length", 64)
    assert len(found) == len(lines)
    for row, encoding, line in zip(found, coded, lines):
        assert row["input_ids"] == encoding.ids and row["token_type_ids"] == encoding.type_ids
        wanted = float(line[label]) if task == "stsb" else LABELS[task].index(line[label]) if task in LABELS else int(line[label])
        assert row["target"] == wanted


def test_boolq(rows, folder):
    lines = [json.loads(line) for line in (folder / "boolq/dev.jsonl").read_text().splitlines()]
    coded = reference(folder, 256, "longest_first").encode_batch([(line["question"], line["passage"]) for line in lines])
    found = rows("boolq", folder, "--length", 256)
    assert [(r["input_ids"], r["token_type_ids"], r["target"]) for r in found] == [
        (e.ids, e.type_ids, int(line["answer"])) for e, line in zip(coded, lines)]


def test_hellaswag(rows, folder):
    lines = [json.loads(line) for line in (folder / "hellaswag/val_eval_1000.jsonl").read_text().splitlines()]
    tokenizer = reference(folder, 96, "only_first")
    found = rows("hellaswag", folder, "--length", 96)
    assert [r["target"] for r in found] == [line["label"] for line in lines]
    for row, line in zip(found, lines):
        coded = tokenizer.encode_batch([(line["ctx_a"], f"{line['ctx_b']} {ending}") for ending in line["endings"]])
        assert row["input_ids"] == [e.ids for e in coded] and row["token_type_ids"] == [e.type_ids for e in coded]


def test_race(rows, folder):
    tokenizer = reference(folder, 512, "only_first")
    found = iter(rows("race-middle", folder, "--split", "test"))
    for path in sorted(pathlib.Path(folder, "race/test/middle").iterdir()):
        passage = json.loads(path.read_text())
        for question, options, answer in zip(passage["questions"], passage["options"], passage["answers"]):
            texts = [question.replace("_", option, 1) if "_" in question else f"{question} {option}" for option in options]
            coded = tokenizer.encode_batch([(passage["article"], text) for text in texts])
            row = next(found)
            assert row["input_ids"] == [e.ids for e in coded] and row["target"] == "ABCD".index(answer)
    assert next(found, None) is None


def windows_of(tokenizer, question, context, answer):
    """prepare_train_features() of transformers' run_qa.py: a window's ids, and the tokens that its answer spans."""
    first = tokenizer.encode(question.lstrip(), context)
    for window in [first] + first.overflowing:
        start = end = 0
        place = [n for n, sequence in enumerate(window.sequence_ids) if sequence == 1]
        begin, stop = answer["answer_start"], answer["answer_start"] + len(answer["text"])
        low, high = place[0], place[-1]
        if window.offsets[low][0] <= begin and window.offsets[high][1] >= stop:
            while low < len(window.offsets) and window.offsets[low][0] <= begin:
                low += 1
            while window.offsets[high][1] >= stop:
                high -= 1
            start, end = low - 1, high + 1
        yield window.ids, [start, end]


@pytest.mark.parametrize("name, split, questions", [("dev-v1.1.json", "dev", None), ("train-v1.1.json", "train", 2000)])
def test_squad(rows, folder, name, split, questions):
    tokenizer = reference(folder, 384, "only_second", stride=128)
    found = iter(rows("squad", folder, "--split", split, *(["--rows", questions] if questions else [])))
    asked, differing = 0, 0
    for article in json.loads((folder / "squad" / name).read_text())["data"]:
        for paragraph in article["paragraphs"]:
            for qa in paragraph["qas"]:
                if asked == questions:
                    break
                asked += 1
                for ids, ends in windows_of(tokenizer, qa["question"], paragraph["context"], qa["answers"][0]):
                    row = next(found)
                    assert row["id"] == qa["id"] and row["input_ids"] == ids
                    differing += row["target"] != ends
    assert next(found, None) is None
    # An answer that begins or ends within a token, where either takes the whole token or none.
    assert differing <= asked // 1000
