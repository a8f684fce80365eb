'use strict';
// What the parts of the page share: its data, small elements, colours, and matrices out of text.
const DATA = JSON.parse(document.getElementById('data').textContent);

// element('p', {class: 'fine', text: '…'}, [children])
function element(name, attributes = {}, children = []) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === 'text') made.textContent = value;
    else if (key.startsWith('on')) made.addEventListener(key.slice(2), value);
    else if (value !== false && value !== null) made.setAttribute(key, value === true ? '' : value);
  }
  made.append(...children);
  return made;
}

// A labelled <select>; options are [value, text].
function choice(label, options, chosen, changed) {
  const select = element('select', {'aria-label': label, onchange: () => changed(select.value)},
    options.map(([value, text]) => element('option', {value, text, selected: String(value) === String(chosen)})));
  return element('label', {class: 'choice'}, [element('span', {text: label}), select]);
}

function tick(label, on, changed) {
  const box = element('input', {type: 'checkbox', 'aria-label': label, onchange: () => changed(box.checked)});
  box.checked = on;
  return element('label', {class: 'choice'}, [box, element('span', {text: label})]);
}

// New controls in the place of old ones; that which had the keyboard's focus keeps it.
function replaceControls(place, ...children) {
  const focused = place.contains(document.activeElement) && document.activeElement.getAttribute('aria-label');
  place.replaceChildren(...children);
  if (focused) [...place.querySelectorAll('[aria-label]')].find(child => child.getAttribute('aria-label') === focused)?.focus();
}

// Plotly reads tags and %{…} in what it shows.
const plotText = text => text && text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/%\{/g, '%\u200b{');

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
const runColour = index => colour(`--run-${index % 6}`);

// Bytes of a map [L · L] as entries: (byte / 255)^power · scale.
function matrixOf(text, scale, power) {
  const entries = Float32Array.from({length: 256}, (_, byte) => (byte / 255) ** power * scale);
  return Float32Array.from(atob(text), byte => entries[byte.charCodeAt(0)]);
}

// Row-major products of square matrices.
function product(a, b, n) {
  const out = new Float32Array(n * n);
  for (let i = 0; i < n; ++i)
    for (let k = 0; k < n; ++k) {
      const left = a[i * n + k];
      if (left === 0) continue;
      for (let j = 0; j < n; ++j) out[i * n + j] += left * b[k * n + j];
    }
  return out;
}

// G = Σ β^(t−1) A^t for t = 2 … K.
function indirect(a, n, discount, hops) {
  const sum = new Float32Array(n * n);
  let power = a, factor = 1;
  for (let t = 2; t <= hops; ++t) {
    power = product(power, a, n);
    factor *= discount;
    for (let i = 0; i < sum.length; ++i) sum[i] += factor * power[i];
  }
  return sum;
}

const shown = value => value === null || Number.isNaN(value) ? '–' : Number.isInteger(value) ? String(value) : Math.abs(value) < 0.001 ? value.toExponential(1) : value.toFixed(3);

const cellOf = (value, i) => i === 0 ? element('th', {scope: 'row'}, [value instanceof Node ? value : String(value)]) : element('td', {class: 'number', text: typeof value === 'number' || value === null ? shown(value) : value});
const rowsOf = rows => rows.map(row => element('tr', {}, row.map(cellOf)));
function plainTable(head, rows) {
  return element('table', {}, [element('thead', {}, [element('tr', {}, head.map((text, i) => element('th', {scope: 'col', class: i ? 'number' : null, text})))]), element('tbody', {}, rowsOf(rows))]);
}

// A table that a screen reader, and everyone else, can read in the place of a chart; its rows are made when it is opened.
function dataTable(caption, head, rows, open = false) {
  const table = plainTable(head, []);
  const details = element('details', {class: 'data', open, ontoggle: () => {
    if (details.open && !table.tBodies[0].rows.length) table.tBodies[0].append(...rowsOf(rows()));
  }}, [element('summary', {text: `${caption}: as a table`}), element('div', {class: 'scroll', tabindex: '0'}, [table])]);
  return details;
}

// Such a table in the place of the one before, open if that was.
function replaceTable(place, caption, head, rows) {
  place.replaceChildren(dataTable(caption, head, rows, Boolean(place.querySelector('details')?.open)));
}

addEventListener('beforeprint', () => document.querySelectorAll('details.folded').forEach(details => { details.open = true; }));
