'use strict';
// Charts by Plotly, which comes gzipped in the page, in the place of their drawings; these stay for printing.
async function unpack() {
  const packed = document.getElementById('plotly');
  if (!packed || typeof DecompressionStream === 'undefined') return false;
  const bytes = Uint8Array.from(atob(packed.textContent.trim()), c => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  const script = element('script', {});
  script.textContent = await new Response(stream).text();
  document.head.append(script);
  return typeof Plotly !== 'undefined';
}

function layout(x, y) {
  const ink = colour('--ink'), grid = colour('--grid'), rule = colour('--rule');
  const axis = text => ({title: {text}, gridcolor: grid, zerolinecolor: rule, linecolor: rule, automargin: true});
  return {modebar: {bgcolor: 'rgba(0,0,0,0)', color: colour('--soft'), activecolor: ink}, xaxis: axis(x), yaxis: axis(y),
    paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)', font: {color: ink, family: getComputedStyle(document.body).fontFamily, size: 13},
    margin: {l: 56, r: 14, t: 28, b: 46}, showlegend: false, hovermode: 'closest', height: 330, barmode: 'overlay'};
}
const SETTINGS = {responsive: true, displaylogo: false, modeBarButtons: [['toImage', 'zoom2d', 'pan2d', 'resetScale2d']]};

const SHAPES = ['circle', 'square', 'triangle-up', 'diamond'];
const RHYTHMS = ['solid', 'longdash', 'dot', 'longdashdot'];
const rhythmOf = run => run < 6 ? 'solid' : RHYTHMS[1 + (Math.floor(run / 6) - 1) % 3];

// Of bars above and at the right of a scatter.
function histograms(of, ink, meta) {
  const look = {marker: {color: ink}, opacity: 0.5, hoverinfo: 'skip', showlegend: false, meta};
  return [{type: 'histogram', x: of.x, yaxis: 'y2', ...look}, {type: 'histogram', y: of.y, xaxis: 'x2', ...look}];
}
function roomForHistograms(look) {
  look.xaxis.domain = look.yaxis.domain = [0, 0.85];
  for (const axis of ['xaxis2', 'yaxis2']) look[axis] = {domain: [0.88, 1], showticklabels: false, gridcolor: colour('--grid'), zeroline: false};
}

function tracesOf(chart) {
  return chart.series.flatMap((series, index) => {
    const {run, look, x, y, error} = series, ink = runColour(run);
    const trace = {type: 'scatter', mode: 'lines', x, y, meta: index, name: plotText(series.title), line: {color: ink, width: 2.2, dash: rhythmOf(run)},
      marker: {color: ink, size: 8, symbol: SHAPES[series.shape]}, cliponaxis: look === 'line' || look === 'faint', hoverinfo: series.title || series.text ? undefined : 'skip'};
    if (series.text) Object.assign(trace, {text: series.text.map(plotText), hovertemplate: '%{text}<extra></extra>'});
    else if (series.title) trace.hovertemplate = `${plotText(series.title)}: %{y:.4g} at %{x}<extra></extra>`;
    if (look === 'faint') Object.assign(trace, {opacity: 0.3, line: {color: ink, width: 1}});
    if (look === 'dashed' || look === 'hollow') trace.line = {color: ink, width: 1.7, dash: 'dash'};
    if (look === 'marked' || look === 'hollow') trace.mode = 'lines+markers';
    if (look === 'hollow') trace.marker.symbol += '-open';
    if (look === 'dots') Object.assign(trace, {mode: 'markers', opacity: 0.45, marker: {color: ink, size: 5, symbol: SHAPES[series.shape]}});
    if (look === 'points') trace.mode = 'markers';
    if (look === 'band') {
      const high = y.map((value, i) => value + error[i]), low = y.map((value, i) => value - error[i]);
      Object.assign(trace, {x: [...x, ...[...x].reverse()], y: [...high, ...low.reverse()], fill: 'toself', fillcolor: ink, opacity: 0.18, line: {width: 0}, hoverinfo: 'skip'});
      delete trace.hovertemplate;
    } else if (error) trace.error_y = {type: 'data', array: error, color: ink, thickness: 1.3, width: 3};
    return look === 'points' && chart.histograms ? [trace, ...histograms(series, ink, index)] : [trace];
  });
}

const figureOf = chart => document.querySelector(`figure[data-chart="${CSS.escape(chart.id)}"]`);
function addTable(chart) {
  const curves = chart.series.filter(series => series.look !== 'band' && series.look !== 'faint');
  const place = x => chart.integer_x ? Math.round(x) : x;  // several runs stand a little apart
  figureOf(chart).append(dataTable(chart.title, ['curve', chart.x_title, chart.y_title], () =>
    curves.flatMap(series => series.x.map((x, i) => [series.text?.[i] || series.title, place(x), series.y[i]]))));
}

function drawFigure(chart) {
  const figure = figureOf(chart);
  const place = figure.querySelector('.chart');
  let plot = place.querySelector('.plot');
  const look = layout(chart.x_title, chart.y_title);
  const range = of => of.map(value => chart.log_x && of === chart.x ? Math.log10(value) : value);
  Object.assign(look.xaxis, {range: range(chart.x), type: chart.log_x ? 'log' : 'linear', tickformat: chart.integer_x ? ',d' : ''});
  if (chart.x_ticks) Object.assign(look.xaxis, {tickvals: chart.x_ticks, ticktext: chart.x_ticks.map(String)});
  look.yaxis.range = chart.y;
  if (chart.histograms) roomForHistograms(look);
  if (chart.reference) {
    look.shapes = [{type: 'line', xref: 'paper', x0: 0, x1: chart.histograms ? 0.85 : 1, y0: chart.reference.y, y1: chart.reference.y, line: {dash: 'dot', width: 1.3, color: colour('--ink')}}];
    look.annotations = [{xref: 'paper', x: 0, y: chart.reference.y, text: chart.reference.label, showarrow: false, xanchor: 'left', yanchor: 'bottom'}];
  }
  if (!plot) {
    // Named by the drawing that it hides.
    plot = element('div', {class: 'plot', role: 'group', 'aria-labelledby': `${chart.id}-title`, 'aria-describedby': `${chart.id}-desc`});
    place.append(plot);
    place.classList.add('drawn');
    for (const entry of figure.querySelectorAll('.entry')) switchSeries(entry, plot, seriesOf(chart, Number(entry.dataset.series)));
  }
  const hidden = [...figure.querySelectorAll('.entry')].filter(entry => entry.getAttribute('aria-checked') === 'false')
    .flatMap(entry => seriesOf(chart, Number(entry.dataset.series)));
  Plotly.react(plot, tracesOf(chart).map(trace => hidden.includes(trace.meta) ? {...trace, visible: false} : trace), look, SETTINGS);
}

// A curve, and what goes with it: the band and the single runs of a mean, which stand before it without a title, and the
// dots of a run's heads.
function seriesOf(chart, index) {
  const all = [index];
  for (let i = index - 1; i >= 0 && !chart.series[i].title && chart.series[i].run === chart.series[index].run; --i) all.push(i);
  const {run, look} = chart.series[index];
  if (look === 'marked') chart.series.forEach((series, i) => { if (series.look === 'dots' && series.run === run) all.push(i); });
  return all;
}

// An entry of a legend that one can switch, by mouse or keyboard.
function asSwitch(entry, on, changed) {
  for (const [name, value] of [['role', 'switch'], ['tabindex', '0'], ['aria-checked', String(on)], ['aria-label', entry.textContent], ['title', 'Show or hide']]) entry.setAttribute(name, value);
  const change = () => {
    const now = entry.getAttribute('aria-checked') !== 'true';
    entry.setAttribute('aria-checked', String(now));
    changed(now);
  };
  entry.addEventListener('click', change);
  entry.addEventListener('keydown', event => { if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); change(); } });
}

// Hides its curve and shows it again.
function switchSeries(entry, plot, series) {
  asSwitch(entry, true, on => {
    const traces = plot.data.map((trace, i) => series.includes(trace.meta) ? i : -1).filter(i => i >= 0);
    Plotly.restyle(plot, {visible: on}, traces);
  });
}

async function drawCharts() {
  const heads = document.getElementById('heads-chart');
  DATA.charts.forEach(addTable);
  if (await unpack()) {
    const all = () => { DATA.charts.forEach(drawFigure); if (heads) drawHeads(); };
    all();
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', all);
  } else if (heads) drawHeads();
  document.documentElement.dataset.ready = 'yes';
}
