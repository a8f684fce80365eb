#include "saobp/report/style.h"

#include "saobp/io/error.h"

namespace saobp::report {

// Run colours after Okabe and Ito, which people with any common colour blindness can tell apart; darkened or lightened
// until they stand out from the background by at least 3:1. Shapes of marks differ too.
const char* const kLightColours = R"css(
  --page: #ffffff; --ink: #1b1f24; --soft: #59636e; --rule: #d9dee4; --grid: #e8ebef; --panel: #f5f7f9;
  --run-0: #0072b2; --run-1: #d55e00; --run-2: #00805d; --run-3: #b0528a; --run-4: #806000; --run-5: #3d4753;
)css";

const char* const kChartStyle = R"css(
.run-0 { color: var(--run-0); } .run-1 { color: var(--run-1); } .run-2 { color: var(--run-2); }
.run-3 { color: var(--run-3); } .run-4 { color: var(--run-4); } .run-5 { color: var(--run-5); }
svg text { font-size: 13px; fill: var(--soft); font-variant-numeric: tabular-nums; }
.grid { stroke: var(--grid); stroke-width: 1; }
.reference { stroke: var(--ink); stroke-width: 1.3; stroke-dasharray: 2 4; }
svg text.reference-label { fill: var(--ink); paint-order: stroke; stroke: var(--page); stroke-width: 4px; }
.series polyline { fill: none; stroke: currentColor; stroke-width: 2.2; stroke-linejoin: round; stroke-linecap: round; }
.series circle, .series rect, .series path { fill: currentColor; stroke: var(--page); stroke-width: 1; }
.faint polyline { stroke-width: 1; opacity: .28; }
.hollow polyline, .dashed polyline { stroke-dasharray: 6 5; stroke-width: 1.7; }
.rhythm-1 polyline { stroke-dasharray: 14 4; }
.rhythm-2 polyline { stroke-dasharray: 2 5; }
.rhythm-3 polyline { stroke-dasharray: 14 4 2 4; }
.rhythm-1.hollow polyline, .rhythm-1.dashed polyline { stroke-dasharray: 6 4 2 4; }
.rhythm-2.hollow polyline, .rhythm-2.dashed polyline { stroke-dasharray: 6 4 2 4 2 4; }
.rhythm-3.hollow polyline, .rhythm-3.dashed polyline { stroke-dasharray: 2 8; }
.hollow circle, .hollow rect, .hollow path { fill: var(--page); stroke: currentColor; stroke-width: 1.8; }
.dots { opacity: .45; }
.dots circle, .dots rect, .dots path { stroke: none; }
.error { stroke-width: 1.3 !important; }
.band polygon { fill: currentColor; opacity: .16; stroke: none; }
.points circle, .points rect, .points path { opacity: .75; }
.bars rect { fill: currentColor; opacity: .45; }
)css";

namespace {

constexpr const char* kOtherColours = R"css(
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14171b; --ink: #e7eaee; --soft: #a2acb8; --rule: #39414b; --grid: #272d35; --panel: #1c2127;
    --run-0: #5cb8ee; --run-1: #f39b4f; --run-2: #45c9a1; --run-3: #e5a3cb; --run-4: #e6d55a; --run-5: #c3cad3;
  }
}
@media print {
  :root {
    color-scheme: light;
    --page: #ffffff; --ink: #000000; --soft: #444444; --rule: #bbbbbb; --grid: #dddddd; --panel: #ffffff;
    --run-0: #0072b2; --run-1: #d55e00; --run-2: #00805d; --run-3: #b0528a; --run-4: #806000; --run-5: #3d4753;
  }
}
)css";

constexpr const char* kPage = R"css(
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", "Liberation Sans", "DejaVu Sans", sans-serif;
}
main { max-width: 1060px; margin: 0 auto; padding: 40px 24px 56px; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .35rem; letter-spacing: -.01em; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .7rem; padding-top: 1rem; border-top: 1px solid var(--rule); }
h3 { font-size: 1rem; margin: 0 0 .35rem; }
p { margin: 0 0 .8rem; max-width: 75ch; }
.mind { border-left: 4px solid var(--run-1); padding-left: .7rem; }
.lead, .missing, .fine, figcaption { color: var(--soft); }
.lead { font-size: 1.05rem; }
.fine, figcaption { font-size: .86rem; }
p.fine { margin-top: .9rem; }

.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 225px), 1fr)); gap: 14px; margin: 1.4rem 0 0; }
.card { background: var(--panel); border: 1px solid var(--rule); border-top: 4px solid currentColor; border-radius: 8px; padding: 14px 16px; }
.card > * { color: var(--ink); }
.card h3 { display: flex; align-items: center; gap: 8px; overflow-wrap: anywhere; }
.card p { margin: 0; font-size: .92rem; }
.card p.fine { color: var(--soft); font-size: .86rem; margin-top: .35rem; }

figure { margin: 0; min-width: 0; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr)); gap: 28px; }
.pair + .pair { margin-top: 28px; }
.pair + h3 { margin-top: 1.8rem; }
figure .chart > svg { display: block; width: 100%; height: auto; margin: .3rem 0; }
figcaption { max-width: 75ch; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 18px; font-size: .86rem; }
.entry { display: inline-flex; align-items: center; gap: 7px; overflow-wrap: anywhere; }
.legend-mark { width: 34px; height: 14px; flex: none; }

.scroll { overflow-x: auto; }
.scroll + .scroll { margin-top: 1.6rem; }
details.folded { margin: .2rem 0; }
details.folded > summary { cursor: pointer; font-weight: 600; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; min-width: min(100%, 520px); }
caption { text-align: left; color: var(--soft); font-size: .86rem; padding-bottom: .4rem; }
th, td { padding: 5px 14px 5px 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--grid); font-weight: 400; }
thead th { border-bottom: 1.5px solid var(--rule); font-weight: 600; }
th.group { font-weight: 600; padding-top: 14px; }
td.number, th.number { text-align: right; padding-right: 0; padding-left: 18px; white-space: nowrap; }
td.value { overflow-wrap: anywhere; min-width: 6.5rem; }
tbody th { color: var(--soft); min-width: 10.5rem; }
.faint-row { color: var(--soft); }
tbody th.group { color: var(--ink); }
.settings th { font-family: ui-monospace, "Liberation Mono", "DejaVu Sans Mono", monospace; font-size: .82rem; overflow-wrap: anywhere; }
.settings thead th { font-family: inherit; font-size: inherit; }
.settings .group { font-family: inherit; font-size: .9rem; }
.absent { color: var(--soft); font-style: italic; }
ul { padding-left: 1.2rem; max-width: 75ch; margin: 0; }
li { margin: .25rem 0; }

@media (max-width: 620px) {
  main { padding: 24px 16px 40px; }
  h1 { font-size: 1.5rem; }
  td.number, th.number { padding-left: 12px; }
}
@media print {
  body { font-size: 10.5pt; }
  main { max-width: none; padding: 0; }
  figure, .card, tr { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  .pair { grid-template-columns: 1fr 1fr; }
}
)css";

}  // namespace

std::string style_sheet() {
  return concat(":root {\n  color-scheme: light dark;", kLightColours, "}", kOtherColours, kPage, kChartStyle);
}

}  // namespace saobp::report
