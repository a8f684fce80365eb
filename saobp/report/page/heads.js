'use strict';
// Heads as points: any measure against any other; a click on a head shows its map.
// The kind of a head: the pattern with the largest share of its attention, where that is most of it.
const PATTERNS = {previous_share: 'previous token', next_share: 'next token', self_share: 'itself', same_token_share: 'same token', induction_share: 'induction', special_token_share: 'special tokens'};
function kindOf(matrix, layer, head) {
  let best = 'mixed', most = 0.4;
  for (const [measure, name] of Object.entries(PATTERNS)) {
    const value = matrix[measure]?.[layer]?.[head];
    if (value > most) { best = name; most = value; }
  }
  return best;
}
const SYMBOLS = {'mixed': 'circle', 'previous token': 'triangle-left', 'next token': 'triangle-right', 'itself': 'square', 'same token': 'diamond', 'induction': 'star', 'special tokens': 'x'};

const ANALYSES = DATA.runs.flatMap(run => run.analyses.map(a => ({run: run.name, index: run.colour, name: a.name, record: a.record})));
const headMeasures = record => Object.keys(record.matrices.B).filter(name => record.matrices.B[name][0].length === record.heads);

// The maps of that analysis, else the first of the run.
function mapsOf(run, name) {
  const same = MAPS.findIndex(m => m.run === run && m.map.name === name);
  return same >= 0 ? same : MAPS.findIndex(m => m.run === run);
}
function showHead(run, layer, head, name) {
  const of = mapsOf(run, name);
  if (of < 0) return;
  Object.assign(state, {layer, head}, of === state.of ? {} : {of, sequence: 0, picked: []});
  drawMaps();
  document.getElementById('maps').scrollIntoView({behavior: 'smooth'});
}
// A head's name in the table, which the keyboard can follow where a point of the chart cannot be reached.
function nameOfHead({run, name, layer, head}) {
  const text = `${run}, ${layer}.${head}`;
  return MAPS.some(m => m.run === run) ? element('button', {class: 'link', text, title: 'its map', onclick: () => showHead(run, layer, head, name)}) : text;
}

const axes = {x: 'attention_entropy', y: 'gtd'};
function drawHeads() {
  const names = [...new Set(ANALYSES.flatMap(a => headMeasures(a.record)))];
  if (!names.includes(axes.x)) axes.x = names[0];
  if (!names.includes(axes.y)) axes.y = names[names.length - 1];
  const options = names.map(name => [name, name]);
  replaceControls(document.getElementById('heads-controls'),
    choice('across', options, axes.x, value => { axes.x = value; drawHeads(); }), choice('up', options, axes.y, value => { axes.y = value; drawHeads(); }));
  const points = [];
  for (const {run, index, name, record} of ANALYSES) {
    const b = record.matrices.B;
    (b[axes.x] || []).forEach((heads, layer) => heads.forEach((x, head) => {
      const y = b[axes.y]?.[layer]?.[head];
      if (typeof x === 'number' && typeof y === 'number') points.push({x, y, layer, head, run, index, name, kind: kindOf(b, layer, head)});
    }));
  }
  const traces = [];
  const drawn = [...new Set(points.map(p => `${p.run}: ${p.name}`))];
  for (const [index, series] of drawn.entries()) {
    const own = points.filter(p => `${p.run}: ${p.name}` === series);
    traces.push({type: 'scatter', mode: 'markers', meta: index, name: plotText(series), x: own.map(p => p.x), y: own.map(p => p.y), customdata: own.map(p => [p.run, p.layer, p.head, p.name]),
      marker: {color: runColour(own[0].index), size: 9, symbol: own.map(p => SYMBOLS[p.kind])},
      text: own.map(p => `${plotText(p.run)}, layer ${p.layer} head ${p.head}: ${p.kind}`), hovertemplate: '%{text}<br>%{x:.4g}, %{y:.4g}<extra></extra>'});
    traces.push(...histograms({x: own.map(p => p.x), y: own.map(p => p.y)}, own[0].index, index));
  }
  const unit = name => ANALYSES[0].record.measures?.[name]?.unit;
  const label = name => unit(name) ? `${name}, ${unit(name)}` : name;
  const look = layout(label(axes.x), label(axes.y));
  look.height = 520;
  roomForHistograms(look);
  const lines = [];
  const idempotent = [...new Set(ANALYSES.map(a => a.record.idempotent_gtd))];  // one line where all measured GTD alike
  if (axes.y === 'gtd' && idempotent.length === 1) lines.push({type: 'line', xref: 'paper', x0: 0, x1: 0.85, y0: idempotent[0], y1: idempotent[0], line: {dash: 'dot', color: colour('--soft')}});
  look.shapes = lines;
  const chart = document.getElementById('heads-chart');
  Plotly.react(chart, traces, look, SETTINGS);
  document.getElementById('heads-legend').replaceChildren(...drawn.map((name, index) => {
    const entry = element('span', {class: 'entry'}, [element('span', {text: '●', style: `color: ${traces.find(trace => trace.meta === index).marker.color}`}), name]);
    switchSeries(entry, chart, [index]);
    return entry;
  }));
  chart.removeAllListeners?.('plotly_click');
  chart.on('plotly_click', event => showHead(...event.points[0].customdata));
  document.getElementById('heads-note').textContent = `${points.length} heads. Signs tell what most of a head's attention lies on (more than 40 %): ● mixed, ◀ previous, ▶ next, ■ itself, ◆ same token, ★ induction, ✕ special tokens. Click a head, here or in the table, for its map.`;
  const small = p => p === null ? '–' : p < 1e-4 ? '< 0.0001' : p.toFixed(4);
  const rows = ANALYSES.flatMap(({run, name, record}) => {
    const found = record.correlations[[axes.x, axes.y].sort().join('|')];
    if (!found || found[0] === null) return [];
    const [r, low, high, p, corrected] = found;
    return [[`${run}, ${name}`, shown(r), `${shown(low)} to ${shown(high)}`, small(p), small(corrected)]];
  });
  document.getElementById('heads-correlations').replaceChildren(...(rows.length ? [element('div', {class: 'scroll', tabindex: '0'}, [
    plainTable(['over the heads of', "Pearson's r", '95 % interval', 'p', 'p corrected for all pairs of measures'], rows)]),
    element('p', {class: 'fine', text: 'Heads of one model are no independent draws: p is as small as that lets it be.'})] : []));
  document.getElementById('heads-table').replaceChildren(dataTable('Heads', ['head', axes.x, axes.y, 'kind'], () => points.map(p => [nameOfHead(p), p.x, p.y, p.kind])));
}

drawCharts();
