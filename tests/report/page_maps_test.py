"""What the report's page makes of attention maps: chains over what is shown, the texts of a pair, and drawings for a paper."""
import json

import numpy as np
import pytest

from browser import Page
from conftest import tiny_config, with_flags
from page_test import DARK, entries, opened, pixels, runs, shade  # noqa: F401 (a fixture)

CHAINS = "Array.from(document.querySelectorAll('#map-paths tbody tr')).map(r => Array.from(r.cells).map(c => c.textContent))"


def test_chains_run_over_what_is_shown(runs, saobp):  # noqa: F811
    path = runs / "high/analysis/lines.maps.json"
    maps = json.loads(path.read_text())
    sequence = maps["sequences"][0]
    n, words = len(sequence["tokens"]), sequence["words"]
    sequence["words"] = words[:3] + [word - 1 for word in words[3:]]  # the third and the fourth token are one
    sequence["tokens"][1:7] = ["hall", "mira", "##s", "hall", "town", "mill"]
    path.write_text(json.dumps(maps))
    saobp("report", "plain", "high", "-o", "page.html")
    groups = [[1], [2, 3]] + [[i] for i in range(4, n) if not sequence["special"][i]]
    assert sequence["special"][0] == 1
    with opened(runs) as page:
        for weighted in (False, True):
            values = entries(sequence["B"], 1, 3, n)
            if weighted:
                values = values * np.array(sequence["norms"][1][3])
            b = np.array([[values[np.ix_(row, column)].sum() / len(row) for column in groups] for row in groups])
            page.value(f"""Object.assign(state, {{of: 1, sequence: 0, layer: 1, head: 3, words: true, hideSpecial: true, weighted: {json.dumps(weighted)},
                picked: [0, 4, 3]}}); drawMaps()""")
            chains = page.value(CHAINS)
            assert [hops for _, hops, _ in chains] == ["2"] * 3 + ["3"] * 3 + ["4"] * 3
            # From the second "hall", behind the two pieces of a word, to that word: the special token is hidden.
            masses = np.sort(b[2] * b[:, 1])[::-1]
            assert [float(mass) for _, _, mass in chains[:3]] == pytest.approx(masses[:3], rel=0.06, abs=6e-4)
            for chain, _, _ in chains:
                assert chain.startswith("hall (4) → ") and chain.endswith(" → miras") and "[CLS]" not in chain and "##" not in chain
        page.value("Object.assign(state, {picked: [0, 4]}); drawMaps()")
        assert page.value("document.getElementById('map-paths').textContent").startswith("Pick two tokens"), "one of them is hidden"
        assert page.errors == []


def test_on_paper_maps_are_light(runs):  # noqa: F811
    sequence = json.loads((runs / "plain/analysis/lines.maps.json").read_text())["sequences"][0]
    b = entries(sequence["B"], 0, 0, len(sequence["tokens"]))
    with opened(runs, dark=True) as page:
        for event, colours in (("beforeprint", ()), ("afterprint", DARK)):
            page.value(f"dispatchEvent(new Event('{event}'))")
            assert np.abs(pixels(page) - shade(b, *colours).reshape(-1, 3)).max() <= 1
        assert page.errors == []


def test_of_a_model_without_token_types_a_pair_s_texts_are_told_by_separators(tmp_path, saobp, setting):
    tiny_config(tmp_path / "tiny.json", type_vocab_size=1)
    saobp(*with_flags(setting, steps=1), "--output", "one")
    (tmp_path / "data/RTE").mkdir(parents=True)
    (tmp_path / "data/RTE/dev.tsv").write_text("index\tsentence1\tsentence2\tlabel\n0\ttom is in the hall\ttom looks\tentailment\n")
    saobp("analyze", "one", "--task", "rte", "--data", "data", "--maps")
    sequence = json.loads((tmp_path / "one/analysis/rte-dev.maps.json").read_text())["sequences"][0]
    # [CLS] tom is in the hall [SEP] tom looks [SEP]
    assert sequence["special"] == [1] + [0] * 5 + [1] + [0] * 2 + [1]
    assert sequence["types"] == [0] * 7 + [1] * 3
    saobp("report", "one", "-o", "page.html")
    with opened(tmp_path) as page:
        page.value("(() => { const s = document.querySelector('#map-controls [aria-label=\"show\"]'); s.value = 'back'; s.dispatchEvent(new Event('change')); })()")
        assert page.value("[document.getElementById('map').height, document.getElementById('map').width]") == [3, 7]
        assert page.errors == []
    # A text alone is none.
    saobp("analyze", "one", "--text", "valid.txt", "--length", 16, "--maps")
    assert set(json.loads((tmp_path / "one/analysis/valid.maps.json").read_text())["sequences"][0]["types"]) == {0}


def test_differences_and_indirect_attention_are_drawings_too(runs, saobp):  # noqa: F811
    saobp("report", "plain", "high", "-o", "other.html", "--figures", "figures")
    sequence = json.loads((runs / "high/analysis/lines.maps.json").read_text())["sequences"][0]
    n = len(sequence["tokens"])
    a, b = (entries(sequence[matrix], 1, 1, n) for matrix in "AB")
    change = (b - a)[..., None]
    g = sum(0.9 ** (t - 1) * np.linalg.matrix_power(b, t) for t in (2, 3, 4))
    for name, wanted in (("difference", np.where(change < 0, shade(b - a, much=(0, 114, 178)), shade(b - a, much=(213, 94, 0)))), ("G", shade(g))):
        with Page(runs / f"figures/maps-high-lines.txt-{name}.svg") as page:
            shown = page.value(f"""(async () => {{
                const image = new Image(); image.src = document.querySelectorAll('image')[5].getAttribute('href'); await image.decode();
                const canvas = new OffscreenCanvas({n}, {n}); canvas.getContext('2d').drawImage(image, 0, 0);
                return Array.from(canvas.getContext('2d').getImageData(0, 0, {n}, {n}).data); }})()""")
            # Of differences there are 127 steps either way.
            assert page.errors == [] and np.abs(np.array(shown).reshape(n, n, 4)[..., :3] - wanted).max() <= 2
