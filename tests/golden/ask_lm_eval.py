"""What lm-evaluation-harness itself says of a decoder: log-likelihoods of its HellaSwag, BoolQ, RACE and WikiText tasks on
local files. Run by lm_eval_test.py where the package (lm_eval 0.4) is installed:

    python tests/golden/ask_lm_eval.py MODEL DATA > likelihoods.json
"""
import json
import pathlib
import sys

import datasets
import lm_eval
import yaml
import transformers as hf
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

TASKS = {"hellaswag": ("hellaswag/hellaswag.yaml", "validation", "hellaswag_val.jsonl"),
         "boolq": ("super_glue/boolq/default.yaml", "validation", "dev.jsonl"),
         "race": ("race/race.yaml", "test", "race.jsonl"),
         "wikitext": ("wikitext/wikitext.yaml", "test", "pages.jsonl")}


def main(folder, data):
    datasets.disable_progress_bars()
    tokenizer = hf.PreTrainedTokenizerFast(tokenizer_file=f"{folder}/tokenizer.json", eos_token="<|endoftext|>", bos_token="<|endoftext|>")
    net = hf.GPT2LMHeadModel.from_pretrained(folder)
    model = HFLM(pretrained=net, tokenizer=tokenizer, max_length=net.config.n_positions, batch_size=4, device="cpu")
    own = pathlib.Path(lm_eval.__file__).parent / "tasks"
    asked = []
    for name, (include, split, file) in TASKS.items():
        asked.append({"include": str(own / include), "task": f"local_{name}", "dataset_path": "json", "dataset_name": None,
                      "dataset_kwargs": {"data_files": {split: f"{data}/{file}"}}, "training_split": None,
                      "validation_split": split if split == "validation" else None})
    configs = pathlib.Path(data, "lm_eval")
    configs.mkdir(exist_ok=True)
    for config in asked:
        (configs / f"{config['task']}.yaml").write_text(yaml.safe_dump(config))
    manager = TaskManager(include_path=str(configs), include_defaults=False)
    found = lm_eval.simple_evaluate(model, tasks=[config["task"] for config in asked], task_manager=manager, log_samples=True,
                                    bootstrap_iters=0, verbosity="ERROR")
    likelihoods = {}
    for name in TASKS:
        samples = sorted(found["samples"][f"local_{name}"], key=lambda sample: sample["doc_id"])
        likelihoods[name] = [s["filtered_resps"] if name == "wikitext" else [r[0] for r in s["filtered_resps"]] for s in samples]
    print(json.dumps({"version": lm_eval.__version__, "likelihoods": likelihoods,
                      "results": {name: {k: v for k, v in found["results"][f"local_{name}"].items() if isinstance(v, float)} for name in TASKS}}))


if __name__ == "__main__":
    main(*sys.argv[1:3])
