"""The same training in plain PyTorch: transformers' model, torch's AdamW, and refined attention written out in eager
operations. It takes over a run's first weights and the batches that the run recorded (--record-batches), and nothing
else of it: what the program's losses are held against."""
import json
import math
import pathlib

import torch
from transformers import AttentionInterface, AutoModelForCausalLM, AutoModelForMaskedLM

TYPES = {"f32": torch.float32, "bf16": torch.float32, "f64": torch.float64}  # of the weights


def refined_attention(module, query, key, value, attention_mask, scaling=None, **_):
    """softmax(S + c − m) V with m = log(1 − tA), A = softmax(S), and c the sum of m over the other queries; in a decoder
    over the earlier ones. Rows without padding."""
    strength = module.config.refined_attention["strength"]
    causal = module.config.model_type == "gpt2"
    scores = query @ key.transpose(-1, -2) * (scaling or query.shape[-1] ** -0.5)
    if causal:
        visible = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
        scores = scores.masked_fill(~visible, -math.inf)
    if module.config.refined_attention["attention"] == "high":
        messages = torch.log1p(-(1 - math.exp(-strength)) * torch.softmax(scores, -1))
        heard = messages.cumsum(-2) if causal else messages.sum(-2, keepdim=True)
        scores = scores + heard - messages
    return (torch.softmax(scores, -1).to(value.dtype) @ value).transpose(1, 2).contiguous(), None


AttentionInterface.register("saobp_plain", refined_attention)


def learning_rate(options, step, steps):
    warmup = options["warmup_steps"]
    if step <= warmup:
        return options["learning_rate"] * step / warmup
    return options["learning_rate"] * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup + 1)))


def load(folder, dtype):
    config = json.loads((pathlib.Path(folder) / "config.json").read_text())
    kind = AutoModelForCausalLM if config["model_type"] == "gpt2" else AutoModelForMaskedLM
    original = config["refined_attention"]["attention"] == "original"
    model = kind.from_pretrained(folder, dtype=TYPES[dtype],
                                 attn_implementation="sdpa" if original else "saobp_plain")
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model.train()


def loss_sum(model, batch, autocast):
    assert batch["attention_mask"] is None, "rows without padding were expected"
    ids = torch.tensor(batch["input_ids"]).view(batch["rows"], batch["length"])
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        body = model.base_model(input_ids=ids)[0].flatten(0, 1)[torch.tensor(batch["positions"])]
        logits = model.lm_head(body) if hasattr(model, "lm_head") else model.cls(body)
    return torch.nn.functional.cross_entropy(logits.to(torch.promote_types(logits.dtype, torch.float32)),
                                             torch.tensor(batch["targets"]), reduction="sum")


def train(run, first, dtype="f64", progress=None):
    """The losses of every step of `run`, trained again from the weights in `first`."""
    run = pathlib.Path(run)
    record = json.loads((run / "run.json").read_text())["options"]
    options, steps = record["optimizer"], record["train"]["steps"]
    model = load(first, dtype)
    parameters = list(model.parameters())
    groups = [{"params": [p for p in parameters if p.dim() >= 2], "weight_decay": options["weight_decay"]},
              {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, betas=(options["beta1"], options["beta2"]), eps=options["epsilon"])
    losses = []
    for line in (run / "batches.jsonl").open():
        step = json.loads(line)
        predicted = sum(len(batch["positions"]) for batch in step["batches"])
        total = 0.0
        for batch in step["batches"]:
            loss = loss_sum(model, batch, dtype == "bf16") / predicted
            loss.backward()
            total += loss.item()
        if options["clip"] > 0:
            torch.nn.utils.clip_grad_norm_(parameters, options["clip"])
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(options, step["step"], steps)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(total)
        if progress:
            progress(step["step"], steps, total)
    return losses


def losses_of(run):
    lines = [json.loads(line) for line in (pathlib.Path(run) / "metrics.jsonl").open()]
    return [line["loss"] for line in lines if "loss" in line]
