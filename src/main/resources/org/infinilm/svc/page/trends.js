// Three courses over the last quarter of an hour, or over hours.
import uPlot from './uplot.js';
import {el, rate, seconds, text} from './words.js';
import {colour} from './scatter.js';

const REASONS = ['size', 'only', 'policy', 'learned', 'affinity', 'fit', 'tier', 'empty-pool', 'spill', 'retry'];
const SHADES = {
  size: ['#7f93ad', '#5c708c'], only: ['#b6c0cc', '#3c4654'], policy: ['#9aa7b5', '#4f5c6c'], learned: ['#4a9c7d', '#57c7a0'], affinity: ['#2a8f9e', '#4fc0cf'],
  fit: ['#7b5cc4', '#a78bfa'], tier: ['#8d6e4f', '#c9a27a'], 'empty-pool': ['#b8528f', '#e58bc0'], spill: ['#d08a1d', '#f2b950'], retry: ['#b42025', '#ff8a8f'],
};

function dark() {
  return getComputedStyle(document.documentElement).colorScheme === 'dark';
}

export class Trends {
  #plots = new Map();
  #shown = '';
  constructor(rateRoot, ttftRoot, reasonsRoot, legend) {
    this.roots = {rate: rateRoot, ttft: ttftRoot, reasons: reasonsRoot};
    this.legend = legend;
    for (const r of Object.values(this.roots)) new ResizeObserver(() => this.#resize()).observe(r);
  }

  show(state) {
    this.state = state;
    const T = state.trend;
    const hours = !!state.minutes;
    this.hours = hours;
    const names = state.pools.map((p) => p.pool);
    const reasons = REASONS.filter((r) => T.reasons.has(r));
    const key = names.join() + '|' + reasons.join() + '|' + dark() + '|' + (state.minutes || 0);
    if (key !== this.#shown) {
      this.#destroy();
      this.#shown = key;
    }
    const since = T.t.length ? T.t[T.t.length - 1] - 900 : 0;
    this.window = hours ? [T.t[0], T.t[T.t.length - 1]] : [Math.max(since, T.t.length ? Math.min(T.t[0], T.t[T.t.length - 1] - 60) : 0), T.t.length ? T.t[T.t.length - 1] : 1];
    this.#set('rate', [T.t, ...names.map((n) => T[n])], () => names.map((n) => this.#line(n)), rate);
    const medians = hours ? names.map((n) => T.p50[n]) : [];
    this.#set('ttft', [T.t, ...names.map((n) => T.ttft[n]), ...medians], () => [...names.map((n) => this.#line(n)), ...(hours ? names.map((n) => this.#median(n)) : [])], seconds);
    // stacked from the first reason up, drawn from the whole down
    const sums = T.t.map(() => 0);
    const layers = reasons.map((r) => T.reasons.get(r).map((n, k) => (n === null ? null : (sums[k] += n))));
    this.#set('reasons', [T.t, ...layers.reverse()], () => [...reasons].reverse().map((r) => this.#area(r)), (v) => String(Math.round(v)));
    this.legend.replaceChildren(...reasons.map((r) => {
      const i = el('i');
      i.style.background = SHADES[r][dark() ? 1 : 0];
      return el('span', {}, i, r, el('b', {}, String(state.reasons[r] ?? 0)));
    }));
  }

  theme() {
    this.#destroy();
    if (this.state) this.show(this.state);
  }

  #line(pool) {
    return {label: pool, stroke: colour(pool), width: 1.75, points: this.#points(), spanGaps: false, dash: pool === 'static' ? [7, 3] : undefined, fill: pool === 'paged' ? colour('paged') + '18' : undefined};
  }

  // A minute between two of which nothing is known is a point.
  #points() {
    return this.hours ? {show: true, size: 3} : {show: false};
  }

  #median(pool) {
    return {label: pool + ' p50', stroke: colour(pool), width: 1, points: this.#points(), spanGaps: false, dash: [2, 3]};
  }

  #area(reason) {
    const c = SHADES[reason][dark() ? 1 : 0];
    return {label: reason, stroke: c, fill: c, width: 0, points: {show: false}, paths: uPlot.paths.stepped({align: 1})};
  }

  #set(name, data, series, words) {
    const root = this.roots[name];
    if (!root.clientWidth || data[0].length === 0) return;
    let p = this.#plots.get(name);
    if (!p) {
      const axis = {stroke: colour('muted'), grid: {stroke: colour('soft'), width: 1}, ticks: {show: false}, font: '11px system-ui, sans-serif'};
      p = new uPlot({
        width: root.clientWidth,
        height: root.clientHeight,
        padding: [8, 22, 0, 0],
        cursor: {drag: {x: false, y: false}, points: {size: 6}},
        legend: {show: false},
        scales: {x: {range: () => this.window}, y: {range: (u, min, max) => [0, max > 0 ? max * 1.15 : 1]}},
        axes: [
          {...axis, values: (u, s) => s.map((v) => new Date(v * 1000).toLocaleTimeString([], {hour12: false, hour: '2-digit', minute: '2-digit', ...(this.hours ? {} : {second: '2-digit'})})), space: 90, size: 30},
          {...axis, size: 56, values: (u, s) => s.map(words), space: 34},
        ],
        series: [{}, ...series()],
        hooks: {setCursor: [(u) => this.#tip(name, u, words)]},
      }, data, root);
      root.style.position = 'relative';
      p.tip = el('div', {class: 'tip', hidden: true});
      root.append(p.tip);
      p.over.addEventListener('mouseleave', () => { p.tip.hidden = true; });
      this.#plots.set(name, p);
    } else {
      p.setData(data);
    }
  }

  #tip(name, u, words) {
    const k = u.cursor.idx;
    if (!u.tip || k === null || k === undefined || u.cursor.left < 0) return;
    const lines = [el('b', {}, new Date(u.data[0][k] * 1000).toLocaleTimeString([], {hour12: false}))];
    for (let s = 1; s < u.series.length; s++) {
      let v = u.data[s][k];
      if (name === 'reasons' && s + 1 < u.series.length) v -= u.data[s + 1][k];
      if (name !== 'reasons' || v > 0) lines.push(el('div', {}, u.series[s].label + ': ' + (v === null || v === undefined ? '–' : words(v))));
    }
    u.tip.replaceChildren(...lines);
    u.tip.hidden = false;
    u.tip.style.left = Math.min(u.cursor.left + 70, this.roots[name].clientWidth - u.tip.offsetWidth - 4) + 'px';
    u.tip.style.top = '6px';
  }

  #resize() {
    for (const [name, p] of this.#plots) {
      const r = this.roots[name];
      if (r.clientWidth) p.setSize({width: r.clientWidth, height: r.clientHeight});
    }
  }

  #destroy() {
    for (const p of this.#plots.values()) {
      p.tip.remove();
      p.destroy();
    }
    this.#plots.clear();
    this.#shown = '';
  }
}
