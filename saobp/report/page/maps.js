'use strict';
// Attention maps on a canvas: run, sequence, layer, head; before, after, difference, G; tokens or words; tokens picked in the
// map; and the chains of hops between two tokens.
const MAPS = DATA.runs.flatMap(run => run.maps.map(map => ({run: run.name, map})));

function mapState() {
  return {of: 0, sequence: 0, layer: 0, head: 0, view: 'B', words: false, hideSpecial: false, filter: 'all', picked: [], weighted: false, at: [0, 0]};
}
const state = mapState();

const current = () => MAPS[state.of];
const sequenceOf = () => current().map.sequences[state.sequence];

// One head's matrix of one view, from the bytes.
function headMatrix(sequence, layer, head, view, n) {
  const read = which => {
    const part = sequence[which] || sequence.B;
    return matrixOf(part.bytes[layer][head], part.scale[layer][head], current().map.power ?? 1);
  };
  if (view === 'difference') {
    const before = read('A'), after = read('B');
    return after.map((value, i) => value - before[i]);
  }
  const {gtd_discount: discount = 0.9, gtd_hops: hops = 4} = current().map;
  if (view === 'G') return indirect(read('B'), n, discount, hops);
  return read(view);
}

// Of a pair: which text looks, and which is looked at.
const FILTERS = {all: [null, null], pair: [0, 1], back: [1, 0]};

// The tokens, or words, that are shown, each the places of its tokens; without special ones where these are hidden.
function groupsOf(sequence) {
  const groups = new Map();
  sequence.tokens.forEach((_, i) => {
    if (state.hideSpecial && sequence.special[i]) return;
    const key = state.words ? `w${sequence.words[i]}` : i;
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(i);
  });
  return [...groups.values()];
}

// Of a word the columns of its pieces are added up and their rows averaged.
function merged(values, n, rows, columns) {
  const cells = new Float32Array(rows.length * columns.length);
  rows.forEach((row, r) => columns.forEach((column, c) => {
    let sum = 0;
    for (const i of row) for (const j of column) sum += values[i * n + j];
    cells[r * columns.length + c] = sum / row.length;
  }));
  return cells;
}

const labelOf = (sequence, group) => group.map(i => sequence.tokens[i].replace(/^##/, '').replace(/^Ġ/, '')).join('');

// What of the matrix is shown; of a pair it may be what one text looks at in the other.
function shownPart(sequence, values) {
  const all = groupsOf(sequence);
  const [looking, lookedAt] = FILTERS[state.filter];
  const rows = all.filter(g => looking === null || sequence.types[g[0]] === looking);
  const columns = all.filter(g => lookedAt === null || sequence.types[g[0]] === lookedAt);
  const label = group => labelOf(sequence, group);
  return {rows, columns, cells: merged(values, sequence.tokens.length, rows, columns), rowLabels: rows.map(label), columnLabels: columns.map(label)};
}

// The page's colours of none and of much, and of differences less and more; on paper the light ones, as all colours are there.
const SHADES = {light: {none: [255, 255, 255], much: [0, 67, 178], less: [0, 114, 178], more: [213, 94, 0]},
  dark: {none: [20, 23, 27], much: [168, 218, 255], less: [92, 184, 238], more: [255, 122, 92]}};
const darkScheme = matchMedia('(prefers-color-scheme: dark)');
let printing = false;

function shade(value, most, {none, much, less, more}, signed) {
  const share = most > 0 ? Math.min(1, Math.abs(value) / most) : 0;
  const full = !signed ? much : value < 0 ? less : more;
  return none.map((part, i) => part + (full[i] - part) * share);
}

function paint(canvas, cells, rows, columns, signed) {
  canvas.width = Math.max(1, columns);
  canvas.height = Math.max(1, rows);
  const context = canvas.getContext('2d');
  const image = context.createImageData(canvas.width, canvas.height);
  const shades = SHADES[darkScheme.matches && !printing ? 'dark' : 'light'];
  let most = 0;
  for (const value of cells) most = Math.max(most, Math.abs(value));
  cells.forEach((value, i) => {
    const [r, g, b] = shade(value, most, shades, signed);
    image.data.set([Math.round(r), Math.round(g), Math.round(b), 255], 4 * i);
  });
  context.putImageData(image, 0, 0);
  return most;
}

// At most 40 × 40 cells, each the largest entry of its block: a column that one key fills is seen however small the picture.
function pooled(values, n) {
  const size = Math.min(n, 40);
  const cells = new Float32Array(size * size);
  for (let i = 0; i < n; ++i)
    for (let j = 0; j < n; ++j) {
      const at = Math.floor(i * size / n) * size + Math.floor(j * size / n);
      if (Math.abs(values[i * n + j]) > Math.abs(cells[at])) cells[at] = values[i * n + j];
    }
  return {cells, size};
}

function drawThumbnails() {
  const sequence = sequenceOf(), map = current().map, n = sequence.tokens.length;
  const grid = document.getElementById('map-heads');
  grid.style.gridTemplateColumns = `repeat(${map.heads}, minmax(0, 1fr))`;
  const thumbs = [];
  const view = state.view === 'G' ? 'B' : state.view;  // of all heads at once G would take long
  document.getElementById('map-heads-title').textContent = state.view === 'G' ? 'All heads, of which B is shown' : 'All heads';
  for (let layer = 0; layer < map.layers; ++layer)
    for (let head = 0; head < map.heads; ++head) {
      const canvas = element('canvas', {});
      const small = pooled(headMatrix(sequence, layer, head, view, n), n);
      paint(canvas, small.cells, small.size, small.size, view === 'difference');
      const here = layer === state.layer && head === state.head;
      thumbs.push(element('button', {class: here ? 'thumb here' : 'thumb', 'aria-label': `layer ${layer} head ${head}`, 'aria-pressed': String(here),
        title: `layer ${layer} head ${head}`, onclick: () => { state.layer = layer; state.head = head; drawMaps(); }}, [canvas]));
    }
  replaceControls(grid, ...thumbs);
}

function drawMap() {
  const sequence = sequenceOf(), n = sequence.tokens.length;
  const values = headMatrix(sequence, state.layer, state.head, state.view, n);
  const part = shownPart(sequence, values), signed = state.view === 'difference';
  if (!part.rows.length || !part.columns.length) {  // nothing but special tokens, which are hidden
    Object.assign(state, {hideSpecial: false, filter: 'all'});
    return drawMaps();
  }
  const canvas = document.getElementById('map'), most = paint(canvas, part.cells, part.rows.length, part.columns.length, signed);
  const scale = signed ? `Red: more after refinement, blue: less; the largest change is ${shown(part.cells.find(value => Math.abs(value) === most) ?? 0)}` : `Largest entry ${shown(most)}`;
  canvas.setAttribute('aria-label', `${state.view} of layer ${state.layer} head ${state.head}: ${part.rows.length} rows, ${part.columns.length} columns. ${scale}`);
  const place = event => {
    const box = canvas.getBoundingClientRect();
    return [Math.min(part.rows.length - 1, Math.floor((event.clientY - box.top) / box.height * part.rows.length)),
      Math.min(part.columns.length - 1, Math.floor((event.clientX - box.left) / box.width * part.columns.length))];
  };
  const hover = document.getElementById('map-hover');
  hover.textContent = `${scale}. Rows look, columns are looked at; point at an entry, or move there with the arrow keys; a click or Enter picks the row's token.`;
  const tell = ([r, c]) => {
    const picked = part.rows[r].some(i => state.picked.includes(i)) ? ', picked' : '';
    hover.textContent = `${part.rowLabels[r]} (${part.rows[r][0]}) → ${part.columnLabels[c]} (${part.columns[c][0]}): ${shown(part.cells[r * part.columns.length + c])}${picked}`;
  };
  canvas.onmousemove = event => tell(place(event));
  canvas.onclick = event => pick(part.rows[place(event)[0]]);
  // By keyboard: arrows move from entry to entry, Enter picks the row's token.
  const cursor = document.getElementById('map-cursor');
  const point = () => {
    const [r, c] = state.at = [Math.min(state.at[0], part.rows.length - 1), Math.min(state.at[1], part.columns.length - 1)];
    cursor.style.cssText = `left: ${100 * c / part.columns.length}%; top: ${100 * r / part.rows.length}%; width: ${100 / part.columns.length}%; height: ${100 / part.rows.length}%`;
    return [r, c];
  };
  const STEPS = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1]};
  canvas.onkeydown = event => {
    if (event.key === 'Enter' || event.key === ' ') {
      pick(part.rows[point()[0]]);
      tell(state.at);  // the map was drawn anew, with words for all of it
    } else if (STEPS[event.key]) {
      state.at = state.at.map((value, axis) => Math.max(0, value + STEPS[event.key][axis]));
      tell(point());
    } else return;
    event.preventDefault();
  };
  point();
  replaceTable(document.getElementById('map-table'), 'The largest entries', ['from', 'to', 'entry'], () => largestOf(part, 100));
  drawPicked(part);
  drawPaths(sequence, n);
}

// [row's token, column's token, entry], the largest first.
function largestOf(part, count) {
  const columns = part.columns.length, name = (label, group) => `${label} (${group[0]})`;
  return [...part.cells.keys()].sort((a, b) => Math.abs(part.cells[b]) - Math.abs(part.cells[a])).slice(0, count).map(i => {
    const r = Math.floor(i / columns), c = i % columns;
    return [name(part.rowLabels[r], part.rows[r]), name(part.columnLabels[c], part.columns[c]), part.cells[i]];
  });
}

// Picks a token, or the first piece of a word; one of which a piece is picked is put back.
function pick(group) {
  const others = state.picked.filter(token => !group.includes(token));
  state.picked = others.length < state.picked.length ? others : [...others, group[0]];
  drawMap();
}

// Tokens as buttons; those picked share out what they look at, the mean over them.
function drawPicked(part) {
  const picked = part.rows.map((group, r) => group.some(i => state.picked.includes(i)) ? r : -1).filter(r => r >= 0);
  const share = part.columns.map((_, c) => picked.reduce((sum, r) => sum + part.cells[r * part.columns.length + c], 0) / Math.max(1, picked.length));
  const most = Math.max(1e-9, ...share.map(Math.abs));
  // From one text to the other: the tokens of both, in their order.
  const looking = part.rows.map((group, r) => [group, part.rowLabels[r]]), lookedAt = part.columns.map((group, c) => [group, part.columnLabels[c]]);
  const tokens = state.filter === 'all' ? looking : state.filter === 'pair' ? [...looking, ...lookedAt] : [...lookedAt, ...looking];
  replaceControls(document.getElementById('map-tokens'), ...tokens.map(([group, label]) => {
    const column = part.columns.findIndex(g => g[0] === group[0]);
    const value = picked.length && column >= 0 ? share[column] : 0;
    return element('button', {class: 'token', 'aria-pressed': String(group.some(i => state.picked.includes(i))), 'aria-label': `${label}, token ${group[0]}`, onclick: () => pick(group), text: label,
      style: `--share: ${Math.max(0, value / most).toFixed(3)}`, title: picked.length && column >= 0 ? `${shown(value)} of what the picked tokens look at` : 'pick'});
  }));
}

// The chains of two to four hops from one token to another that carry most: products of entries of B, or of entries weighted
// by what the token passes on, ‖v W_O‖. A best chain begins with one of the best to the token before its last, so that of each
// hop the best to each token are all that is kept.
function bestPaths(values, n, from, to, hops, count) {
  let best = [[from, [{path: [from], mass: 1}]]];  // of each token that can be reached
  for (let hop = 1; hop <= hops; ++hop) {
    const next = [];
    for (let k = 0; k < n; ++k) {
      if (hop === hops && k !== to) continue;
      const found = best.flatMap(([last, chains]) => chains.map(chain => ({chain, mass: chain.mass * values[last * n + k]}))).filter(each => each.mass > 0);
      found.sort((a, b) => b.mass - a.mass);
      if (found.length) next.push([k, found.slice(0, count).map(({chain, mass}) => ({path: [...chain.path, k], mass}))]);
    }
    best = next;
  }
  return best.length ? best[0][1] : [];
}

// Over what the map shows of all tokens: words as one, and no chain through special tokens that are hidden.
function drawPaths(sequence, n) {
  const out = document.getElementById('map-paths');
  const groups = groupsOf(sequence);
  const picked = [...new Set(state.picked.map(token => groups.findIndex(group => group.includes(token))))].filter(at => at >= 0);
  if (picked.length < 2) {
    out.replaceChildren(element('p', {class: 'fine', text: 'Pick two tokens to see the chains of hops from the first to the second, over the tokens or words that the map shows.'}));
    return;
  }
  const [from, to] = picked.slice(-2);
  const labels = groups.map(group => labelOf(sequence, group));
  const places = groups.map((group, at) => `${labels[at]} (${group[0]})`);
  const times = new Map();
  for (const label of labels) times.set(label, (times.get(label) || 0) + 1);
  const name = at => times.get(labels[at]) > 1 ? places[at] : labels[at];
  const values = headMatrix(sequence, state.layer, state.head, 'B', n);
  if (state.weighted) {
    const norms = sequence.norms[state.layer][state.head];
    for (let i = 0; i < n; ++i) for (let k = 0; k < n; ++k) values[i * n + k] *= norms[k];
  }
  const hop = merged(values, n, groups, groups);
  const rows = [];
  for (const hops of [2, 3, 4])
    for (const {path, mass} of bestPaths(hop, groups.length, from, to, hops, 3))
      rows.push([path.map(name).join(' → '), String(hops), shown(mass)]);
  if (!rows.length) {
    replaceControls(out, element('p', {class: 'fine', text: `No chain leads from ${places[from]} to ${places[to]} in this head${from < to ? ': where tokens look back alone, pick the later one first' : ''}.`}));
    return;
  }
  replaceControls(out,
    tick('weighted by what each token passes on, ‖v W_O‖', state.weighted, on => { state.weighted = on; drawMap(); }),
    element('table', {}, [element('thead', {}, [element('tr', {}, ['chain in this head', 'hops', 'mass'].map(text => element('th', {scope: 'col', text})))]),
      element('tbody', {}, rows.map(row => element('tr', {}, row.map(text => element('td', {text})))))]));
}

function drawMaps() {
  const {map} = current(), sequence = sequenceOf();
  state.layer = Math.min(state.layer, map.layers - 1);
  state.head = Math.min(state.head, map.heads - 1);
  const refined = Boolean(sequence.A);
  if (!refined && (state.view === 'A' || state.view === 'difference')) state.view = 'B';
  const redraw = (key, read = Number) => value => { state[key] = read(value); drawMaps(); };
  const numbers = count => [...Array(count).keys()].map(i => [i, String(i)]);
  const pairs = sequence.types.some(type => type === 1);
  if (!pairs) state.filter = 'all';
  replaceControls(document.getElementById('map-controls'),
    choice('run', MAPS.map((m, i) => [i, `${m.run}: ${m.map.text}`]), state.of, value => { state.of = Number(value); state.sequence = 0; state.picked = []; drawMaps(); }),
    choice('sequence', map.sequences.map((s, i) => [i, `${s.id}: ${s.tokens.slice(s.special[0], 7).join(' ')} …`]), state.sequence, value => { state.sequence = Number(value); state.picked = []; drawMaps(); }),
    choice('layer', numbers(map.layers), state.layer, redraw('layer')),
    choice('head', numbers(map.heads), state.head, redraw('head')),
    choice('matrix', refined ? [['A', 'A: before refinement'], ['B', 'B: after refinement'], ['difference', 'B − A'], ['G', 'G: indirect']] : [['B', 'A = B'], ['G', 'G: indirect']], state.view, redraw('view', String)),
    tick('words', state.words, redraw('words', Boolean)),
    tick('hide special tokens', state.hideSpecial, redraw('hideSpecial', Boolean)),
    ...(pairs ? [choice('show', [['all', 'all tokens'], ['pair', 'first text → second'], ['back', 'second text → first']], state.filter, redraw('filter', String))] : []));
  drawThumbnails();
  drawMap();
}

if (MAPS.length) {
  const repaint = () => { drawThumbnails(); drawMap(); };
  drawMaps();
  darkScheme.addEventListener('change', repaint);
  for (const event of ['beforeprint', 'afterprint']) addEventListener(event, () => {
    printing = event === 'beforeprint';
    if (darkScheme.matches) repaint();
  });
}
