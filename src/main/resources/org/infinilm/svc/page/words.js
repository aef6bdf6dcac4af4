// Numbers and times in words. What is not known is a dash, never zero.

export const DASH = '–';

export function known(x) {
  return x !== null && x !== undefined && !Number.isNaN(x);
}

export function count(x) {
  return known(x) ? Math.round(x).toLocaleString('en') : DASH;
}

// A rate, with a digit after the point while it is small.
export function rate(x) {
  if (!known(x)) return DASH;
  if (x >= 10000) return (x / 1000).toFixed(x >= 100000 ? 0 : 1) + 'k';
  return x >= 100 ? count(x) : x >= 10 ? x.toFixed(1) : x.toFixed(x > 0 && x < 1 ? 2 : 1);
}

export function seconds(x) {
  if (!known(x)) return DASH;
  if (x === 0) return '0 ms';
  if (x < 0.001) return (x * 1e6).toFixed(0) + ' µs';
  if (x < 0.01) return (x * 1e3).toFixed(1) + ' ms';
  if (x < 1) return (x * 1e3).toFixed(0) + ' ms';
  if (x < 100) return x.toFixed(x < 10 ? 2 : 1) + ' s';
  return span(x);
}

// A long time: 4 min 10 s, 3 h 2 min, 5 d 1 h.
export function span(x) {
  if (!known(x)) return DASH;
  const s = Math.max(0, Math.round(x));
  if (s < 60) return s + ' s';
  if (s < 3600) return Math.floor(s / 60) + ' min' + (s < 600 ? ' ' + (s % 60) + ' s' : '');
  if (s < 86400) return Math.floor(s / 3600) + ' h ' + Math.floor((s % 3600) / 60) + ' min';
  return Math.floor(s / 86400) + ' d ' + Math.floor((s % 86400) / 3600) + ' h';
}

export function bytes(x) {
  if (!known(x)) return DASH;
  if (x < 1000) return x + ' B';
  if (x < 1e6) return (x / 1e3).toFixed(x < 1e4 && x % 1e3 ? 1 : 0) + ' kB';
  return (x / 1e6).toFixed(1) + ' MB';
}

// A size in the unit of the router's metric.
export function size(x, metric) {
  return metric === 'tokens' ? (known(x) ? count(x) + ' tok' : DASH) : bytes(x);
}

export function percent(x) {
  return known(x) ? (x * 100).toFixed(x > 0 && x < 0.1 ? 1 : 0) + ' %' : DASH;
}

export function clock(ms) {
  return known(ms) ? new Date(ms).toLocaleTimeString([], {hour12: false}) : DASH;
}

export function plural(n, one, many) {
  return count(n) + ' ' + (n === 1 ? one : many || one + 's');
}

// An element with text; everything from outside becomes text here and nowhere else.
export function el(tag, attributes, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attributes || {})) {
    if (v === null || v === undefined || v === false) continue;
    if (k.startsWith('on')) e.addEventListener(k.slice(2), v);
    else e.setAttribute(k, v === true ? '' : String(v));
  }
  for (const c of children.flat()) {
    if (c === null || c === undefined || c === false) continue;
    e.append(c instanceof Node ? c : String(c));
  }
  return e;
}

export function text(e, value) {
  const s = String(value);
  if (e && e.textContent !== s) e.textContent = s;
}

// The mark of a pool: a shape of its own beside its colour.
export function mark(pool) {
  return el('span', {class: 'mark ' + (pool || 'any'), 'aria-hidden': 'true'});
}

export function poolWord(pool) {
  return pool === 'any' || !pool ? 'no cache type' : pool;
}
