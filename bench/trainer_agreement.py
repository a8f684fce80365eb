#!/usr/bin/env python3
"""The same fine-tuning here and by transformers' Trainer: do the scores agree within the noise of seeds?

    .venv/bin/python bench/trainer_agreement.py --model FOLDER --data TASKS --output RUNS [--tasks rte,mrpc] [--seeds 3] [--dtype bf16]

Both get the same rows (saobp tasks rows), the same settings and plain attention, in f32 or both in bf16; both models are scored by
saobp evaluate in f32.
Leaves in RUNS what is done and goes on with what was stopped. Prints JSON: of each task the scores of every seed, here and there,
means, standard deviations, and the difference of the means with its standard error over seeds.
"""
import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Task: (folder, examples of the training set, epochs, tokens a row)
TASKS = {"rte": ("glue/RTE", None, 3, 128), "mrpc": ("glue/MRPC", None, 3, 128), "stsb": ("glue/STS-B", None, 3, 128),
         "sst2": ("glue/SST-2", 10000, 1, 64), "squad": ("squad", 10000, 1, 384)}

TRAINER = """
import json, sys
import torch, transformers as hf
from torch.utils.data import Dataset
model_folder, rows, like, out, seed, epochs, threads, dtype, order = sys.argv[1:10]
torch.set_num_threads(int(threads))
hf.logging.set_verbosity_error()
hf.set_seed(int(seed))
like = json.load(open(like))
span = "QuestionAnswering" in like["architectures"][0]
kind = hf.AutoModelForQuestionAnswering if span else hf.AutoModelForSequenceClassification
labels = {} if span else {"id2label": {int(k): v for k, v in like["id2label"].items()}, "label2id": like["label2id"]} \\
    if "id2label" in like and len(like["id2label"]) > 1 else {"num_labels": 1}
net = kind.from_pretrained(model_folder, **labels)
tokenizer = hf.AutoTokenizer.from_pretrained(model_folder)

class Rows(Dataset):
    def __init__(self):
        self.items = []
        for line in open(rows):
            row = json.loads(line)
            item = {"input_ids": row["input_ids"], "token_type_ids": row["token_type_ids"], "attention_mask": [1] * len(row["input_ids"])}
            if span: item |= {"start_positions": row["target"][0], "end_positions": row["target"][1]}
            else: item["labels"] = row["target"]
            self.items.append(item)
    def __len__(self): return len(self.items)
    def __getitem__(self, i): return self.items[i]

arguments = hf.TrainingArguments(out + "-work", per_device_train_batch_size=32, num_train_epochs=float(epochs), learning_rate=5e-5,
    warmup_steps=0.1, weight_decay=0.01, lr_scheduler_type="linear", max_grad_norm=1.0, use_cpu=True, save_strategy="no",
    report_to=[], logging_strategy="no", disable_tqdm=True, seed=int(seed), bf16=dtype == "bf16",
    train_sampling_strategy=order)
hf.Trainer(net, arguments, train_dataset=Rows(), data_collator=hf.DataCollatorWithPadding(tokenizer)).train()
net.save_pretrained(out)
tokenizer.save_pretrained(out)
"""


def cut(source, target, task, examples):
    """The task's files with the first examples to train on alone."""
    shutil.copytree(source, target, copy_function=shutil.copyfile)
    target.chmod(0o755)
    if examples is None:
        return
    if task == "squad":
        whole = json.loads((source / "train-v1.1.json").read_text())
        left = examples
        for article in whole["data"]:
            for paragraph in article["paragraphs"]:
                paragraph["qas"], left = paragraph["qas"][:left], max(0, left - len(paragraph["qas"]))
        (target / "train-v1.1.json").write_text(json.dumps(whole))
    else:
        lines = (source / "train.tsv").read_text().splitlines(keepends=True)
        (target / "train.tsv").write_text("".join(lines[:examples + 1]))


def call(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr.strip() or f"{command[0]}: ended with {done.returncode}")
    return done.stdout


def score(options, folder, task, data, length):
    """Once; kept beside the model."""
    kept = folder.parent / f"{folder.name}.json"
    if not kept.exists():
        found = json.loads(call([options.program, "evaluate", folder, "--task", task, "--data", data, "--length", length,
                                 "--output", f"{folder}-eval", "--json"]).splitlines()[-1])
        kept.write_text(json.dumps({name: s["value"] for name, s in found["tasks"][task]["scores"].items()}))
        shutil.rmtree(folder)
    return json.loads(kept.read_text())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--output", required=True, type=pathlib.Path)
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", default="f32", choices=["f32", "bf16"], help="of training, on both sides")
    parser.add_argument("--their-order", default="group_by_length", choices=["group_by_length", "random"],
                        help="the Trainer sorts stretches of rows, longest first, and keeps the order of their batches")
    parser.add_argument("--program", default=str(ROOT / "build/release/bin/saobp"))
    options = parser.parse_args()
    settings = {"model": options.model, "dtype": options.dtype, "their_order": options.their_order}
    record = options.output / "settings.json"
    if not record.exists():
        options.output.mkdir(parents=True, exist_ok=True)
        record.write_text(json.dumps(settings))
    elif json.loads(record.read_text()) != settings:
        sys.exit(f"{record}: holds {record.read_text()}, and {json.dumps(settings)} was asked for; take another --output")
    result = {}
    for task in options.tasks.split(","):
        folder, examples, epochs, length = TASKS[task]
        place = options.output / task
        data = place / "data" / pathlib.Path(folder).name
        if not data.exists():
            data.parent.mkdir(parents=True, exist_ok=True)
            cut(pathlib.Path(options.data, folder), data, task, examples)
        rows = place / "rows.jsonl"
        if not rows.exists():
            call([options.program, "tasks", "rows", options.model, "--task", task, "--data", data, "--split", "train", "--length",
                  length, "--output", rows])
        found = {"saobp": [], "trainer": []}
        for seed in range(1, options.seeds + 1):
            here, there = place / f"saobp-{seed}", place / f"trainer-{seed}"
            if not (place / f"saobp-{seed}.json").exists():
                shutil.rmtree(here, ignore_errors=True)
                call([options.program, "finetune", options.model, "--task", task, "--data", data, "--output", here, "--attention",
                      "original", "--epochs", epochs, "--batch", 32, "--length", length, "--learning-rate", "5e-5", "--seed", seed,
                      "--threads", options.threads, "--dtype", options.dtype, "--validate-every", 10**6, "--checkpoint-every", 10**6])
                shutil.copyfile(here / "config.json", place / "config.json")
            found["saobp"].append(score(options, here, task, data, length))
            if not (place / f"trainer-{seed}.json").exists():
                shutil.rmtree(there, ignore_errors=True)
                call([sys.executable, "-c", TRAINER, options.model, rows, place / "config.json", there, seed, epochs, options.threads,
                      options.dtype, options.their_order])
            found["trainer"].append(score(options, there, task, data, length))
        result[task] = {}
        for name in found["saobp"][0]:
            values = {side: [scores[name] for scores in found[side]] for side in found}
            means = {side: statistics.mean(v) for side, v in values.items()}
            deviations = {side: statistics.stdev(v) if len(v) > 1 else None for side, v in values.items()}
            error = (sum(d * d for d in deviations.values()) / options.seeds) ** 0.5 if options.seeds > 1 else None
            result[task][name] = {"values": values, "mean": means, "standard_deviation": deviations,
                                  "difference": means["saobp"] - means["trainer"], "standard_error": error}
        print(json.dumps({task: result[task]}), file=sys.stderr, flush=True)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
