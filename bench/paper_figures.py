#!/usr/bin/env python3
"""The paper's figures and tables of attention, from runs: analyses of pretrained and of fine-tuned models, and a page of each.

    .venv/bin/python bench/paper_figures.py --data TASKS --output FOLDER --pretrained RUN RUN --finetuned RUNS

RUNS is what bench/tasks_first.py leaves: RUNS/ARM/TASK/TASK/seed-N. Each model is analysed on the dev rows of its task, pretrained
ones and their checkpoints on those of RACE-Middle; FOLDER gets pretraining.html and TASK.html, with their charts as SVG and
tables as CSV and Markdown (Tables 1 and 6, Figures 2 to 9). What is analysed already is left alone. Ends in JSON: the pages, and
what was measured of each run.
"""
import argparse
import json
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
MEASURES = ["attention_entropy", "indirect_entropy", "gtd", "cross_layer_gtd", "sparsity", "clustering", "betweenness", "top_key_share",
            "sink_rate", "normalized_entropy", "special_token_share", "idempotence_defect"]
TASKS = {"race-middle": 1024, "squad": 512, "sst2": 872}  # rows that are looked at


def analyse(options, run, task, *more):
    name = f"{task}-dev"
    if not more and (run / f"analysis/{name}.json").exists():
        return
    command = [options.program, "analyze", run, "--task", task, "--data", options.data, "--limit", options.limit or TASKS[task],
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
    flat = lambda value: [x for part in value for x in flat(part)] if isinstance(value, list) else [value]
    known = {name: [x for x in flat(matrix[name]) if x is not None] for name in MEASURES if name in matrix}
    return {name: sum(values) / len(values) for name, values in known.items() if values}


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
        if (run / "checkpoints").is_dir() and not list(run.glob("analysis/race-middle-dev.step-*.json")):
            analyse(options, run, "race-middle", "--checkpoints", "all")
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
