"""The report's page in a browser: nothing is loaded, nothing goes wrong, charts have their data, pickers do what they say."""
import base64
import csv
import json
import shutil
from xml.etree import ElementTree

import numpy as np
import pytest

from browser import Page
from conftest import write_text


MADE = []  # the folder in which the runs were made, once


@pytest.fixture
def runs(tmp_path, saobp, setting):
    if MADE:
        shutil.copytree(MADE[0], tmp_path, dirs_exist_ok=True)
        return tmp_path
    write_text(tmp_path / "lines.txt", documents=3)
    for name, *more in (("plain", "--attention", "original"), ("high", "--attention", "high", "--strength", 0.9)):
        saobp(*setting, *more, "--steps", 20, "--learning-rate", 1e-2, "--output", name)
        saobp("analyze", name, "--text", "lines.txt", "--length", 16, "--measures", "all", "--maps", "--sequences", "1,2", "--what-if",
              "high:0.1..2,elemmul")
    saobp("report", "plain", "high", "-o", "page.html")
    kept = tmp_path.parent / "page-runs"
    shutil.copytree(tmp_path, kept)
    MADE.append(kept)
    return tmp_path


def opened(runs, **how):
    page = Page(runs / "page.html", **how)
    page.wait(lambda: page.value("document.documentElement.dataset.ready") == "yes", "the charts")
    return page


def shade(values, signed=False):
    """As the page colours entries, on the scale of the largest."""
    share = np.abs(values) / np.abs(values).max()
    return np.floor(np.stack([255 - 255 * share, 255 - 188 * share, 255 - 77 * share], -1) + 0.5)


def pixels(page):
    return np.array(page.value("(() => { const c = document.getElementById('map'); return Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data) })()")).reshape(-1, 4)[:, :3]


def test_nothing_is_loaded_and_nothing_goes_wrong(runs):
    size = (runs / "page.html").stat().st_size
    assert size < 8_000_000
    text = (runs / "page.html").read_text()
    assert "http://" not in text and "https://" not in text
    for width, dark in ((1400, False), (400, False), (1400, True), (2000, False)):
        with opened(runs, width=width, dark=dark) as page:
            assert page.value("document.documentElement.scrollWidth") <= width
            assert page.errors == [] and all(url.startswith(("file:", "blob:", "data:")) for url in page.requests)


def test_charts_have_their_data(runs):
    with opened(runs) as page:
        record = json.loads((runs / "high/analysis/lines.json").read_text())["matrices"]["B"]
        traces = page.value("document.getElementById('heads-chart').data.filter(t => t.type === 'scatter').map(t => ({name: t.name, x: Array.from(t.x), y: Array.from(t.y)}))")
        assert [t["name"] for t in traces] == ["plain: lines", "high: lines"]
        assert traces[1]["x"] == [v for layer in record["attention_entropy"] for v in layer]
        assert traces[1]["y"] == [v for layer in record["gtd"] for v in layer]
        # Another measure, by the picker.
        page.value("(() => { const s = document.querySelector('#heads-controls select'); s.value = 'sparsity'; s.dispatchEvent(new Event('change')); })()")
        x = page.value("Array.from(document.getElementById('heads-chart').data.filter(t => t.type === 'scatter')[1].x)")
        assert x == [v for layer in record["sparsity"] for v in layer]
        assert page.errors == []


def traces_of(page, chart):
    return page.value(f"""document.querySelector('figure[data-chart="{chart}"] .plot').data.map(t =>
        ({{name: t.name, type: t.type, mode: t.mode, x: Array.from(t.x || []), y: Array.from(t.y || []), visible: t.visible}}))""")


def test_every_chart_is_drawn_from_the_files(runs):
    near = lambda values: pytest.approx(values, rel=1e-5, abs=1e-9)
    with opened(runs) as page:
        charts = page.value("Array.from(document.querySelectorAll('figure[data-chart]')).map(f => f.dataset.chart)")
        assert len(charts) == len(set(charts)) == page.value("document.querySelectorAll('figure .plot .main-svg').length / document.querySelector('figure .plot').querySelectorAll('.main-svg').length")
        assert {"loss", "gtd-lines", "indirect-entropy-lines", "entropy-lines", "last-heads-lines", "what-if-loss", "what-if-gtd"} <= set(charts)
        for chart in charts:
            assert any(trace["y"] for trace in traces_of(page, chart)), chart
        logged = [json.loads(line) for line in (runs / "high/metrics.jsonl").read_text().splitlines()]
        raw = next(t for t in traces_of(page, "loss") if t["name"] == "high, validation loss")
        assert raw["y"] == near([line["validation_loss"] for line in logged if "validation_loss" in line])
        record = json.loads((runs / "high/analysis/lines.json").read_text())
        for chart, measure in (("gtd-lines", "gtd"), ("indirect-entropy-lines", "indirect_entropy"), ("entropy-lines", "attention_entropy")):
            for letter in "AB":
                own = next(t for t in traces_of(page, chart) if t["name"] == f"high, {letter}")
                assert own["y"] == near([np.mean(layer) for layer in record["matrices"][letter][measure]])
        last = next(t for t in traces_of(page, "last-heads-lines") if t["name"] == "high")
        assert last["y"] == near(record["matrices"]["B"]["attention_entropy"][-1])
        what_if = json.loads((runs / "plain/analysis/lines.json").read_text())["what_if"]
        curve = next(t for t in traces_of(page, "what-if-loss") if t["name"] == "plain, high")
        assert curve["y"] == near([row["loss"] for row in what_if if row["attention"] == "high"])
        # An entry of the legend hides its curve, by keyboard too; a table has its numbers.
        entry = "document.querySelector('figure[data-chart=\"what-if-loss\"] .entry')"
        page.value(f"{entry}.dispatchEvent(new KeyboardEvent('keydown', {{key: 'Enter'}}))")
        assert page.value(f"{entry}.getAttribute('aria-checked')") == "false" and traces_of(page, "what-if-loss")[0]["visible"] is False
        page.value(f"{entry}.click()")
        assert traces_of(page, "what-if-loss")[0]["visible"] is True
        page.value("document.querySelector('figure[data-chart=\"last-heads-lines\"] details').open = true")
        page.wait(lambda: page.value("document.querySelector('figure[data-chart=\"last-heads-lines\"] tbody').rows.length") == 8, "the table")
        assert page.errors == []


def test_without_plotly_the_drawings_stay(runs):
    text = (runs / "page.html").read_text()
    (runs / "bare.html").write_text(text.replace("id='plotly'", "id='other'"))
    with Page(runs / "bare.html") as page:
        page.wait(lambda: page.value("document.documentElement.dataset.ready") == "yes", "the page")
        charts = page.value("document.querySelectorAll('figure[data-chart]').length")
        shown = "Array.from(document.querySelectorAll('figure .chart > svg')).filter(s => getComputedStyle(s).display !== 'none').length"
        assert page.value(shown) == charts == page.value("document.querySelectorAll('figure details').length")
        assert page.errors == []


def test_correlations_of_heads_are_those_of_scipy(runs):
    stats = pytest.importorskip("scipy.stats")
    with opened(runs) as page:
        found = page.value("ANALYSES[1].record.correlations['attention_entropy|gtd']")
        record = json.loads((runs / "high/analysis/lines.json").read_text())["matrices"]["B"]
        r = stats.pearsonr(np.ravel(record["attention_entropy"]), np.ravel(record["gtd"]))
        interval = r.confidence_interval()
        assert found[:4] == pytest.approx([r.statistic, interval.low, interval.high, r.pvalue], abs=1e-4)
        shown = page.value("Array.from(document.querySelectorAll('#heads-correlations tbody tr')).map(row => row.cells[0].textContent)")
        assert shown == ["plain, lines", "high, lines"]


def test_maps_are_the_matrices(runs):
    maps = json.loads((runs / "high/analysis/lines.maps.json").read_text())
    sequence = maps["sequences"][1]
    n = len(sequence["tokens"])
    read = lambda part, layer, head: np.frombuffer(base64.b64decode(part["bytes"][layer][head]), np.uint8).reshape(n, n) / 255 * part["scale"][layer][head]
    with opened(runs) as page:
        page.value("Object.assign(state, {of: 1, sequence: 1, layer: 1, head: 2, view: 'B'}); drawMaps()")
        b = read(sequence["B"], 1, 2)
        assert np.abs(pixels(page) - shade(b).reshape(-1, 3)).max() <= 1  # float32 there
        page.value("Object.assign(state, {view: 'A'}); drawMaps()")
        assert np.abs(pixels(page) - shade(read(sequence["A"], 1, 2)).reshape(-1, 3)).max() <= 1
        page.value("Object.assign(state, {view: 'G'}); drawMaps()")
        g = sum(0.9 ** (t - 1) * np.linalg.matrix_power(b, t) for t in (2, 3, 4))
        assert np.abs(pixels(page) - shade(g).reshape(-1, 3)).max() <= 1
        # Without special tokens, and a head by its thumbnail.
        page.value("Object.assign(state, {view: 'B', hideSpecial: true}); drawMaps()")
        kept = [i for i, special in enumerate(sequence["special"]) if not special]
        assert np.abs(pixels(page) - shade(b[np.ix_(kept, kept)]).reshape(-1, 3)).max() <= 1
        small = page.value("(() => { const v = new Float32Array(100 * 100); v[99 * 100 + 50] = -3; const p = pooled(v, 100); return [p.size, p.cells.length, p.cells[39 * 40 + 20]] })()")
        assert small == [40, 1600, -3], "nothing is lost in a thumbnail"
        page.value("document.querySelectorAll('.thumb')[3].click()")
        assert page.value("[state.layer, state.head]") == [0, 3]
        assert np.abs(pixels(page) - shade(read(sequence["B"], 0, 3)[np.ix_(kept, kept)]).reshape(-1, 3)).max() <= 1
        assert page.errors == []


def test_a_click_on_a_head_shows_its_map_and_tokens_their_chains(runs):
    with opened(runs) as page:
        page.value("document.getElementById('heads-chart').emit('plotly_click', {points: [{customdata: ['high', 1, 3]}]})")
        assert page.value("[current().run, state.layer, state.head]") == ["high", 1, 3]
        page.value("document.querySelectorAll('.token')[2].click(); document.querySelectorAll('.token')[5].click()")
        assert page.value("state.picked") == [2, 5]
        rows = page.value("Array.from(document.querySelectorAll('#map-paths tbody tr')).map(r => Array.from(r.cells).map(c => c.textContent))")
        assert [hops for _, hops, _ in rows] == ["2"] * 3 + ["3"] * 3 + ["4"] * 3
        # The best chain of two hops, by numpy.
        maps = json.loads((runs / "high/analysis/lines.maps.json").read_text())
        sequence = maps["sequences"][page.value("state.sequence")]
        n = len(sequence["tokens"])
        part = sequence["B"]
        b = np.frombuffer(base64.b64decode(part["bytes"][1][3]), np.uint8).reshape(n, n) / 255 * part["scale"][1][3]
        through = (b[2] * b[:, 5]).argmax()
        assert rows[0][0] == " → ".join(sequence["tokens"][i] for i in (2, through, 5))
        # Three hops are not cut short by the search: all pairs in between, tried out.
        best = (b[2][:, None] * b * b[:, 5][None]).max()
        assert float(rows[3][2]) == pytest.approx(best, abs=6e-4 if best >= 1e-3 else best * 0.06)
        assert page.errors == []


def test_heads_in_the_table_are_buttons_that_show_their_maps(runs):
    with opened(runs) as page:
        page.value("document.querySelector('#heads-table details').open = true")
        buttons = "document.querySelectorAll('#heads-table tbody th button')"
        page.wait(lambda: page.value(f"{buttons}.length"), "the table")
        run, place = page.value(f"Array.from({buttons}).at(-2).textContent").split(", ")
        page.value(f"Array.from({buttons}).at(-2).click()")
        assert page.value("[current().run, `${state.layer}.${state.head}`]") == [run, place]
        assert page.errors == []


def test_a_map_is_walked_by_keyboard(runs):
    with opened(runs) as page:
        page.value("document.getElementById('map').focus()")
        for key in ("ArrowDown", "ArrowDown", "ArrowRight", "ArrowUp", "Enter"):
            page.value(f"document.getElementById('map').dispatchEvent(new KeyboardEvent('keydown', {{key: '{key}'}}))")
        assert page.value("state.at") == [1, 1] and page.value("state.picked") == [1]
        # What has the focus keeps it when controls are made anew.
        page.value("(() => { const s = document.querySelector('#map-controls [aria-label=\"head\"]'); s.focus(); s.value = '2'; s.dispatchEvent(new Event('change')); })()")
        assert page.value("[state.head, document.activeElement.getAttribute('aria-label')]") == [2, "head"]
        assert page.errors == []


def test_a_pair_s_filter_goes_when_the_sequence_is_no_pair(runs, saobp):
    path = runs / "high/analysis/lines.maps.json"
    maps = json.loads(path.read_text())
    first = maps["sequences"][0]
    first["types"] = [0] * 5 + [1] * (len(first["types"]) - 5)
    path.write_text(json.dumps(maps))
    saobp("report", "plain", "high", "-o", "page.html")
    with opened(runs) as page:
        page.value("Object.assign(state, {of: 1, sequence: 0, filter: 'pair'}); drawMaps()")
        assert page.value("[document.getElementById('map').height, document.querySelectorAll('.token').length]") == [5, len(first["types"])]
        page.value("document.querySelectorAll('.token')[1].click()")
        assert page.value("document.querySelectorAll('.token')[6].title").endswith("of what the picked tokens look at")
        page.value("Object.assign(state, {sequence: 1}); drawMaps()")
        assert page.value("[state.filter, document.getElementById('map').height]") == ["all", len(maps["sequences"][1]["tokens"])]
        assert page.errors == []


def test_a_name_that_looks_like_a_tag_is_shown_as_it_is(runs, saobp):
    (runs / "high").rename(runs / "a<b>c|d")
    saobp("report", "plain", "a<b>c|d", "-o", "page.html", "--tables", "tables")
    with opened(runs) as page:
        assert "a<b>c|d: lines" in page.value("document.getElementById('heads-legend').textContent")
        hovered = page.value("document.getElementById('heads-chart').data.filter(t => t.type === 'scatter')[1].text[0]")
        assert hovered.startswith("a&lt;b>c|d, layer 0 head 0")
        assert page.errors == []
    assert "a\\<b>c\\|d" in (runs / "tables/final-figures.md").read_text()


def test_runs_of_one_name_are_called_by_their_places(runs, saobp):
    for place in ("x/of", "y/of"):
        shutil.copytree(runs / "high", runs / place / "run")
    saobp("report", "x/of/run", "y/of/run/", "-o", "page.html", "--tables", "tables")
    assert (runs / "tables/final-figures.csv").read_text().splitlines()[0] == "Figure,x/of/run,y/of/run"


def test_a_curve_that_is_hidden_stays_hidden(runs):
    with opened(runs) as page:
        figure = "document.querySelector('figure[data-chart=\"loss\"]')"
        page.value(f"{figure}.querySelector('.entry').click()")
        hidden = f"{figure}.querySelector('.plot').data.filter(t => t.visible === false).length"
        assert page.value(hidden) > 0
        before = page.value(hidden)
        page.value("drawFigure(DATA.charts.find(chart => chart.id === 'loss'))")  # as a change of colours does
        assert page.value(hidden) == before


def test_figures_and_tables_are_files_too(runs, saobp):
    saobp("report", "plain", "high", "-o", "other.html", "--figures", "figures", "--tables", "tables")
    names = sorted(path.name for path in (runs / "figures").iterdir())
    assert "gtd-lines.svg" in names and all(name.endswith(".svg") for name in names)
    for path in (runs / "figures").iterdir():
        tags = [element.tag.rpartition("}")[2] for element in ElementTree.parse(path).iter()]
        assert tags[0] == "svg" and sum(tag in ("polyline", "circle", "rect", "path", "image") for tag in tags) > 3, path
    # The maps of the first sequence are pictures of its matrices.
    sequence = json.loads((runs / "high/analysis/lines.maps.json").read_text())["sequences"][0]
    assert {"maps-plain-lines.txt-B.svg", "maps-high-lines.txt-A.svg", "maps-high-lines.txt-B.svg"} <= set(names)
    with Page(runs / "figures/maps-high-lines.txt-B.svg") as page:
        n = len(sequence["tokens"])
        shown = page.value(f"""(async () => {{
            const image = new Image(); image.src = document.querySelectorAll('image')[5].getAttribute('href'); await image.decode();
            const canvas = new OffscreenCanvas({n}, {n}); canvas.getContext('2d').drawImage(image, 0, 0);
            return Array.from(canvas.getContext('2d').getImageData(0, 0, {n}, {n}).data); }})()""")
        b = np.frombuffer(base64.b64decode(sequence["B"]["bytes"][1][1]), np.uint8)
        assert page.errors == [] and np.abs(np.array(shown).reshape(-1, 4)[:, :3] - shade(b)).max() <= 1
    rows = list(csv.reader((runs / "tables/final-figures.csv").open(newline="")))
    assert rows[0] == ["Figure", "plain", "high"]
    text = (runs / "tables/layers-lines.md").read_text()
    assert text.count("\n|") > 8 and "| GTD | high, B |" in text


def test_a_page_that_would_be_too_large_says_what_it_leaves_out(runs, saobp):
    path, n = runs / "high/analysis/lines.maps.json", 1500
    maps = json.loads(path.read_text())
    row = {"tokens": ["a"] * n, "special": [0] * n, "words": [0] * n, "types": [0] * n, "norms": [[[1.0] * n]],
           "B": {"scale": [[1.0]], "bytes": [[base64.b64encode(bytes(n * n)).decode()]]}}
    maps |= {"layers": 1, "heads": 1, "sequences": [{"id": f"q{i}"} | row for i in range(3)]}
    path.write_text(json.dumps(maps))
    saobp("report", "high", "-o", "large.html")
    page = (runs / "large.html").read_text()
    assert len(page.encode()) < 8_000_000 and '"q0"' in page
    assert "the maps of 2 sequences (q1 and q2) were left out" in page


def test_importance_is_one_more_measure_of_heads(runs, saobp):
    saobp("analyze", "high", "--text", "lines.txt", "--length", 16, "--importance", "--study-sequences", 2)
    saobp("report", "high", "-o", "page.html")
    record = json.loads((runs / "high/analysis/lines.json").read_text())
    with opened(runs) as page:
        page.value("axes.x = 'importance'; axes.y = 'gtd'; drawHeads()")
        x = page.value("Array.from(document.getElementById('heads-chart').data[0].x)")
        assert x == pytest.approx(np.ravel(record["importance"]["mean"]["loss"]).tolist())
        assert page.value("document.querySelectorAll('#heads-legend [role=switch]').length") == 1
        assert page.value("document.querySelectorAll('#heads-correlations tbody tr').length") == 1
        assert page.errors == []


def test_maps_that_are_damaged_are_named(runs, saobp):
    path = runs / "high/analysis/lines.maps.json"
    maps = json.loads(path.read_text())
    maps["sequences"][0]["B"]["bytes"][1][0] = "AAAA"
    path.write_text(json.dumps(maps))
    done = saobp("report", "high", "-o", "other.html", code=1)
    assert done.err.count("\n") == 1 and "lines.maps.json" in done.err and '"B" is not of 2 layers of 4 heads' in done.err
