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


def shade(values, none=(255, 255, 255), much=(0, 67, 178)):
    """As the page colours entries, on the scale of the largest."""
    share = (np.abs(values) / np.abs(values).max())[..., None]
    return np.floor(np.array(none) + (np.array(much) - none) * share + 0.5)


DARK = (20, 23, 27), (168, 218, 255)


def entries(part, layer, head, n):
    """Of a map's bytes, which stand for square roots."""
    return (np.frombuffer(base64.b64decode(part["bytes"][layer][head]), np.uint8).reshape(n, n) / 255) ** 2 * part["scale"][layer][head]


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


def five_digits(values):
    """As a page has the measures of heads."""
    return [float(f"{value:.4e}") for value in values]


def test_charts_have_their_data(runs):
    with opened(runs) as page:
        record = json.loads((runs / "high/analysis/lines.json").read_text())["matrices"]["B"]
        def points():
            traces = page.value("document.getElementById('heads-chart').data.filter(t => t.type === 'scatter').map(t => ({name: t.name, x: Array.from(t.x), y: Array.from(t.y)}))")
            assert {t["name"] for t in traces} == {"plain: lines", "high: lines"}
            return sorted(pair for t in traces if t["name"] == "high: lines" for pair in zip(t["x"], t["y"]))
        flat = {name: [v for layer in layers for v in layer] for name, layers in record.items()}
        def of_record(*names):
            return pytest.approx(np.array(sorted(zip(*(five_digits(flat[name]) for name in names)))), rel=1e-9)
        assert np.array(points()) == of_record("attention_entropy", "gtd")
        # Another measure, by the picker.
        page.value("(() => { const s = document.querySelector('#heads-controls select'); s.value = 'sparsity'; s.dispatchEvent(new Event('change')); })()")
        assert np.array(points()) == of_record("sparsity", "gtd")
        assert page.errors == []


def test_heads_are_coloured_by_type_and_signed_by_run(runs):
    with opened(runs) as page:
        traces = page.value("document.getElementById('heads-chart').data.filter(t => t.type === 'scatter').map(t => ({...t.meta, colour: t.marker.color, sign: t.marker.symbol}))")
        for what, by in (("colour", "kind"), ("sign", "series")):
            assert len({t[what] for t in traces}) == len({t[by] for t in traces}) == len({(t[what], t[by]) for t in traces})
        entries = page.value("Array.from(document.querySelectorAll('#heads-legend [role=switch]')).map(e => e.getAttribute('aria-label'))")
        assert set(entries) == {"●" + t["kind"] for t in traces} | {"●plain: lines", "■high: lines"}
        kind = traces[0]["kind"]
        page.value(f"document.querySelector('#heads-legend [aria-label=\"●{kind}\"]').click()")
        seen = "document.getElementById('heads-chart').data.filter(t => t.visible !== false).map(t => t.meta.kind)"
        assert kind not in page.value(seen)
        page.value("drawHeads()")  # as another measure or a change of colours does
        assert kind not in page.value(seen) and page.value("document.querySelectorAll('#heads-legend [aria-checked=false]').length") == 1
        page.value(f"document.querySelector('#heads-legend [aria-label=\"●{kind}\"]').click()")
        assert kind in page.value(seen) and page.errors == []


def test_the_best_chains_are_the_best_of_all(runs):
    with opened(runs) as page:
        found = page.value("""(() => {
            const n = 9, values = Float32Array.from({length: n * n}, (_, i) => ((i * 7919 + 13) % 101) / 101);
            const all = (from, to, hops) => hops === 1 ? [values[from * n + to]]
                : [...Array(n).keys()].flatMap(k => all(k, to, hops - 1).map(rest => values[from * n + k] * rest));
            return [2, 3, 4].map(hops => [bestPaths(values, n, 2, 5, hops, 3).map(b => b.mass), all(2, 5, hops).sort((a, b) => b - a).slice(0, 3)]);
        })()""")
        for ours, best in found:
            assert ours == pytest.approx(best)


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
    read = lambda part, layer, head: entries(part, layer, head, n)
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
    # In the dark from the page's ground to a light blue; and anew when that changes.
    with opened(runs, dark=True) as page:
        page.value("Object.assign(state, {of: 1, sequence: 1, layer: 1, head: 2}); drawMaps()")
        assert np.abs(pixels(page) - shade(b, *DARK).reshape(-1, 3)).max() <= 1
        page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "light"}])
        page.wait(lambda: np.abs(pixels(page) - shade(b).reshape(-1, 3)).max() <= 1, "the light colours")
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
        b = entries(part, 1, 3, n)
        through = (b[2] * b[:, 5]).argmax()
        tokens = [token.removeprefix("##") for token in sequence["tokens"]]
        assert rows[0][0] == " → ".join(tokens[i] if tokens.count(tokens[i]) == 1 else f"{tokens[i]} ({i})" for i in (2, through, 5))
        # Three hops are not cut short by the search: all pairs in between, tried out.
        best = (b[2][:, None] * b * b[:, 5][None]).max()
        assert float(rows[3][2]) == pytest.approx(best, abs=6e-4 if best >= 1e-3 else best * 0.06)
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
        # And the other way.
        page.value("Object.assign(state, {filter: 'back', picked: []}); drawMaps()")
        assert page.value("[document.getElementById('map').height, document.getElementById('map').width, document.querySelectorAll('.token').length]") == [
            len(first["types"]) - 5, 5, len(first["types"])]
        page.value("Object.assign(state, {sequence: 1}); drawMaps()")
        assert page.value("[state.filter, document.getElementById('map').height]") == ["all", len(maps["sequences"][1]["tokens"])]
        assert page.errors == []


def test_a_name_that_looks_like_a_tag_is_shown_as_it_is(runs, saobp):
    (runs / "high").rename(runs / "a<b>c|d")
    saobp("report", "plain", "a<b>c|d", "-o", "page.html", "--tables", "tables")
    with opened(runs) as page:
        assert "a<b>c|d: lines" in page.value("document.getElementById('heads-legend').textContent")
        hovered = page.value("document.getElementById('heads-chart').data.filter(t => t.type === 'scatter').flatMap(t => t.text)")
        assert any(text.startswith("a&lt;b>c|d, layer 0 head 0") for text in hovered) and not any("<b>" in text for text in hovered)
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


def test_a_browser_that_opens_no_charts_has_the_tables(runs):
    page = (runs / "page.html").read_text()
    (runs / "old.html").write_text(page.replace("<script type='application/gzip' id='plotly'>", "<script type='application/gzip' id='other'>"))
    with Page(runs / "old.html") as old:
        old.wait(lambda: old.value("document.documentElement.dataset.ready") == "yes", "the page")
        assert "cannot open the charts" in old.value("document.getElementById('heads-note').textContent")
        assert old.value("document.querySelectorAll('#heads-correlations tbody tr').length") == 2
        assert old.errors == []


def test_dots_of_heads_go_with_their_curve(runs):
    with opened(runs) as page:
        figure = "document.querySelector('figure[data-chart=\"gtd-lines\"]')"
        hidden = f"{figure}.querySelector('.plot').data.filter(t => t.visible === false).map(t => t.mode)"
        entries = page.value(f"Array.from({figure}.querySelectorAll('.entry')).map(e => e.textContent)")
        for name, modes in (("high, A", ["lines+markers"]), ("high, B", ["lines+markers", "markers"])):
            entry = f"{figure}.querySelectorAll('.entry')[{[e.strip() for e in entries].index(name)}]"
            page.value(f"{entry}.click()")
            assert sorted(page.value(hidden)) == modes
            page.value(f"{entry}.click()")
        assert page.value(hidden) == []


def test_a_map_is_a_table_too(runs):
    with opened(runs) as page:
        page.value("document.querySelector('#map-table details').open = true")
        page.wait(lambda: page.value("document.querySelectorAll('#map-table tbody tr').length"), "the table")
        rows = page.value("Array.from(document.querySelectorAll('#map-table tbody tr')).map(r => Array.from(r.cells).map(c => c.textContent))")
        values = [float(row[2]) for row in rows]
        assert values == sorted(values, reverse=True) and rows[0][0].endswith(")")
        sequence = json.loads((runs / "plain/analysis/lines.maps.json").read_text())["sequences"][0]
        assert values[0] == pytest.approx(sequence["B"]["scale"][0][0], abs=6e-4)
        assert page.errors == []


def test_figures_and_tables_are_files_too(runs, saobp):
    saobp("report", "plain", "high", "-o", "other.html", "--figures", "figures", "--tables", "tables")
    names = sorted(path.name for path in (runs / "figures").iterdir())
    assert "gtd-lines.svg" in names and all(name.endswith(".svg") for name in names)
    for path in (runs / "figures").iterdir():
        tags = [element.tag.rpartition("}")[2] for element in ElementTree.parse(path).iter()]
        assert tags[0] == "svg" and sum(tag in ("polyline", "circle", "rect", "path", "image") for tag in tags) > 3, path
    # The maps of the first sequence are pictures of its matrices.
    sequence = json.loads((runs / "high/analysis/lines.maps.json").read_text())["sequences"][0]
    assert [name for name in names if name.startswith("maps-")] == [
        f"maps-{run}-lines.txt-{matrix}.svg" for run, matrices in (("high", ("A", "B", "G", "difference")), ("plain", "BG")) for matrix in matrices]
    with Page(runs / "figures/maps-high-lines.txt-B.svg") as page:
        n = len(sequence["tokens"])
        shown = page.value(f"""(async () => {{
            const image = new Image(); image.src = document.querySelectorAll('image')[5].getAttribute('href'); await image.decode();
            const canvas = new OffscreenCanvas({n}, {n}); canvas.getContext('2d').drawImage(image, 0, 0);
            return Array.from(canvas.getContext('2d').getImageData(0, 0, {n}, {n}).data); }})()""")
        b = np.frombuffer(base64.b64decode(sequence["B"]["bytes"][1][1]), np.uint8)
        assert page.errors == [] and np.abs(np.array(shown).reshape(-1, 4)[:, :3] - shade((b / 255) ** 2)).max() <= 1
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
    told = "the maps of 2 sequences (q1 and q2) were left out"
    assert told in saobp("report", "high", "-o", "large.html").out
    assert told in saobp("report", "high", "-o", "large.html", "--json").json["remarks"][0]
    page = (runs / "large.html").read_text()
    assert len(page.encode()) < 8_000_000 and '"q0"' in page
    assert told in page


def test_importance_is_one_more_measure_of_heads(runs, saobp):
    saobp("analyze", "high", "--text", "lines.txt", "--length", 16, "--importance", "--study-sequences", 2)
    saobp("report", "high", "-o", "page.html")
    record = json.loads((runs / "high/analysis/lines.json").read_text())
    with opened(runs) as page:
        page.value("axes.x = 'importance'; axes.y = 'gtd'; drawHeads()")
        x = page.value("document.getElementById('heads-chart').data.filter(t => t.type === 'scatter').flatMap(t => Array.from(t.x))")
        assert sorted(x) == pytest.approx(sorted(five_digits(np.ravel(record["importance"]["mean"]["loss"]))), rel=1e-9)
        kinds = page.value("[...new Set(document.getElementById('heads-chart').data.map(t => t.meta.kind))].length")
        assert page.value("document.querySelectorAll('#heads-legend [role=switch]').length") == kinds, "of one run only its types"
        assert page.value("document.querySelectorAll('#heads-correlations tbody tr').length") == 1
        assert page.errors == []


def test_maps_that_are_damaged_are_named(runs, saobp):
    path = runs / "high/analysis/lines.maps.json"
    maps = json.loads(path.read_text())
    whole = maps["sequences"][0]["B"]["bytes"][1][0]
    maps["sequences"][0]["B"]["bytes"][1][0] = "~" * len(whole)
    path.write_text(json.dumps(maps))
    assert 'lines.maps.json: sequence "' in (err := saobp("report", "high", "-o", "other.html", code=1).err) and "none of base64's" in err
    maps["sequences"][0]["B"]["bytes"][1][0] = "AAAA"
    path.write_text(json.dumps(maps))
    done = saobp("report", "high", "-o", "other.html", code=1)
    assert done.err.count("\n") == 1 and "lines.maps.json" in done.err and '"B" is not of 2 layers of 4 heads' in done.err
