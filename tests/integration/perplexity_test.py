"""How likely texts are: decoders by the rules of lm-evaluation-harness and by a plain loop, encoders by transformers."""
import json
import math
import re

import pytest
import tokenizers
import torch
import transformers as hf

from bad_input_test import one_line
from conftest import WORDS
from likelihoods_test import Harness, decoder  # noqa: F401

PAGES = [" = The mill = \n\n The key @-@ holder ' s box ( old , red ) cost 1 @,@ 000 coins . \" the mill \" was said ; \n"
         " = = By the sea = = \n\n it was N degrees : 3 ° west ! \n" + " the old mill stood by the sea . " * 12 + "\n",
         " = Café = \n\n { a [ b ] c } é ' ü ' and the key ? \n the end . \n"]

REPLACED = [("s '", "s'")] + [(f" @{m}@ ", m) for m in "-,."] + [(f" {m} ", f"{m} ") for m in ":;.!?,"]
PAIRED = [r"\((\s*)([^)]*?)\s*\)|()", r"\[(\s*)([^]]*?)\s*\]|()", r"\{(\s*)([^}]*?)\s*\}|()", '"(\\s*)([^"]*?)\\s*"|()', r"'(\s*)([^']*?)\s*'|()"]
AT_LAST = [("= = = =", "===="), ("= = =", "==="), ("= =", "=="), (" ° ", "°"), (" \n", "\n"), ("\n ", "\n"), (" N ", " 1 "), (" 's", "'s")]


def detokenized(text):
    """What the harness' tasks/wikitext makes of a page."""
    for before, after in REPLACED:
        text = text.replace(before, after)
    for pattern in PAIRED:
        text = re.sub(pattern, lambda m: m[0] and m[0][0] + m[2] + m[0][-1], text)
    for before, after in AT_LAST:
        text = text.replace(before, after)
    return text


def total(net, ids, begin, window, stride):
    """Σ log p of ids[begin:], each from at most `window` tokens before it: the first window, then `stride` at a time."""
    done, sum_ = begin, 0.0
    while done < len(ids):
        end = min(len(ids), done + (window if done == begin else stride))
        seen = ids[max(0, end - 1 - window):end - 1]
        with torch.no_grad():
            found = net(torch.tensor([seen])).logits[0].log_softmax(-1)
        sum_ += sum(found[len(seen) - end + n, ids[n]].item() for n in range(done, end))
        done = end
    return sum_


@pytest.fixture
def pages(tmp_path):
    (tmp_path / "wikitext-2").mkdir()
    (tmp_path / "wikitext-2/wiki.test.tokens").write_text("".join(PAGES))
    return PAGES


def scores_of(done, task="wikitext"):
    return {name: score["value"] for name, score in done.json["tasks"][task]["scores"].items()}


def test_as_the_harness(tmp_path, saobp, decoder, pages):
    done = saobp("evaluate", "model", "--task", "wikitext", "--preset", "harness", "--split", "test", "--data", ".",
                 "--output", "eval", "--json", "--batch", 3)
    harness = Harness(tmp_path / "model", decoder)
    sums = [total(decoder, [harness.start] + harness.encode(detokenized(p)), 1, 48, 48) for p in pages]
    lines = [json.loads(line) for line in (tmp_path / "eval/wikitext-test.predictions.jsonl").read_text().splitlines()]
    assert [line["log_likelihood"] for line in lines] == pytest.approx(sums, rel=1e-5)
    assert [line["words"] for line in lines] == [len(re.split(r"\s+", p)) for p in pages]
    words, size = sum(len(re.split(r"\s+", p)) for p in pages), sum(len(p.encode()) for p in pages)
    found = scores_of(done)
    assert found["word_perplexity"] == pytest.approx(math.exp(-sum(sums) / words), rel=1e-4)
    assert found["byte_perplexity"] == pytest.approx(math.exp(-sum(sums) / size), rel=1e-4)
    assert found["bits_per_byte"] == pytest.approx(-sum(sums) / size / math.log(2), rel=1e-4)
    again = saobp("score", "--task", "wikitext", "--predictions", "eval/wikitext-test.predictions.jsonl", "--json")
    assert scores_of(again) == found


def test_windows_and_strides_are_those_of_a_plain_loop(tmp_path, saobp, decoder, pages):
    harness = Harness(tmp_path / "model", decoder)
    for preset, texts, begin in (("document", pages, True), ("raw-joined", ["".join(pages)], False)):
        for window, stride in ((48, 48), (48, 20), (16, 5), (7, 1)):
            done = saobp("evaluate", "model", "--task", "wikitext", "--preset", preset, "--split", "test", "--data", ".",
                         "--length", window, "--stride", stride, "--json")
            ids = [[harness.start] * begin + harness.encode(t) for t in texts]
            sums = sum(total(decoder, i, 1, window, stride) for i in ids)
            assert scores_of(done)["token_perplexity"] == pytest.approx(
                math.exp(-sums / sum(len(i) - 1 for i in ids)), rel=1e-4), (preset, window, stride)
            assert done.json["tasks"]["wikitext"]["bytes"] == sum(len(t.encode()) for t in texts)
            assert done.json["tasks"]["wikitext"]["words"] == sum(len(t.split()) for t in texts)


def test_where_a_text_fits_the_window_every_way_gives_the_same(tmp_path, saobp, decoder):
    (tmp_path / "short.txt").write_text("the old mill by the sea\n")
    found = [scores_of(saobp("evaluate", "model", "--task", "text", "--data", "short.txt", "--json", *options), "text")
             for options in ((), ("--preset", "line"), ("--preset", "file"), ("--stride", 3, "--preset", "file"))]
    assert all(scores == pytest.approx(found[0], rel=1e-6) for scores in found)


def test_three_figures_of_an_encoder(tmp_path, saobp):
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "so", "##uven", "##ir", "##s", ".", ",", "é"] + sorted(set(WORDS))
    torch.manual_seed(5)
    config = hf.BertConfig(vocab_size=len(pieces), hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
                           intermediate_size=64, max_position_embeddings=24)
    net = hf.BertForMaskedLM(config).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn(parameter.shape) * 0.3)
    net.save_pretrained(tmp_path / "model")
    (tmp_path / "model/vocab.txt").write_text("\n".join(pieces) + "\n")
    lines = ["the souvenirs , the souvenir .", " ".join(WORDS[:30]) + " souvenirs"]
    (tmp_path / "text.txt").write_text("\n\n".join(lines))
    done = saobp("evaluate", "model", "--task", "text", "--data", "text.txt", "--output", "eval", "--json", "--batch", 5)
    tokenizer = tokenizers.BertWordPieceTokenizer(str(tmp_path / "model/vocab.txt"))
    tokenizer.enable_truncation(24)
    pseudo, word, tokens = [], [], []
    for line in lines:
        first = tokenizer.encode(line)
        sums, sums_of_words, count = 0.0, 0.0, 0
        for row in [first] + first.overflowing:
            ids, words = row.ids, row.word_ids
            for n in range(1, len(ids) - 1):
                def masked(places):
                    hidden = torch.tensor([[pieces.index("[MASK]") if i in places else t for i, t in enumerate(ids)]])
                    with torch.no_grad():
                        return net(hidden).logits[0, n].log_softmax(-1)[ids[n]].item()
                sums += masked({n})
                sums_of_words += masked({i for i in range(n, len(ids)) if words[i] == words[n]})
                count += 1
        pseudo.append(sums), word.append(sums_of_words), tokens.append(count)
    assert pseudo != pytest.approx(word, rel=1e-3)
    found = [json.loads(line) for line in (tmp_path / "eval/text-dev.predictions.jsonl").read_text().splitlines()]
    assert [f["pseudo_log_likelihood"] for f in found] == pytest.approx(pseudo, rel=1e-4)
    assert [f["pseudo_log_likelihood_word_l2r"] for f in found] == pytest.approx(word, rel=1e-4)
    assert [f["tokens"] for f in found] == tokens
    scores = scores_of(done, "text")
    assert scores["pseudo_perplexity"] == pytest.approx(math.exp(-sum(pseudo) / sum(tokens)), rel=1e-4)
    assert scores["pseudo_perplexity_word_l2r"] == pytest.approx(math.exp(-sum(word) / sum(tokens)), rel=1e-4)
    masked = sum(f["masked_log_likelihood"] for f in found) / sum(f["masked_tokens"] for f in found)
    assert scores["masked_perplexity"] == pytest.approx(math.exp(-masked), rel=1e-6)


def test_what_does_not_fit_is_told(tmp_path, saobp, decoder):
    (tmp_path / "empty.txt").write_text(" \n\n")
    (tmp_path / "broken.txt").write_bytes(b"the key \xff\n")
    (tmp_path / "text.txt").write_text("the key\n")
    ask = lambda *options, code: saobp("evaluate", "model", *options, code=code)
    one_line(ask("--task", "text", "--data", "empty.txt", code=1), "empty.txt: holds no text")
    one_line(ask("--task", "text", "--data", "broken.txt", code=1), "broken.txt", "UTF-8")
    one_line(ask("--task", "text", "--data", "none.txt", code=1), "none.txt")
    one_line(ask("--task", "boolq", "--data", ".", "--stride", 3, code=2), "--stride", "BoolQ")
    one_line(ask("--task", "text", "--data", "text.txt", "--split", "foo", code=2), "Text has no split foo", "test")
    one_line(saobp("finetune", "model", "--task", "text", "--data", ".", "--output", "run", code=2), "text is not trained on")
