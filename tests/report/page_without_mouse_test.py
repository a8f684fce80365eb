"""The report's page by keyboard and for screen readers."""
import json

from page_test import opened, runs  # noqa: F401 (a fixture)


def test_heads_in_the_table_are_buttons_that_show_their_maps(runs):  # noqa: F811
    with opened(runs) as page:
        page.value("document.querySelector('#heads-table details').open = true")
        buttons = "document.querySelectorAll('#heads-table tbody th button')"
        page.wait(lambda: page.value(f"{buttons}.length"), "the table")
        run, place = page.value(f"Array.from({buttons}).at(-2).textContent").split(", ")
        page.value(f"Array.from({buttons}).at(-2).click()")
        assert page.value("[current().run, `${state.layer}.${state.head}`]") == [run, place]
        assert page.value("document.activeElement.id") == "map"
        assert page.value("document.querySelector('#heads-table details').open"), "the table stays as it was when heads are drawn anew"
        assert page.errors == []


def test_a_map_is_walked_by_keyboard(runs):  # noqa: F811
    with opened(runs) as page:
        page.value("document.getElementById('map').focus()")
        for key in ("ArrowDown", "ArrowDown", "ArrowRight", "ArrowUp", "Enter"):
            page.value(f"document.getElementById('map').dispatchEvent(new KeyboardEvent('keydown', {{key: '{key}'}}))")
        assert page.value("state.at") == [1, 1] and page.value("state.picked") == [1]
        assert page.value("document.getElementById('map-hover').textContent").endswith(", picked")
        # What has the focus keeps it when controls are made anew.
        page.value("(() => { const s = document.querySelector('#map-controls [aria-label=\"head\"]'); s.focus(); s.value = '2'; s.dispatchEvent(new Event('change')); })()")
        assert page.value("[state.head, document.activeElement.getAttribute('aria-label')]") == [2, "head"]
        assert page.errors == []


def test_a_word_is_put_back_by_any_of_its_pieces(runs, saobp):  # noqa: F811
    path = runs / "high/analysis/lines.maps.json"
    maps = json.loads(path.read_text())
    words = maps["sequences"][0]["words"]
    maps["sequences"][0]["words"] = words[:3] + [w - 1 for w in words[3:]]  # the third and the fourth token are one
    path.write_text(json.dumps(maps))
    saobp("report", "plain", "high", "-o", "page.html")
    with opened(runs) as page:
        page.value("Object.assign(state, {of: 1, sequence: 0, picked: [3], words: true}); drawMaps()")
        pressed = "[...document.querySelectorAll('.token')].map(t => t.getAttribute('aria-pressed') === 'true')"
        assert page.value(pressed).index(True) == 2
        page.value("document.querySelectorAll('.token')[2].click()")
        assert page.value("state.picked") == [] and not any(page.value(pressed))


def test_what_a_screen_reader_says_of_charts(runs):  # noqa: F811
    with opened(runs) as page:
        names = page.value("[...document.querySelectorAll('.plot')].map(p => ['aria-labelledby', 'aria-describedby'].map(a => document.getElementById(p.getAttribute(a))?.textContent))")
        assert len(names) > 4 and all(name and about for name, about in names)
        layers = "document.querySelector('figure[data-chart^=\"gtd-\"] details.data')"
        page.value(f"{layers}.open = true")
        page.wait(lambda: page.value(f"{layers}.querySelectorAll('tbody tr').length"), "the table")
        assert set(page.value(f"[...{layers}.querySelectorAll('tbody tr')].map(r => r.cells[1].textContent)")) == {"0", "1"}
