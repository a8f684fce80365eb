'use strict';
// Heads as points: any measure against any other; a click on a head shows its map.
// The type of a head: the pattern with the largest share of its attention, where that is more than 40 % of it. Of the last two
// it is the share of those rows that have such a key.
const PATTERNS = {special_token_share: 'first or special token', first_token_share: 'first or special token', previous_share: 'previous token', next_share: 'next token', self_share: 'itself',
  same_token_share: 'same token, where repeated', induction_share: 'induction, where possible'};
const KINDS = [...new Set(Object.values(PATTERNS)), 'mixed'];
const kindColour = kind => kind === 'mixed' ? colour('--soft') : runColour(KINDS.indexOf(kind));
function kindOf(matrix, layer, head) {
  let best = 'mixed', most = 0.4;
  for (const [measure, name] of Object.entries(PATTERNS)) {
    const value = matrix[measure]?.[layer]?.[head];
    if (value > most) { best = name; most = value; }
  }
  return best;
}
const SIGNS = [['circle', '●'], ['square', '■'], ['diamond', '◆'], ['triangle-up', '▲'], ['star', '★'], ['x', '✖'], ['triangle-down', '▼'], ['cross', '✚'], ['pentagon', '⬟'], ['hexagon', '⬢'], ['triangle-left', '◀'], ['triangle-right', '▶']];
const signOf = index => SIGNS[index % SIGNS.length];

const ANALYSES = DATA.runs.flatMap(run => run.analyses.map(a => ({run: run.name, index: run.colour, name: a.name, record: a.record})));
const headMeasures = record => Object.keys(record.matrices.B).filter(name =>
  record.matrices.B[name][0].length === record.heads && record.matrices.B[name].some(heads => heads.some(value => value !== null)));

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
  document.getElementById('maps').scrollIntoView({behavior: matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth'});
  document.getElementById('map').focus({preventScroll: true});
}
// A head's name in the table, which the keyboard can follow where a point of the chart cannot be reached.
function nameOfHead({run, name, layer, head}) {
  const text = `${run}, ${layer}.${head}`;
  return MAPS.some(m => m.run === run) ? element('button', {class: 'link', text, title: 'its map', onclick: () => showHead(run, layer, head, name)}) : text;
}

const axes = {x: 'attention_entropy', y: 'gtd', hidden: new Set()};
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
  const series = [...new Set(points.map(p => `${p.run}: ${p.name}`))], kinds = KINDS.filter(kind => points.some(p => p.kind === kind));
  for (const [index, of] of series.entries())
    for (const kind of kinds) {
      const own = points.filter(p => p.kind === kind && `${p.run}: ${p.name}` === of);
      if (!own.length) continue;
      const visible = !axes.hidden.has(of) && !axes.hidden.has(kind);
      const meta = {series: of, kind};
      traces.push({type: 'scatter', mode: 'markers', meta, visible, name: plotText(of), x: own.map(p => p.x), y: own.map(p => p.y), customdata: own.map(p => [p.run, p.layer, p.head, p.name]),
        marker: {color: kindColour(kind), size: 9, symbol: signOf(index)[0]},
        text: own.map(p => `${plotText(p.run)}, layer ${p.layer} head ${p.head}: ${p.kind}`), hovertemplate: '%{text}<br>%{x:.4g}, %{y:.4g}<extra></extra>'});
      traces.push(...histograms({x: own.map(p => p.x), y: own.map(p => p.y)}, kindColour(kind), meta).map(trace => ({...trace, visible})));
    }
  const unit = name => ANALYSES.map(a => a.record.units[name]).find(Boolean);
  const label = name => unit(name) ? `${name}, ${unit(name)}` : name;
  const look = layout(label(axes.x), label(axes.y));
  Object.assign(look, {height: 520, barmode: 'stack'});
  roomForHistograms(look);
  const lines = [];
  const idempotent = [...new Set(ANALYSES.map(a => a.record.idempotent_gtd))];  // one line where all measured GTD alike
  if (axes.y === 'gtd' && idempotent.length === 1) lines.push({type: 'line', xref: 'paper', x0: 0, x1: 0.85, y0: idempotent[0], y1: idempotent[0], line: {dash: 'dot', color: colour('--soft')}});
  look.shapes = lines;
  const chart = document.getElementById('heads-chart');
  const drawn = typeof Plotly !== 'undefined';
  if (drawn) Plotly.react(chart, traces, look, SETTINGS);
  // Colours are types, signs are runs; either can be hidden.
  const entry = (name, sign, style) => {
    const made = element('span', {class: 'entry'}, [element('span', {text: sign, style}), name]);
    asSwitch(made, !axes.hidden.has(name), on => {
      axes.hidden[on ? 'delete' : 'add'](name);
      drawHeads();
    });
    return made;
  };
  if (drawn) replaceControls(document.getElementById('heads-legend'),
    ...kinds.map(kind => entry(kind, '●', `color: ${kindColour(kind)}`)), ...(series.length > 1 ? series.map((name, index) => entry(name, signOf(index)[1], '')) : []));
  chart.removeAllListeners?.('plotly_click');
  if (drawn) chart.on('plotly_click', event => showHead(...event.points[0].customdata));
  document.getElementById('heads-note').textContent = !drawn ? 'This browser cannot open the charts that one can work with; the tables are below.' : `${points.length} heads. Colours tell what more than 40 % of a head's attention lies on${series.length > 1 ? ', signs which analysis it is of' : ''}.${MAPS.length ? ' Click a head, here or in the table, for its map.' : ''}`;
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
  replaceTable(document.getElementById('heads-table'), 'Heads', ['head', axes.x, axes.y, 'kind'], () => points.map(p => [nameOfHead(p), p.x, p.y, p.kind]));
}

drawCharts();
