#!/usr/bin/env python3
"""Fine-tuning and evaluation on SST-2 against transformers' Trainer, in turn, on the same threads.

    .venv/bin/python bench/finetuning.py --model FOLDER --data GLUE [--examples 2000] [--attention high] [--rounds 3]

Both train one epoch on the same first examples, batch 32, at most 128 tokens, with dynamic padding and batches of like
length, and then score the dev set; tokenising is in both times, loading programs and weights, checkpoints and looks at the dev set
while training in neither. Prints JSON:
seconds of each round, and the median of the ratios transformers / saobp. Theirs is plain attention.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent

THEIRS = """
import json, sys, time
import torch, transformers as hf
from torch.utils.data import Dataset
model_folder, data, threads, out = sys.argv[1:5]
torch.set_num_threads(int(threads))
hf.logging.set_verbosity_error()
tokenizer = hf.AutoTokenizer.from_pretrained(model_folder)
net = hf.AutoModelForSequenceClassification.from_pretrained(model_folder, num_labels=2)

def rows(name):
    lines = [line.rsplit("\\t", 1) for line in open(f"{data}/SST-2/{name}.tsv").read().splitlines()[1:]]
    coded = tokenizer([text.strip() for text, _ in lines], truncation=True, max_length=128)
    return [dict(labels=int(label), **{k: coded[k][i] for k in coded}) for i, (_, label) in enumerate(lines)]

class Rows(Dataset):
    def __init__(self, items): self.items = items
    def __len__(self): return len(self.items)
    def __getitem__(self, i): return self.items[i]

grouped = {"train_sampling_strategy": "group_by_length"} if "train_sampling_strategy" in hf.TrainingArguments.__dataclass_fields__ \\
    else {"group_by_length": True}
arguments = hf.TrainingArguments(out, per_device_train_batch_size=32, per_device_eval_batch_size=32, num_train_epochs=1,
    learning_rate=5e-5, warmup_steps=0.1, weight_decay=0.01, use_cpu=True, save_strategy="no", report_to=[],
    logging_strategy="no", disable_tqdm=True, seed=42, **grouped)
begin = time.perf_counter()
trainer = hf.Trainer(net, arguments, train_dataset=Rows(rows("train")),
                     data_collator=hf.DataCollatorWithPadding(tokenizer))
trainer.train()
trained = time.perf_counter()
# Evaluation batches of like length too.
dev = sorted(rows("dev"), key=lambda row: -len(row["input_ids"]))
found = trainer.predict(Rows(dev))
done = time.perf_counter()
print(json.dumps({"train": trained - begin, "evaluate": done - trained,
                  "accuracy": float((found.predictions.argmax(-1) == found.label_ids).mean())}))
"""


def cut(data, folder, examples):
    target = pathlib.Path(folder, "SST-2")
    target.mkdir()
    lines = pathlib.Path(data, "SST-2/train.tsv").read_text().splitlines(keepends=True)
    (target / "train.tsv").write_text("".join(lines[: examples + 1]))
    (target / "dev.tsv").write_text(pathlib.Path(data, "SST-2/dev.tsv").read_text())


def ours(options, folder, number):
    run = f"{folder}/run-{number}"
    command = [options.program, "finetune", options.model, "--task", "sst2", "--data", folder, "--output", run, "--epochs", "1",
               "--batch", "32", "--length", "128", "--attention", options.attention, "--threads", str(options.threads), "--json"]
    done = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
    again = [options.program, "evaluate", run, "--task", "sst2", "--data", folder, "--batch", "32", "--threads",
             str(options.threads), "--json"]
    scored = json.loads(subprocess.run(again, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
    return {"train": done["encode_seconds"] + options.examples / done["examples_per_s"], "evaluate": scored["tasks"]["sst2"]["seconds"],
            "accuracy": scored["tasks"]["sst2"]["scores"]["accuracy"]["value"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True, help="the folder that holds SST-2")
    parser.add_argument("--examples", type=int, default=2000)
    parser.add_argument("--attention", default="high")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--program", default=str(ROOT / "build/release/bin/saobp"))
    options = parser.parse_args()
    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        cut(options.data, folder, options.examples)
        for number in range(options.rounds):
            command = [sys.executable, "-c", THEIRS, options.model, folder, str(options.threads), f"{folder}/theirs"]
            theirs = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
            rounds.append({"saobp": ours(options, folder, number), "transformers": theirs})
    ratios = {part: statistics.median(r["transformers"][part] / r["saobp"][part] for r in rounds) for part in ("train", "evaluate")}
    print(json.dumps({"model": options.model, "attention": options.attention, "examples": options.examples,
                      "threads": options.threads, "rounds": rounds, "ratio": ratios}))


if __name__ == "__main__":
    main()
