"""Every measure of `saobp analyze` against numpy, scipy and networkx, from transformers' attention in float64."""
import networkx as nx
import numpy as np
import pytest
import torch
from scipy import stats
from scipy.spatial.distance import jensenshannon
from transformers import AutoModel, PreTrainedTokenizerFast

from analyze_test import refine
from gpt2_test import write_model

LINES = ["tom looks for the red key in the old mill.", "the hall of the mill and the hall of the town", "rain " * 30,
         "where who mira tom box key hall hills old red fell looks near by"]
LENGTH = 24


def entropy(p):
    return -np.where(p > 0, p * np.log(np.where(p > 0, p, 1)), 0).sum(-1)


def ranks(values):
    """Effective rank, stable rank and rank of 90 % from singular values."""
    shares, squares = values / values.sum(), values ** 2
    return np.exp(entropy(shares)), squares.sum() / squares[0], 1 + int((squares.cumsum() < 0.9 * squares.sum()).sum())


def graph_indices(a, nodes=40, threshold=1e-4):
    graph = nx.Graph()
    weights = ((a + a.T) / 2)[:nodes, :nodes]
    graph.add_nodes_from(range(len(weights)))
    graph.add_edges_from((i, j, {"w": weights[i, j]}) for i in graph for j in graph if i < j and weights[i, j] > threshold)
    clustering = []
    for node in graph:
        near = list(graph[node])
        if len(near) > 1:  # Barrat et al. 2004, Eq. 5
            strength = sum(graph[node][other]["w"] for other in near)
            closed = sum((graph[node][i]["w"] + graph[node][j]["w"]) / 2 for i in near for j in near if graph.has_edge(i, j))
            clustering.append(closed / (strength * (len(near) - 1)))
    between = nx.betweenness_centrality(graph, normalized=False)
    return np.mean(clustering) if clustering else np.nan, np.mean(list(between.values()))


def of_head(matrices, head, ids, special, causal, value, output, scores):
    """All measures of one head; value [L, D], output [D, C], scores [L, L]."""
    a = matrices[head]
    n = len(a)
    places = np.arange(n)
    seen = np.tril(np.ones((n, n), bool)) if causal else np.ones((n, n), bool)
    square = a @ a
    g = sum(0.9 ** (t - 1) * np.linalg.matrix_power(a, t) for t in (2, 3, 4))
    got = a.mean(0)
    top = got.argmax()
    same = (ids[:, None] == ids) & ~np.eye(n, dtype=bool) & ~special[:, None] & seen
    after = np.zeros_like(same)
    after[:, 1:] = same[:, :-1]
    after &= seen
    share = lambda kinds: (a * kinds).sum(1)[kinds.any(1)].mean() if kinds.any() else np.nan
    length, passed = np.linalg.norm(value, axis=1), np.linalg.norm(value @ output, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = entropy(a) / np.log(seen.sum(1))
    found = {
        "attention_entropy": entropy(a).mean(), "normalized_entropy": relative[seen.sum(1) > 1].mean(),
        "indirect_entropy": entropy(g / g.sum(1, keepdims=True)).mean(),
        "gtd": (g ** 2).sum() / ((a ** 2).sum() + (g ** 2).sum()), "sparsity": (a < 0.01).mean(),
        "idempotence_defect": np.abs(square - a).sum(1).mean() / 2,
        "mean_distance": (a * np.abs(places[:, None] - places)).sum(1).mean(),
        "first_token_share": a[:, 0].mean(), "special_token_share": a[:, special].sum(1).mean(),
        "top_key_share": got.max(), "sink_rate": float(got.max() > 0.3), "column_entropy": entropy(got),
        "column_gini": np.abs(got[:, None] - got).mean() / (2 * got.mean()),
        "sink_value_norm": length[top] / length.mean(), "sink_output_norm": passed[top] / passed.mean(),
        "previous_share": np.diag(a, -1).mean(), "next_share": np.nan if causal else np.diag(a, 1).mean(),
        "self_share": np.diag(a).mean(), "same_token_share": share(same), "induction_share": share(after),
        "head_distance": np.mean([np.mean([jensenshannon(p, q) for p, q in zip(a, b)])
                                  for other, b in enumerate(matrices) if other != head]),
        "score_max": np.abs(scores[seen]).max(),
    }
    values, vectors = np.linalg.eig(a.T)
    first = np.abs(values - 1).argmin()
    stationary = np.real(vectors[:, first] / vectors[:, first].sum())
    second = np.delete(np.abs(values), first).max()
    found |= {"tokenrank_max": stationary.max(), "second_eigenvalue": second, "mixing_hops": hops if (hops := np.log(4) / -np.log(second)) <= 100 else np.nan}
    found |= dict(zip(("effective_rank", "stable_rank", "rank_90"), ranks(np.linalg.svd(a, compute_uv=False))))
    found["output_effective_rank"] = ranks(np.linalg.svd(a @ value, compute_uv=False))[0]
    found |= dict(zip(("clustering", "betweenness"), graph_indices(a)))
    return found


def of_layers(means):
    """Of the means over heads of all layers, from the lowest on."""
    rollout = np.eye(len(means[0]))
    for layer, a in enumerate(means):
        product, g = a, np.zeros_like(a)
        for hop in range(2, min(4, layer + 1) + 1):
            product = product @ means[layer - hop + 1]
            g = g + 0.9 ** (hop - 1) * product
        rollout = (a + np.eye(len(a))) / 2 @ rollout
        yield {"cross_layer_gtd": (g ** 2).sum() / ((a ** 2).sum() + (g ** 2).sum()),
               "rollout_entropy": entropy(rollout).mean(), "rollout_top_key_share": rollout.mean(0).max()}


def of_states(states):
    directions = states / np.linalg.norm(states, axis=1, keepdims=True)
    n = len(states)
    names = ("states_effective_rank", "states_stable_rank", "states_rank_90")
    return dict(zip(names, ranks(np.linalg.svd(states, compute_uv=False)))) | {
        "states_max_ratio": np.abs(states).max() / np.sort(np.abs(states), axis=None)[(states.size - 1) // 2],
        "states_kurtosis": stats.kurtosis(states, axis=None, fisher=False),
        "states_cosine": ((directions @ directions.T).sum() - n) / (n * (n - 1))}


def of_weights(query, key):
    """query, key [D, n]: the rows of one head."""
    w = query.T @ key
    values = np.linalg.eigvals(w)
    return {"qk_trace": np.trace(w), "qk_trace_square": np.trace(w @ w), "qk_mean": values.mean().real,
            "qk_variance": (np.abs(values - values.mean()) ** 2).mean(), "qk_scale": np.sqrt((np.abs(values) ** 2).mean()),
            "qk_effective_rank": ranks(np.linalg.svd(w, compute_uv=False))[0],
            "query_spectral_norm": np.linalg.norm(query, 2), "key_spectral_norm": np.linalg.norm(key, 2)}


class Collected(dict):
    """By matrix, measure, layer and head: the values of all sequences."""

    def put(self, matrix, layer, head, values):
        for name, value in values.items():
            self.setdefault((matrix, name, layer, head), []).append(value)

    def hold_against(self, record):
        measured = {}
        for (matrix, name, layer, head), values in self.items():
            place = {"states": lambda: [record["states"][name][layer]], "weights": lambda: record["weights"][name][layer]}
            got = place.get(matrix, lambda: record["matrices"][matrix].get(name, [[None] * 99] * 99)[layer])()[head]
            measured.setdefault(name, 0)
            if np.isnan(values).all():
                assert got is None, (matrix, name, layer, head)
            else:
                # Chains are solved to a residual of 1e-4, and many hops are what is left of 1 − |λ₂|.
                allowed = {"second_eigenvalue": dict(abs=1e-3), "tokenrank_max": dict(abs=1e-3), "mixing_hops": dict(rel=0.05)}
                allowed = allowed.get(name, dict(rel=1e-4, abs=2e-6))
                assert got == pytest.approx(np.nanmean(values), **allowed), (matrix, name, layer, head)
        missing = [name for name in record["measures"] if name not in measured and not name.startswith("message_")]
        assert not missing


def heads_of(tensor, heads):
    return tensor.detach().numpy().reshape(len(tensor), heads, -1).transpose(1, 0, 2)


def collect_bert(run, lines, refined=None):
    """`refined`: (variant, strength); then only the first layer sees the same input there as here."""
    net = AutoModel.from_pretrained(run, attn_implementation="eager").double().eval()
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(run / "tokenizer.json"))
    found, heads = Collected(), net.config.num_attention_heads
    for line in lines:
        ids = np.array(tokenizer(line)["input_ids"])
        ids = ids if len(ids) <= LENGTH else np.append(ids[:LENGTH - 1], ids[-1])
        special = np.isin(ids, [tokenizer.convert_tokens_to_ids(t) for t in ("[CLS]", "[SEP]")])
        with torch.no_grad():
            out = net(torch.tensor(ids)[None], output_attentions=True, output_hidden_states=True)
        layers = [a[0].numpy() for a in out.attentions][:1 if refined else None]
        for layer, before in enumerate(layers):
            own = net.encoder.layer[layer].attention
            states = out.hidden_states[layer][0]
            query, key, value = (heads_of(f(states), heads) for f in (own.self.query, own.self.key, own.self.value))
            output = own.output.dense.weight.detach().numpy().T.reshape(heads, -1, states.shape[1])
            after = np.stack([refine(a, *refined) for a in before]) if refined else before
            for matrix, matrices in (("A", before), ("B", after)):
                for head in range(heads):
                    scores = query[head] @ key[head].T / np.sqrt(query.shape[2])
                    values = of_head(matrices, head, ids, special, False, value[head], output[head], scores)
                    if refined and matrix == "A":
                        messages = np.log(1 - (1 - np.exp(-refined[1])) * before[head]).sum(0)
                        values |= {"message_lowest": messages.min(), "message_spread": messages.std()}
                    found.put(matrix, layer, head, values)
        for layer, values in enumerate(of_layers([a.mean(0) for a in layers])):
            found.put("A", layer, 0, values)
        for layer, states in enumerate(out.hidden_states[:1 if refined else None]):
            found.put("states", layer, 0, of_states(states[0].numpy()))
    for layer, block in enumerate(net.encoder.layer):
        rows = [w.weight.detach().numpy().reshape(heads, -1, w.weight.shape[1]) for w in (block.attention.self.query, block.attention.self.key)]
        for head in range(heads):
            found.put("weights", layer, head, of_weights(rows[0][head], rows[1][head]))
    return found


@pytest.mark.parametrize("variant, strength", [("original", None), ("high", 0.9)])
def test_bert(tmp_path, saobp, setting, variant, strength):
    more = ["--strength", strength] if strength else []
    saobp(*setting, "--attention", variant, *more, "--steps", 30, "--learning-rate", 1e-2, "--output", "run")
    (tmp_path / "lines.txt").write_text("\n".join(LINES))
    got = saobp("analyze", "run", "--text", "lines.txt", "--length", LENGTH, "--measures", "all", "--json").json
    collect_bert(tmp_path / "run", LINES, (variant, strength) if strength else None).hold_against(got)
    assert got["undefined"]["A"]["induction_share"] > 0  # no token twice in one line


def test_gpt2(tmp_path, saobp):
    _, tokenizer = write_model(tmp_path, spread=0.3)
    (tmp_path / "lines.txt").write_text("\n".join(LINES))
    got = saobp("analyze", tmp_path, "--text", "lines.txt", "--length", LENGTH, "--measures", "all", "--json").json
    net = AutoModel.from_pretrained(tmp_path, attn_implementation="eager").double().eval()
    found, heads = Collected(), net.config.n_head
    for line in LINES:
        ids = np.array(tokenizer.encode(line).ids[:LENGTH])
        with torch.no_grad():
            out = net(torch.tensor(ids)[None], output_attentions=True, output_hidden_states=True)
        layers = [a[0].numpy() for a in out.attentions]
        for layer, matrices in enumerate(layers):
            block = net.h[layer]
            packed = block.attn.c_attn(block.ln_1(out.hidden_states[layer][0]))
            query, key, value = (heads_of(part, heads) for part in packed.chunk(3, -1))
            output = block.attn.c_proj.weight.detach().numpy().reshape(heads, -1, packed.shape[1] // 3)
            for head in range(heads):
                scores = query[head] @ key[head].T / np.sqrt(query.shape[2])
                found.put("B", layer, head, of_head(matrices, head, ids, np.zeros(len(ids), bool), True, value[head], output[head], scores))
        for layer, values in enumerate(of_layers([a.mean(0) for a in layers])):
            found.put("A", layer, 0, values)
        for layer, states in enumerate(out.hidden_states[:-1]):  # the last one is behind the last norm there
            found.put("states", layer, 0, of_states(states[0].numpy()))
    for layer, block in enumerate(net.h):
        query, key = (part.detach().numpy().T.reshape(heads, -1, part.shape[0]) for part in block.attn.c_attn.weight.chunk(3, -1)[:2])
        for head in range(heads):
            found.put("weights", layer, head, of_weights(query[head], key[head]))
    found.hold_against(got)
