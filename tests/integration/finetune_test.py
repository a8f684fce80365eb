"""saobp finetune and evaluate, on small tasks in the published formats."""
import json
import random
import shutil

import pytest
import torch
import transformers as hf
from safetensors.torch import load_file, save_file
from sklearn import metrics

from bad_input_test import one_line
from conftest import WORDS, write_vocabulary


def sentence(draw, label):
    """Ten words; which label it has depends on one of them."""
    words = [w for w in WORDS if w not in ("red", "old")]
    text = [draw.choice(words) for _ in range(draw.randrange(3, 10))]
    text.insert(draw.randrange(len(text)), ["red", "old"][label])
    return " ".join(text)


def write_sst2(folder, train=200, dev=40):
    draw = random.Random(1)
    folder.mkdir(parents=True)
    for name, count in (("train", train), ("dev", dev)):
        rows = [(sentence(draw, i % 2), i % 2) for i in range(count)]
        (folder / f"{name}.tsv").write_text("sentence\tlabel\n" + "".join(f"{t} \t{label}\n" for t, label in rows))
    (folder / "test.tsv").write_text("index\tsentence\n" + "".join(f"{i}\t{sentence(draw, i % 2)}\n" for i in range(5)))


@pytest.fixture
def model(tmp_path, saobp):
    """A tiny encoder that was never trained, with its tokenizer."""
    config = hf.BertConfig(vocab_size=write_vocabulary(tmp_path), hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
                           intermediate_size=64, max_position_embeddings=64)
    torch.manual_seed(3)
    hf.BertModel(config).save_pretrained(tmp_path / "model")
    shutil.copy(tmp_path / "vocab.txt", tmp_path / "model/vocab.txt")
    return tmp_path / "model"


QUICK = ["--epochs", 6, "--batch", 16, "--learning-rate", 3e-3, "--length", 16, "--threads", 2, "--seed", 5]


@pytest.fixture
def tuned(tmp_path, saobp, model):
    write_sst2(tmp_path / "data/SST-2")
    return saobp("finetune", model, "--task", "sst2", "--data", "data", "--output", "run", "--attention", "high",
                 "--strength", 0.3, *QUICK, "--json")


def predictions(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_classifier_learns_and_transformers_says_the_same(tmp_path, saobp, model, tuned):
    scores = tuned.json["dev"]["scores"]
    assert scores["accuracy"]["value"] > 0.9
    told = saobp("info", "run").out
    assert "task          sst2, 200 examples\n" in told and f"dev           accuracy {scores['accuracy']['value']:.4g}\n" in told
    assert " of 0" not in told
    assert tuned.json["dev"]["baselines"]["majority"]["accuracy"] == 0.5
    config = json.loads((tmp_path / "run/config.json").read_text())
    assert config["id2label"] == {"0": "negative", "1": "positive"} and config["architectures"] == ["BertForSequenceClassification"]
    record = json.loads((tmp_path / "run/run.json").read_text())
    assert record["command"] == "finetune" and record["final"]["dev"]["scores"] == scores
    assert record["from"]["drawn"] == ["classifier.bias", "classifier.weight"]
    lines = predictions(tmp_path / "run/eval/sst2-dev.predictions.jsonl")
    gold, predicted = [p["gold"] for p in lines], [p["prediction"] for p in lines]
    assert scores["accuracy"]["value"] == metrics.accuracy_score(gold, predicted)
    # A plain model: transformers computes the same probabilities.
    saobp("finetune", model, "--task", "sst2", "--data", "data", "--output", "plain", *QUICK)
    net = hf.AutoModelForSequenceClassification.from_pretrained(tmp_path / "plain").eval()
    tokenizer = hf.AutoTokenizer.from_pretrained(tmp_path / "plain")
    lines = predictions(tmp_path / "plain/eval/sst2-dev.predictions.jsonl")
    texts = [line.split("\t")[0] for line in (tmp_path / "data/SST-2/dev.tsv").read_text().splitlines()[1:]]
    with torch.no_grad():
        batch = tokenizer(texts, return_tensors="pt", padding=True, truncation=True, max_length=16)
        theirs = net(**batch).logits.softmax(-1)
    ours = torch.tensor([[p["probabilities"]["negative"], p["probabilities"]["positive"]] for p in lines])
    assert (theirs - ours).abs().max() < 1e-5


def test_evaluate_says_what_the_run_found_for_any_batch(tmp_path, saobp, tuned):
    expected = predictions(tmp_path / "run/eval/sst2-dev.predictions.jsonl")
    for batch in (1, 8, 64):
        done = saobp("evaluate", "run", "--task", "sst2", "--data", "data/SST-2", "--batch", batch, "--output",
                     f"eval-{batch}", "--json")
        assert done.json["tasks"]["sst2"]["scores"] == tuned.json["dev"]["scores"]
        found = predictions(tmp_path / f"eval-{batch}/sst2-dev.predictions.jsonl")
        assert [p["prediction"] for p in found] == [p["prediction"] for p in expected]
    test = saobp("evaluate", "run", "--task", "sst2", "--data", "data", "--split", "test", "--json")
    assert {**test.json["tasks"]["sst2"], "seconds": 0} == {
        "split": "test", "examples": 5, "scores": {}, "baselines": {}, "seconds": 0}
    lines = predictions(tmp_path / "run/eval/sst2-test.predictions.jsonl")
    assert [p["gold"] for p in lines] == [None] * 5
    numbers = {"negative": "0", "positive": "1"}
    assert (tmp_path / "run/eval/SST-2.tsv").read_text() == "index\tprediction\n" + "".join(
        f"{i}\t{numbers[p['prediction']]}\n" for i, p in enumerate(lines))


def test_labels_are_mapped_by_name(tmp_path, saobp, tuned):
    shutil.copytree(tmp_path / "run", tmp_path / "swapped")
    config = json.loads((tmp_path / "swapped/config.json").read_text())
    config["id2label"], config["label2id"] = {"0": "positive", "1": "negative"}, {"positive": 0, "negative": 1}
    (tmp_path / "swapped/config.json").write_text(json.dumps(config))
    weights = load_file(tmp_path / "swapped/model.safetensors")
    for name in ("classifier.weight", "classifier.bias"):
        weights[name] = weights[name].flip(0).contiguous()
    save_file(weights, tmp_path / "swapped/model.safetensors", {"format": "pt"})
    done = saobp("evaluate", "swapped", "--task", "sst2", "--data", "data", "--json")
    assert done.json["tasks"]["sst2"]["scores"] == tuned.json["dev"]["scores"]


def test_a_run_that_was_cut_goes_on_to_the_same_bits(tmp_path, saobp, model):
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"trained_positions": 8}))  # and its rows train more
    write_sst2(tmp_path / "data/SST-2")
    saobp("finetune", model, "--task", "sst2", "--data", "data", "--output", "run", *QUICK, "--keep-checkpoints", 9)
    shutil.copytree(tmp_path / "run", tmp_path / "cut")
    record = json.loads((tmp_path / "cut/run.json").read_text())
    record["finished"] = record["final"] = None
    (tmp_path / "cut/run.json").write_text(json.dumps(record))
    checkpoints = sorted((tmp_path / "cut/checkpoints").iterdir())
    assert len(checkpoints) == 6, "one an epoch"
    for later in checkpoints[2:]:
        shutil.rmtree(later)
    done = saobp("finetune", "--resume", "cut")
    assert "resuming cut from step 26" in done.out
    for name in ("config.json", "model.safetensors", "eval/sst2-dev.predictions.jsonl"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "run" / name).read_bytes()
    # Stopped after its last step, before its scores were written.
    shutil.rmtree(tmp_path / "cut/eval")
    record["finished"] = record["final"] = None
    (tmp_path / "cut/run.json").write_text(json.dumps(record))
    final = saobp("finetune", "--resume", "cut", "--json").json
    assert final["dev"] == json.loads((tmp_path / "run/run.json").read_text())["final"]["dev"]
    assert (tmp_path / "cut/eval/sst2-dev.json").exists()
    # Killed before its first checkpoint: it begins again with the model's weights. A rate of 0 leaves these as they were.
    saobp("finetune", model, "--task", "sst2", "--data", "data", "--output", "start",
          *[0 if value == 3e-3 else value for value in QUICK])
    shutil.copyfile(tmp_path / "start/model.safetensors", tmp_path / "cut/model.safetensors")
    shutil.rmtree(tmp_path / "cut/checkpoints")
    (tmp_path / "cut/run.json").write_text(json.dumps(record))
    assert "resuming cut from the start" in saobp("finetune", "--resume", "cut").out
    assert (tmp_path / "cut/model.safetensors").read_bytes() == (tmp_path / "run/model.safetensors").read_bytes()
    (tmp_path / "data/SST-2/dev.tsv").write_text("sentence\tlabel\nred\t0\n")
    record = json.loads((tmp_path / "cut/run.json").read_text())
    record["finished"] = record["final"] = None
    (tmp_path / "cut/run.json").write_text(json.dumps(record))
    one_line(saobp("finetune", "--resume", "cut", code=1), "the text in --data was changed since the run began")


def write_choices(folder):
    draw = random.Random(2)
    folder.mkdir(parents=True)
    for name, count in (("train", 150), ("val", 40)):
        lines = []
        for i in range(count):
            right = draw.randrange(4)
            endings = [sentence(draw, int(n == right)) for n in range(4)]
            lines.append({"ind": i, "activity_label": "Walking", "ctx_a": "tom is in the mill", "ctx_b": "the old",
                          "label": right, "endings": endings, "source_id": ["wikihow~1", "activitynet~v"][i % 2],
                          "split_type": "indomain"})
        (folder / f"hellaswag_{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_choices_and_their_groups(tmp_path, saobp, model):
    write_choices(tmp_path / "data/hellaswag")
    done = saobp("finetune", model, "--task", "hellaswag", "--data", "data", "--output", "run", "--epochs", 8, "--batch", 8,
                 "--learning-rate", 3e-3, "--length", 32, "--json")
    dev = done.json["dev"]
    assert dev["scores"]["accuracy"]["value"] > 0.5
    assert set(dev["groups"]["source"]) == {"wikihow", "activitynet"}
    assert sum(part["examples"] for part in dev["groups"]["source"].values()) == 40
    assert {"majority", "longest_option", "shortest_option"} == set(dev["baselines"])
    net = hf.AutoModelForMultipleChoice.from_pretrained(tmp_path / "run").eval()
    tokenizer = hf.AutoTokenizer.from_pretrained(tmp_path / "run")
    rows = [json.loads(line) for line in (tmp_path / "data/hellaswag/hellaswag_val.jsonl").read_text().splitlines()]
    lines = predictions(tmp_path / "run/eval/hellaswag-dev.predictions.jsonl")
    for row, line in zip(rows[:10], lines):
        pairs = [(row["ctx_a"], f"{row['ctx_b']} {ending}") for ending in row["endings"]]
        batch = tokenizer([a for a, _ in pairs], [b for _, b in pairs], return_tensors="pt", padding=True)
        with torch.no_grad():
            theirs = net(**{k: v[None] for k, v in batch.items()}).logits[0].softmax(-1)
        ours = torch.tensor([o["probability"] for o in line["options"]])
        assert (theirs - ours).abs().max() < 1e-5


def test_rows_beyond_the_positions_that_were_trained(tmp_path, saobp, model):
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"trained_positions": 8}))
    write_sst2(tmp_path / "data/SST-2", train=32)
    longest = 2 + max(len(line.split()) - 1 for line in (tmp_path / "data/SST-2/train.tsv").read_text().splitlines()[1:])
    start = ["finetune", model, "--task", "sst2", "--data", "data", "--batch", 16, "--epochs", 1, "--learning-rate", 0]
    said = lambda run: json.loads((tmp_path / run / "config.json").read_text())
    done = saobp(*start, "--length", 40, "--output", "kept")
    note = f"trained in rows of up to 8 tokens; rows here have up to {longest}"
    assert 8 < longest < 15 and note in done.out
    assert [said("kept")[key] for key in ("max_position_embeddings", "trained_positions")] == [64, longest]
    done = saobp(*start, "--length", 15, "--output", "long", "--extend-positions")
    assert said("long")["max_position_embeddings"] == 15 and "trained_positions" not in said("long")
    (note,) = json.loads((tmp_path / "long/run.json").read_text())["from"]["notes"]
    assert note in done.out and "64, of which 8 are trained, is stretched from those to 15" in note
    before, after = (load_file(folder / "model.safetensors") for folder in (model, tmp_path / "long"))
    name = "embeddings.position_embeddings.weight"
    assert torch.equal(after[f"bert.{name}"][::2], before[name][:8])
    (tmp_path / "kept/config.json").write_text(json.dumps(said("kept") | {"trained_positions": longest - 2}))
    done = saobp("evaluate", "kept", "--task", "sst2", "--data", "data", "--split", "train")
    assert f"rows of up to {longest - 2} tokens; rows here have up to {longest}" in done.out


def test_bad_input(tmp_path, saobp, model):
    write_sst2(tmp_path / "data/SST-2")
    start = ["finetune", model, "--data", "data", "--output", "run", *QUICK]
    one_line(saobp(*start, "--task", "sst", code=2), "sst is not known", "did you mean sst2")
    one_line(saobp(*start, "--task", "rte", code=1), "RTE")
    one_line(saobp(*start[:2], "--task", "sst2", "--output", "run", code=2), "--data is missing")
    one_line(saobp(*start, "--task", "sst2", "--preset", "x", code=2), "no preset x")
    one_line(saobp(*start, "--task", "sts", code=2), "is not trained on")
    train = tmp_path / "data/SST-2/train.tsv"
    train.write_text("sentence\tlabel\nred\t2\n")
    one_line(saobp(*start, "--task", "sst2", code=1), "train.tsv, line 2", 'the label "2" is not among those of SST-2')
    train.write_text("index\tsentence\n0\tred\n")
    one_line(saobp(*start, "--task", "sst2", code=1), "index and sentence", "another split")
    train.write_text("sentence\tlabel\n")
    one_line(saobp(*start, "--task", "sst2", code=1), "holds no rows")
    assert not (tmp_path / "run").exists()


def test_a_head_of_another_task_is_refused(tmp_path, saobp, tuned):
    folder = tmp_path / "data/MNLI"
    folder.mkdir()
    (folder / "dev_matched.tsv").write_text("index\tsentence1\tsentence2\tgold_label\n0\tred\told\tneutral\n")
    one_line(saobp("evaluate", "run", "--task", "mnli", "--data", "data", "--other-head", code=1), "negative and positive", "MNLI")
    one_line(saobp("evaluate", "run", "--task", "mnli", "--data", "data", code=1), "fine-tuned on sst2, not on mnli")
    one_line(saobp("evaluate", "run", "--task", "hellaswag", "--data", "data", code=1), "BertForSequenceClassification", "BertForMultipleChoice")
    one_line(saobp("evaluate", "run", "--task", "sst2", "--data", "data", "--split", "dev2", code=2),
             "no split dev2; dev, test or train was expected")
    done = saobp("evaluate", "run", "--task", "mnli,sst2", "--data", "data", "--json")
    assert list(done.json["tasks"]) == ["sst2"] and "not on mnli" in done.json["left_out"]["mnli"]


def test_a_decoder_is_fine_tuned(tmp_path, saobp):
    draw = random.Random(4)
    (tmp_path / "text.txt").write_text("\n".join(" ".join(draw.choice(WORDS) for _ in range(12)) for _ in range(400)))
    saobp("tokenizer", "train", "--kind", "bpe", "--input", "text.txt", "--vocab-size", 400, "--output", "model")
    size = len(json.loads((tmp_path / "model/tokenizer.json").read_text())["model"]["vocab"])
    torch.manual_seed(2)
    hf.GPT2LMHeadModel(hf.GPT2Config(vocab_size=size, n_embd=32, n_layer=2, n_head=4, n_positions=48, bos_token_id=0,
                                     eos_token_id=0)).save_pretrained(tmp_path / "model")
    write_sst2(tmp_path / "data/SST-2")
    done = saobp("finetune", "model", "--task", "sst2", "--data", "data", "--output", "run", *QUICK, "--json")
    assert done.json["dev"]["scores"]["accuracy"]["value"] > 0.8
    net = hf.AutoModelForSequenceClassification.from_pretrained(tmp_path / "run").eval()
    tokenizer = hf.AutoTokenizer.from_pretrained(tmp_path / "run")
    tokenizer.pad_token = tokenizer.eos_token
    texts = [line.split("\t")[0] for line in (tmp_path / "data/SST-2/dev.tsv").read_text().splitlines()[1:]]
    with torch.no_grad():
        theirs = net(**tokenizer(texts, return_tensors="pt", padding=True)).logits.softmax(-1)
    lines = predictions(tmp_path / "run/eval/sst2-dev.predictions.jsonl")
    ours = torch.tensor([[p["probabilities"]["negative"], p["probabilities"]["positive"]] for p in lines])
    assert (theirs - ours).abs().max() < 1e-5
