#!/usr/bin/env python3
"""How many SQuAD questions are answered otherwise under the original BERT's rule of maximum context.

    .venv/bin/python bench/max_context.py --model RUN --data dev-v1.1.json

RUN is fine-tuned on SQuAD. Without the rule, as saobp and transformers' utils_qa.py have it, a token may begin an answer in every
window that it stands in; with it (google-research/bert, run_squad.py), only in the window in which it has most context. The rules
can differ where a context goes in several windows: those questions are asked, by transformers. Prints JSON.
"""
import argparse
import json

import torch
import transformers as hf

LONGEST, MOST = 30, 20  # tokens of an answer, and begins and ends that are looked at


def questions_of(path):
    for article in json.load(open(path))["data"]:
        for paragraph in article["paragraphs"]:
            for qa in paragraph["qas"]:
                yield qa["id"], qa["question"], paragraph["context"]


def best_context(windows):
    """Of each place of the context the window in which it has most: min(left, right) + 0.01 · length."""
    best = {}
    for number, window in enumerate(windows):
        places = [offset for offset, of in zip(window["offsets"], window["texts"]) if of == 1]
        for n, place in enumerate(places):
            score = min(n, len(places) - n - 1) + 0.01 * len(places)
            if place not in best or score > best[place][0]:
                best[place] = score, number
    return {place: number for place, (_, number) in best.items()}


def answer(windows, context, with_rule):
    best, found = best_context(windows), (-float("inf"), "")
    for number, window in enumerate(windows):
        begins, ends = (torch.topk(window[name], min(MOST, len(window[name]))).indices.tolist() for name in ("begin", "end"))
        for begin in begins:
            for end in ends:
                if window["texts"][begin] != 1 or window["texts"][end] != 1 or end < begin or end - begin + 1 > LONGEST:
                    continue
                if with_rule and best[window["offsets"][begin]] != number:
                    continue
                score = float(window["begin"][begin] + window["end"][end])
                if score > found[0]:
                    found = score, context[window["offsets"][begin][0]:window["offsets"][end][1]]
    return found[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--length", type=int, default=384)
    parser.add_argument("--overlap", type=int, default=128)
    options = parser.parse_args()
    tokenizer = hf.AutoTokenizer.from_pretrained(options.model)
    model = hf.AutoModelForQuestionAnswering.from_pretrained(options.model).eval()
    asked = several = other = 0
    for _, question, context in questions_of(options.data):
        asked += 1
        rows = tokenizer(question.lstrip(), context, truncation="only_second", max_length=options.length, stride=options.overlap,
                         return_overflowing_tokens=True, return_offsets_mapping=True, padding=True, return_tensors="pt")
        if len(rows["input_ids"]) == 1:
            continue
        several += 1
        texts = [rows.sequence_ids(n) for n in range(len(rows["input_ids"]))]
        offsets = rows.pop("offset_mapping").tolist()
        rows.pop("overflow_to_sample_mapping")
        with torch.no_grad():
            logits = model(**rows)
        windows = [{"texts": texts[n], "offsets": [tuple(pair) for pair in offsets[n]], "begin": logits.start_logits[n],
                    "end": logits.end_logits[n]} for n in range(len(texts))]
        other += answer(windows, context, False) != answer(windows, context, True)
    print(json.dumps({"questions": asked, "in several windows": several, "answered otherwise under the rule": other}, indent=1))


if __name__ == "__main__":
    main()
