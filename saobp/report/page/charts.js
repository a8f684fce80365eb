'use strict';
// Charts by Plotly, which comes gzipped in the page: heads as points, what-if curves, measures through checkpoints.
async function unpack() {
  const packed = document.getElementById('plotly');
  if (!packed) return false;
  const bytes = Uint8Array.from(atob(packed.textContent.trim()), c => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  const script = element('script', {});
  script.textContent = await new Response(stream).text();
  document.head.append(script);
  return typeof Plotly !== 'undefined';
}

function layout(title, x, y) {
  const ink = colour('--ink'), grid = colour('--grid'), rule = colour('--rule');
  const axis = text => ({title: {text}, gridcolor: grid, zerolinecolor: rule, linecolor: rule, automargin: true});
  return {title: {text: title, font: {size: 15}, x: 0.01, xanchor: 'left'}, modebar: {bgcolor: 'rgba(0,0,0,0)', color: colour('--soft'), activecolor: ink}, xaxis: axis(x), yaxis: axis(y), paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)',
    font: {color: ink, family: getComputedStyle(document.body).fontFamily, size: 13}, margin: {l: 60, r: 16, t: 44, b: 52},
    legend: {orientation: 'h', y: -0.22}, hovermode: 'closest', height: 430};
}
const SETTINGS = {responsive: true, displaylogo: false, modeBarButtonsToRemove: ['select2d', 'lasso2d', 'autoScale2d']};

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

const ANALYSES = DATA.runs.flatMap((run, index) => run.analyses.map(a => ({run: run.name, index, name: a.name, record: a.record})));
const headMeasures = record => Object.keys(record.matrices.B).filter(name => record.matrices.B[name][0].length > 1);

function pearson(points) {
  const n = points.length;
  if (n < 3) return NaN;
  const mean = k => points.reduce((s, p) => s + p[k], 0) / n;
  const mx = mean('x'), my = mean('y');
  const sum = f => points.reduce((s, p) => s + f(p.x - mx, p.y - my), 0);
  return sum((a, b) => a * b) / Math.sqrt(sum(a => a * a) * sum((_, b) => b * b));
}

const axes = {x: 'attention_entropy', y: 'gtd'};
function drawHeads() {
  const names = [...new Set(ANALYSES.flatMap(a => headMeasures(a.record)))];
  if (!names.includes(axes.x)) axes.x = names[0];
  if (!names.includes(axes.y)) axes.y = names[names.length - 1];
  const options = names.map(name => [name, name]);
  document.getElementById('heads-controls').replaceChildren(
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
  for (const series of new Set(points.map(p => `${p.run}: ${p.name}`))) {
    const own = points.filter(p => `${p.run}: ${p.name}` === series);
    traces.push({type: 'scatter', mode: 'markers', name: series, x: own.map(p => p.x), y: own.map(p => p.y), customdata: own.map(p => [p.run, p.layer, p.head]),
      marker: {color: runColour(own[0].index), size: 9, symbol: own.map(p => SYMBOLS[p.kind])},
      text: own.map(p => `${p.run}, layer ${p.layer} head ${p.head}: ${p.kind}`), hovertemplate: '%{text}<br>%{x:.4g}, %{y:.4g}<extra></extra>'});
    traces.push({type: 'histogram', x: own.map(p => p.x), yaxis: 'y2', showlegend: false, marker: {color: runColour(own[0].index)}, opacity: 0.5, hoverinfo: 'skip'});
    traces.push({type: 'histogram', y: own.map(p => p.y), xaxis: 'x2', showlegend: false, marker: {color: runColour(own[0].index)}, opacity: 0.5, hoverinfo: 'skip'});
  }
  const unit = name => ANALYSES[0].record.measures?.[name]?.unit;
  const label = name => unit(name) ? `${name}, ${unit(name)}` : name;
  const look = layout('Heads', label(axes.x), label(axes.y));
  Object.assign(look, {barmode: 'overlay', height: 520});
  look.xaxis.domain = look.yaxis.domain = [0, 0.84];
  look.xaxis2 = {domain: [0.87, 1], showticklabels: false, gridcolor: colour('--grid')};
  look.yaxis2 = {domain: [0.87, 1], showticklabels: false, gridcolor: colour('--grid')};
  const lines = [];
  if (axes.y === 'gtd') lines.push({type: 'line', xref: 'paper', x0: 0, x1: 0.84, y0: ANALYSES[0].record.idempotent_gtd, y1: ANALYSES[0].record.idempotent_gtd, line: {dash: 'dot', color: colour('--soft')}});
  look.shapes = lines;
  const chart = document.getElementById('heads-chart');
  Plotly.react(chart, traces, look, SETTINGS);
  chart.removeAllListeners?.('plotly_click');
  chart.on('plotly_click', event => {
    const [run, layer, head] = event.points[0].customdata;
    const of = MAPS.findIndex(m => m.run === run);
    if (of < 0) return;
    Object.assign(state, {of, layer, head, sequence: of === state.of ? state.sequence : 0});
    drawMaps();
    document.getElementById('maps').scrollIntoView({behavior: 'smooth'});
  });
  const r = pearson(points);
  document.getElementById('heads-note').textContent = `${points.length} heads; Pearson's r ${shown(r)}. Signs tell what most of a head's attention lies on (more than 40 %): ● mixed, ◀ previous, ▶ next, ■ itself, ◆ same token, ★ induction, ✕ special tokens. Click a head for its map.`;
  document.getElementById('heads-table').replaceChildren(dataTable('Heads', ['head', axes.x, axes.y, 'kind'], points.map(p => [`${p.run}, ${p.layer}.${p.head}`, p.x, p.y, p.kind])));
}

const WHAT_IF = [['loss', 'loss, nats'], ['divergence', 'KL of predictions, nats'], ['states_cosine', 'cosine of states'], ['attention_entropy', 'entropy, nats'], ['sink_rate', 'sink rate'], ['gtd', 'GTD']];
function drawWhatIf() {
  const charts = document.getElementById('what-if-charts');
  charts.replaceChildren();
  const rows = [], drawn = [];
  for (const [key, title] of WHAT_IF) {
    const traces = [];
    for (const {run, index, record} of ANALYSES)
      for (const variant of new Set((record.what_if || []).slice(1).map(row => row.attention))) {
        const own = record.what_if.slice(1).filter(row => row.attention === variant && row[key] !== null);
        if (!own.length) continue;
        const error = own.map(row => row.standard_errors?.[key] ?? 0);
        traces.push({type: 'scatter', mode: 'lines+markers', name: `${run}, ${variant}`, x: own.map(row => row.strength), y: own.map(row => row[key]),
          error_y: {type: 'data', array: error, visible: error.some(e => e > 0)}, marker: {color: runColour(index)}, line: {color: runColour(index), dash: variant === 'low' ? 'dash' : 'solid'}});
        const first = record.what_if[0][key];
        if (first !== null) traces.push({type: 'scatter', mode: 'lines', name: `${run} as it is`, showlegend: variant === record.what_if[1].attention, x: [own[0].strength, own[own.length - 1].strength], y: [first, first], line: {color: runColour(index), dash: 'dot'}});
        own.forEach(row => rows.push([`${run}, ${variant} ${row.strength}`, key, row[key]]));
      }
    if (!traces.length) continue;
    const chart = element('div', {class: 'chart'});
    charts.append(chart);
    const look = layout(title, 'strength λ', title);
    look.xaxis.type = 'log';
    Object.assign(look, {height: 380, margin: {l: 60, r: 16, t: 44, b: 130}, legend: {orientation: 'h', yanchor: 'top', y: -0.36}});
    drawn.push([chart, traces, look]);
  }
  // When all of them have their places, and so their widths.
  for (const [chart, traces, look] of drawn) Plotly.newPlot(chart, traces, look, SETTINGS);
  charts.append(dataTable('What if', ['refinement', 'measure', 'value'], rows));
}

async function drawCharts() {
  if (!await unpack()) return;
  if (document.getElementById('heads-chart')) drawHeads();
  if (document.getElementById('what-if-charts')) drawWhatIf();
  document.documentElement.dataset.ready = 'yes';
}
drawCharts();
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
  if (document.getElementById('heads-chart') && typeof Plotly !== 'undefined') drawHeads();
  if (document.getElementById('what-if-charts') && typeof Plotly !== 'undefined') drawWhatIf();
});
