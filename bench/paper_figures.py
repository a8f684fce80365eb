#!/usr/bin/env python3
"""The paper's figures and tables of attention, from runs: analyses of pretrained and of fine-tuned models, and a page of each.

    .venv/bin/python bench/paper_figures.py --data TASKS --output FOLDER --pretrained RUN RUN --finetuned RUNS

RUNS is what bench/tasks_first.py leaves: RUNS/ARM/TASK/TASK/seed-N. Each model is analysed on the dev rows of its task, pretrained
ones and their checkpoints on those of RACE-Middle; FOLDER gets pretraining.html and TASK.html, with their charts as SVG and
tables as CSV and Markdown (Tables 1 and 6, Figures 2 to 9; Figure 6, the maps, of two short rows). What is analysed already is left
alone. Ends in JSON: the pages, and what was measured of each run.
"""
import argparse
import json
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
MEASURES = ["attention_entropy", "indirect_entropy", "gtd", "cross_layer_gtd", "sparsity", "clustering", "betweenness", "top_key_share",
            "sink_rate", "normalized_entropy", "special_token_share", "idempotence_defect"]
TASKS = {"race-middle": 1024, "squad": 512, "sst2": 872}  # rows that are looked at


def short_sequences(options, run, task, limit):
    """The two shortest of the first rows: their maps are small enough for a page."""
    command = [options.program, "tasks", "rows", run, "--task", task, "--data", options.data, "--length", options.length, "--rows", min(limit, 32)]
    lines = subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    examples = {}
    for row in map(json.loads, lines.splitlines()):  # options of a choice stand in one row, windows of an example in one each
        ids = row["input_ids"]
        examples.setdefault(row["id"], []).extend(ids if isinstance(ids[0], list) else [ids])
    lengths = {f"{name}#{n}" if len(parts) > 1 else name: len(part) for name, parts in examples.items() for n, part in enumerate(parts)}
    return sorted(lengths, key=lengths.get)[:2]


def analyse(options, run, task, checkpoints=False):
    """Unless it was analysed with the same limit and length, and has its maps."""
    limit, kept = options.limit or TASKS[task], list(run.glob(f"analysis/{task}-dev{'.step-*' if checkpoints else ''}.json"))
    settings = [json.loads(path.read_text())["settings"] for path in kept]
    drawn = checkpoints or (run / f"analysis/{task}-dev.maps.json").exists()
    if drawn and settings and all(each["limit"] == limit and options.length in (0, each["length"]) for each in settings):
        return
    more = ["--checkpoints", "all"] if checkpoints else ["--maps", "--sequences", ",".join(short_sequences(options, run, task, limit))]
    command = [options.program, "analyze", run, "--task", task, "--data", options.data, "--limit", limit,
               "--length", options.length, "--measures", ",".join(MEASURES), "--threads", options.threads, *more]
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)


def report(options, name, runs, title):
    output = pathlib.Path(options.output)
    output.mkdir(parents=True, exist_ok=True)
    page = output / f"{name}.html"
    command = [options.program, "report", *runs, "-o", page, "--figures", output / name, "--tables", output / name, "--title", title]
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)
    return str(page)


def means(run, task):
    matrix = json.loads((run / f"analysis/{task}-dev.json").read_text())["matrices"]["B"]
    known = lambda values: [x for x in values if x is not None]
    mean = lambda values: sum(values) / len(values) if values else None
    layers = lambda value: value if isinstance(value, list) else [value]
    # As the page has them: over layers of means over heads.
    found = {name: mean(known(mean(known(layers(layer))) for layer in layers(matrix[name]))) for name in MEASURES if name in matrix}
    return {name: value for name, value in found.items() if value is not None}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--pretrained", nargs="*", type=pathlib.Path, default=[])
    parser.add_argument("--finetuned", type=pathlib.Path)
    parser.add_argument("--arms", type=lambda text: text.split(","), default=["mini-original", "mini-high"])
    parser.add_argument("--length", type=int, default=0, help="tokens a row; 0: the task's setting")
    parser.add_argument("--limit", type=int, default=0, help="rows that are looked at; 0: 1,024 of RACE, 512 of SQuAD, all of SST-2")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--program", default=str(ROOT / "build/release/bin/saobp"))
    options = parser.parse_args()
    found = {"pages": [], "means": {}}
    for run in options.pretrained:
        analyse(options, run, "race-middle")
        if (run / "checkpoints").is_dir():
            analyse(options, run, "race-middle", checkpoints=True)
        found["means"][str(run)] = means(run, "race-middle")
    if options.pretrained:
        found["pages"].append(report(options, "pretraining", options.pretrained, "Attention of pretrained models on RACE-Middle"))
    for task in TASKS if options.finetuned else []:
        runs = [run.parent for arm in options.arms for run in sorted(options.finetuned.glob(f"{arm}/{task}/{task}/seed-*/run.json"))]
        if not runs:
            print(f"{task}: no run of {' or '.join(options.arms)} under {options.finetuned}", flush=True)
            continue
        for run in runs:
            analyse(options, run, task)
            found["means"][str(run)] = means(run, task)
        found["pages"].append(report(options, task, runs, f"Attention of models fine-tuned on {task}"))
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
