#!/usr/bin/env python3
"""saobp analyze against plain forward passes of transformers, and against numpy code for the paper's four measures.

    .venv/bin/python bench/diagnosis.py --model FOLDER --data RACE [--passages 1024] [--length 512] [--rounds 3] [--measures NAMES]

FOLDER: a BERT that transformers opens, with its tokenizer. Three things in turn, on the same passages and threads:
  - two passes of transformers with eager attention and output_attentions, batches of 8 in the order of the files, padded to their
    longest row; loading and tokenising are not in the time;
  - `saobp analyze`, the whole command, with every measure but those of graphs;
  - on the first --numpy passages (256) and the model without refinement: attention entropy, GTD, indirect entropy and sparsity as one
    writes them in numpy, head by head, from transformers' attentions, the forward passes in the time, loading not; and
    `saobp analyze` with these four, the whole command; and the same of the four measures of the paper's Table 1, GTD, indirect
    entropy, clustering and betweenness, in numpy and networkx.
Prints JSON: seconds of each round, and the median of the ratios.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOUR = "attention_entropy,gtd,indirect_entropy,sparsity"  # of the paper's figures
TABLE_1 = "gtd,indirect_entropy,clustering,betweenness"   # of its Table 1


def passages(folder, count):
    found = []
    for path in sorted(pathlib.Path(folder).rglob("*.txt")):
        for line in path.read_text().splitlines():
            if line.startswith("{"):
                found.append(" ".join(json.loads(line)["article"].split()))
                if len(found) == count:
                    return found
    return found


def timed(work):
    begin = time.perf_counter()
    result = work()
    return time.perf_counter() - begin, result


def numpy_four(a):
    import numpy as np
    gtd, indirect = numpy_gtd(a)
    return entropy(a), gtd, indirect, (a < 0.01).mean()


def entropy(p):
    import numpy as np
    return -(p * np.log(np.where(p > 0, p, 1))).sum(-1).mean()


def numpy_gtd(a):
    import numpy as np
    g = sum(0.9 ** (t - 1) * np.linalg.matrix_power(a, t) for t in (2, 3, 4))
    direct, indirect = (a ** 2).sum(), (g ** 2).sum()
    return indirect / (direct + indirect), entropy(g / g.sum(-1, keepdims=True))


def numpy_table_1(a, nodes=40, threshold=1e-4):
    """The graph indices as tests/integration/measures_test.py has them."""
    import networkx as nx
    import numpy as np
    gtd, indirect = numpy_gtd(a)
    weights = ((a + a.T) / 2)[:nodes, :nodes]
    joined = np.triu(weights > threshold, 1)
    graph = nx.Graph(zip(*np.nonzero(joined)))
    graph.add_nodes_from(range(len(weights)))
    w = np.where(joined | joined.T, weights, 0)
    edges = (w > 0).astype(w.dtype)
    # Barrat et al. 2004, Eq. 5: over pairs of neighbours that are joined, the mean weight of the two edges.
    closed, degree = ((w @ edges) * edges).sum(-1), edges.sum(-1)
    clustering = (closed / np.maximum(w.sum(-1) * (degree - 1), 1e-30))[degree > 1]
    return gtd, indirect, clustering.mean(), np.mean(list(nx.betweenness_centrality(graph, normalized=False).values()))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--program", default=str(ROOT / "build/release/bin/saobp"))
    parser.add_argument("--measures", default="all but graphs")
    for name, value in dict(passages=1024, length=512, rounds=3, threads=2, numpy=256).items():
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()

    import torch
    import transformers
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(options.threads)
    texts = passages(options.data, options.passages)
    tokenizer = transformers.AutoTokenizer.from_pretrained(options.model)
    net = transformers.BertModel.from_pretrained(options.model, attn_implementation="eager").eval()
    batches = [tokenizer(texts[i:i + 8], truncation=True, max_length=options.length, padding=True, return_tensors="pt")
               for i in range(0, len(texts), 8)]
    measures = options.measures
    if measures == "all but graphs":
        record = json.loads(subprocess.run([options.program, "analyze", "--list", "--json"], capture_output=True, text=True,
                                           check=True).stdout.splitlines()[-1])
        measures = ",".join(name for name, about in record["measures"].items() if about["cost"] != "graph")

    @torch.inference_mode()
    def passes():
        for _ in range(2):
            for batch in batches:
                net(**batch, output_attentions=True)

    with tempfile.TemporaryDirectory() as folder:
        text = pathlib.Path(folder, "text.txt")

        plain = pathlib.Path(folder, "plain")
        plain.mkdir()
        for path in pathlib.Path(options.model).resolve().iterdir():
            if path.is_file() and path.name != "config.json":
                (plain / path.name).symlink_to(path)
        config = json.loads(pathlib.Path(options.model, "config.json").read_text())
        (plain / "config.json").write_text(json.dumps({k: v for k, v in config.items() if k != "refined_attention"}))

        def analyze(lines, names, model=options.model):
            text.write_text("\n".join(lines) + "\n")
            subprocess.run([options.program, "analyze", model, "--text", text, "--length", str(options.length), "--measures",
                            names, "--threads", str(options.threads), "--output", f"{folder}/record.json"],
                           check=True, stdout=subprocess.DEVNULL)

        few = texts[:options.numpy]
        rows = [tokenizer(t, truncation=True, max_length=options.length, return_tensors="pt") for t in few]

        @torch.inference_mode()
        def numpy_code(of_head, rows):
            return [[[of_head(head) for head in layer[0].numpy()] for layer in net(**row, output_attentions=True).attentions]
                    for row in rows]


        rounds = []
        for _ in range(options.rounds):
            one = {"two eager passes": timed(passes)[0], "analyze": timed(lambda: analyze(texts, measures))[0],
                   "numpy, four measures": timed(lambda: numpy_code(numpy_four, rows))[0],
                   "analyze, four measures": timed(lambda: analyze(few, FOUR, plain))[0],
                   "numpy and networkx, Table 1": timed(lambda: numpy_code(numpy_table_1, rows))[0],
                   "analyze, Table 1": timed(lambda: analyze(few, TABLE_1, plain))[0]}
            rounds.append({name: round(seconds, 3) for name, seconds in one.items()})
    ratio = lambda a, b: round(statistics.median(r[a] / r[b] for r in rounds), 3)
    tokens = sum(int(batch["attention_mask"].sum()) for batch in batches)
    print(json.dumps({"passages": len(texts), "tokens": tokens, "length": options.length, "threads": options.threads,
                      "measures": len(measures.split(",")), "rounds": rounds,
                      "analyze / two eager passes": ratio("analyze", "two eager passes"),
                      "numpy / analyze, four measures": ratio("numpy, four measures", "analyze, four measures"),
                      "numpy and networkx / analyze, Table 1": ratio("numpy and networkx, Table 1", "analyze, Table 1")}, indent=1))


if __name__ == "__main__":
    main()
