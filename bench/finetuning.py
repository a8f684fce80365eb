#!/usr/bin/env python3
"""Fine-tuning and evaluation on SST-2 against transformers' Trainer, in turn, on the same threads.

    .venv/bin/python bench/finetuning.py --model FOLDER --data GLUE [--examples 2000] [--attention high] [--rounds 3] [--dtype bf16]
    .venv/bin/python bench/finetuning.py --model FOLDER --squad dev-v1.1.json

The first: both train one epoch on the same first examples, batch 32, at most 128 tokens, with dynamic padding and batches of like
length, and then score the dev set; tokenising is in both times, loading programs and weights, checkpoints and looks at the dev set
while training in neither. Prints JSON:
seconds of each round, and the median of the ratios transformers / saobp. Theirs is plain attention. With --dtype bf16 both
compute in bfloat16 (theirs by autocast), unless --their-dtype says otherwise.

The second: questions a second over SQuAD's dev set, windows of 384 tokens with 128 in common, batches of 32 windows of like
length; tokenising is in both, picking the answers out of the logits in ours alone.
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
model_folder, data, threads, out, dtype = sys.argv[1:6]
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
    logging_strategy="no", disable_tqdm=True, seed=42, bf16=dtype == "bf16", **grouped)
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


THEIR_SQUAD = """
import json, sys, time
import torch, transformers as hf
model_folder, file, threads = sys.argv[1:4]
torch.set_num_threads(int(threads))
hf.logging.set_verbosity_error()
tokenizer = hf.AutoTokenizer.from_pretrained(model_folder)
net = hf.AutoModelForQuestionAnswering.from_pretrained(model_folder).eval()
begin = time.perf_counter()
asked = [(qa["question"], p["context"]) for a in json.load(open(file))["data"] for p in a["paragraphs"] for qa in p["qas"]]
coded = tokenizer([q for q, _ in asked], [c for _, c in asked], max_length=384, truncation="only_second", stride=128,
                  return_overflowing_tokens=True)
rows = sorted(range(len(coded["input_ids"])), key=lambda i: -len(coded["input_ids"][i]))
with torch.inference_mode():
    for first in range(0, len(rows), 32):
        batch = tokenizer.pad([{k: coded[k][i] for k in ("input_ids", "token_type_ids", "attention_mask")} for i in rows[first:first + 32]],
                              return_tensors="pt")
        net(**batch)
print(json.dumps({"examples_per_s": len(asked) / (time.perf_counter() - begin), "windows": len(rows)}))
"""


def last_json(command):
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])


def squad(options):
    """Questions a second, in turn; the model has a head for it that was never trained."""
    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        data = pathlib.Path(folder, "squad")
        data.mkdir()
        whole = json.loads(pathlib.Path(options.squad).read_text())
        (data / "dev-v1.1.json").write_text(json.dumps(whole))
        whole["data"] = [whole["data"][0] | {"paragraphs": whole["data"][0]["paragraphs"][:1]}]
        (data / "train-v1.1.json").write_text(json.dumps(whole))
        # One step gives the model its head; its dev set is one paragraph.
        small = pathlib.Path(folder, "small/squad")
        small.mkdir(parents=True)
        for name in ("train", "dev"):
            (small / f"{name}-v1.1.json").write_text(json.dumps(whole))
        subprocess.run([options.program, "finetune", options.model, "--task", "squad", "--data", str(small), "--output", f"{folder}/run",
                        "--epochs", "1", "--attention", options.attention], capture_output=True, check=True)
        for _ in range(options.rounds):
            theirs = last_json([sys.executable, "-c", THEIR_SQUAD, options.model, str(data / "dev-v1.1.json"), str(options.threads)])
            scored = last_json([options.program, "evaluate", f"{folder}/run", "--task", "squad", "--data", str(data), "--batch", "32",
                                "--threads", str(options.threads), "--json"])["tasks"]["squad"]
            rounds.append({"saobp": {"examples_per_s": scored["examples"] / scored["seconds"]}, "transformers": theirs})
    ratio = statistics.median(r["saobp"]["examples_per_s"] / r["transformers"]["examples_per_s"] for r in rounds)
    print(json.dumps({"model": options.model, "attention": options.attention, "threads": options.threads, "rounds": rounds, "ratio": ratio}))


def cut(data, folder, examples):
    target = pathlib.Path(folder, "SST-2")
    target.mkdir()
    lines = pathlib.Path(data, "SST-2/train.tsv").read_text().splitlines(keepends=True)
    (target / "train.tsv").write_text("".join(lines[: examples + 1]))
    (target / "dev.tsv").write_text(pathlib.Path(data, "SST-2/dev.tsv").read_text())


def ours(options, folder, number):
    run = f"{folder}/run-{number}"
    command = [options.program, "finetune", options.model, "--task", "sst2", "--data", folder, "--output", run, "--epochs", "1",
               "--batch", "32", "--length", "128", "--attention", options.attention, "--threads", str(options.threads), "--dtype", options.dtype,
               "--json"]
    done = last_json(command)
    again = [options.program, "evaluate", run, "--task", "sst2", "--data", folder, "--batch", "32", "--threads",
             str(options.threads), "--dtype", options.dtype, "--json"]
    scored = last_json(again)
    return {"train": done["encode_seconds"] + options.examples / done["examples_per_s"], "evaluate": scored["tasks"]["sst2"]["seconds"],
            "accuracy": scored["tasks"]["sst2"]["scores"]["accuracy"]["value"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", help="the folder that holds SST-2")
    parser.add_argument("--squad", help="dev-v1.1.json")
    parser.add_argument("--dtype", default="f32", choices=["f32", "bf16"], help="of training and of evaluation")
    parser.add_argument("--their-dtype", choices=["f32", "bf16"], help="of transformers; by default the same")
    parser.add_argument("--examples", type=int, default=2000)
    parser.add_argument("--attention", default="high")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--program", default=str(ROOT / "build/release/bin/saobp"))
    options = parser.parse_args()
    if options.squad:
        return squad(options)
    their_dtype = options.their_dtype or options.dtype
    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        cut(options.data, folder, options.examples)
        for number in range(options.rounds):
            command = [sys.executable, "-c", THEIRS, options.model, folder, str(options.threads), f"{folder}/theirs", their_dtype]
            theirs = last_json(command)
            rounds.append({"saobp": ours(options, folder, number), "transformers": theirs})
    ratios = {part: statistics.median(r["transformers"][part] / r["saobp"][part] for r in rounds) for part in ("train", "evaluate")}
    print(json.dumps({"model": options.model, "attention": options.attention, "examples": options.examples, "dtype": options.dtype,
                      "their_dtype": their_dtype, "threads": options.threads, "rounds": rounds, "ratio": ratios}))


if __name__ == "__main__":
    main()
