// Size of a request against its time to first token, by pool, with the size rule's threshold.
import uPlot from './uplot.js';
import {el, size, seconds, known, text, mark, percent, count} from './words.js';

// What a learned threshold is worth, by who decides.
const IN_FORCE = {cold: 'not yet in force', learned: 'in force', fallback: 'the fixed rule has taken over', shadow: 'recorded only'};

const MOST_POINTS = 1000;
const POOLS = ['paged', 'static', 'any'];

export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim();
}

// 1 to 9 times each power of ten in sight.
function lines(min, max) {
  const out = [];
  for (let e = Math.floor(Math.log10(min)); 10 ** e <= max; e++) {
    for (let m = 1; m < 10; m++) {
      const v = Number((m + 'e' + e));
      if (v >= min && v <= max) out.push(v);
    }
  }
  return out;
}

// Whole powers of ten are named; where few are in sight, twice and five times too.
function named(splits) {
  const lead = (v) => Number(v.toExponential(0)[0]);
  const tens = splits.filter((v) => lead(v) === 1).length;
  return splits.map((v) => (lead(v) === 1 || (tens < 3 && (lead(v) === 2 || lead(v) === 5)) ? v : null));
}

export class Scatter {
  #plot = null;
  #points = [];
  #threshold = null;
  #metric = 'body';
  #hover = -1;
  constructor(root, caption, hint, legend, open) {
    this.root = root;
    this.caption = caption;
    this.hint = hint;
    this.open = open;
    this.tip = el('div', {class: 'tip', hidden: true});
    legend.append(
      el('span', {}, mark('paged'), 'paged'),
      el('span', {}, mark('static'), 'static'),
      el('span', {}, el('i', {class: 'ring'}), 'failed or moved (ringed)'),
      el('span', {}, el('i', {class: 'dash'}), 'threshold'));
    new ResizeObserver(() => this.#resize()).observe(root);
  }

  show(state, model) {
    const rows = state.rows.filter((r) => known(r.ttft_seconds) && r.size > 0 && (!model || r.model === model)).slice(0, MOST_POINTS);
    this.#points = rows;
    this.#metric = state.router.metric;
    const of = model ? state.models.find((m) => m.model === model) : null;
    this.#threshold = of ? of.threshold : state.router.threshold;
    const by = {paged: 0, static: 0, any: 0};
    let against = 0;
    for (const r of rows) {
      by[r.pool || 'any']++;
      if ((r.pool === 'paged' && r.size > r.threshold) || (r.pool === 'static' && r.size <= r.threshold)) against++;
    }
    text(this.hint, rows.length ? 'the last ' + count(rows.length) + ' requests: ' + count(by.paged) + ' paged, ' + count(by.static) + ' static' + (by.any ? ', ' + count(by.any) + ' other' : '') : 'no request with an answer yet');
    const one = of || (state.models.length === 1 ? state.models[0] : null);
    const learned = one && known(one.threshold_learned) ? size(one.threshold_learned, this.#metric) + (IN_FORCE[one.decides] ? ', ' + IN_FORCE[one.decides] : '') : '–';
    const source = of && of.threshold_source === 'model' ? 'set for this model' : 'configured';
    text(this.caption, 'Threshold ' + source + ': ' + size(this.#threshold, this.#metric) + ' (up to it paged, above it static); learned: ' + learned + '. '
      + (rows.length ? percent(against / rows.length) + ' of these requests went against it.' : ''));
    this.#draw();
  }

  theme() {
    if (this.#plot) {
      this.#plot.destroy();
      this.#plot = null;
      this.#draw();
    }
  }

  #data() {
    const series = POOLS.map((p) => {
      const of = this.#points.filter((r) => (r.pool || 'any') === p);
      return [of.map((r) => r.size), of.map((r) => r.ttft_seconds)];
    });
    return [null, ...series];
  }

  #range(values, floor, extra) {
    const v = values.concat(extra).filter((x) => x > 0);
    if (!v.length) return floor;
    return [Math.min(...v) / 1.6, Math.max(...v) * 1.6];
  }

  #draw() {
    if (!this.#plot) this.#make();
    if (this.#plot) this.#plot.setData(this.#data());
  }

  #resize() {
    const w = this.root.clientWidth;
    if (this.#plot && w > 0) this.#plot.setSize({width: w, height: this.root.clientHeight});
    else this.#draw();
  }

  #make() {
    const width = this.root.clientWidth;
    if (!width) return;
    const self = this;
    const axis = {stroke: colour('muted'), grid: {stroke: colour('soft'), width: 1}, ticks: {stroke: colour('line'), width: 1}, font: '11px system-ui, sans-serif'};
    const shape = (u, k) => {
      const [xs, ys] = u.data[k];
      const ctx = u.ctx;
      const r = 3 * devicePixelRatio;
      const name = POOLS[k - 1];
      ctx.save();
      ctx.beginPath();
      ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
      ctx.clip();
      ctx.globalAlpha = 0.72;
      ctx.fillStyle = colour(name);
      for (let i = 0; i < xs.length; i++) {
        const x = u.valToPos(xs[i], 'x', true);
        const y = u.valToPos(ys[i], 'y', true);
        ctx.beginPath();
        if (name === 'static') ctx.rect(x - r, y - r, 2 * r, 2 * r);
        else ctx.arc(x, y, r, 0, 2 * Math.PI);
        ctx.fill();
      }
      ctx.restore();
      return null;
    };
    const log = {distr: 3, log: 10};
    this.#plot = new uPlot({
      mode: 2,
      width,
      height: this.root.clientHeight,
      padding: [8, 12, 0, 0],
      cursor: {drag: {x: false, y: false, setScale: false}, x: false, y: false, points: {show: false}},
      scales: {
        x: {time: false, ...log, range: () => self.#range(self.#points.map((r) => r.size), [100, 1e6], [self.#threshold])},
        y: {...log, range: () => self.#range(self.#points.map((r) => r.ttft_seconds), [0.001, 10], [])},
      },
      axes: [
        {...axis, size: 30, splits: (u, k, min, max) => lines(min, max), filter: (u, s) => named(s), values: (u, s) => s.map((v) => (v === null ? '' : size(v, self.#metric)))},
        {...axis, size: 62, splits: (u, k, min, max) => lines(min, max), filter: (u, s) => named(s), values: (u, s) => s.map((v) => (v === null ? '' : seconds(v)))},
      ],
      series: [null, ...POOLS.map((p) => ({label: p, paths: shape, facets: [{scale: 'x', auto: true}, {scale: 'y', auto: true}], points: {show: false}}))],
      hooks: {
        draw: [(u) => self.#over(u)],
        setCursor: [(u) => self.#near(u)],
      },
    }, this.#data(), this.root);
    this.root.style.position = 'relative';
    this.root.append(this.tip);
    this.#plot.over.addEventListener('click', () => {
      if (this.#hover >= 0) this.open(this.#points[this.#hover].request_id);
    });
    this.#plot.over.addEventListener('mouseleave', () => { this.tip.hidden = true; });
  }

  // The threshold, and rings around what failed or was moved.
  #over(u) {
    const ctx = u.ctx;
    const dpr = devicePixelRatio;
    ctx.save();
    ctx.beginPath();
    ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
    ctx.clip();
    ctx.strokeStyle = colour('bad');
    ctx.lineWidth = 1.5 * dpr;
    for (const r of this.#points) {
      if (r.outcome === 'ok' && r.attempts <= 1 && r.reason !== 'spill' && r.reason !== 'fit') continue;
      ctx.beginPath();
      ctx.arc(u.valToPos(r.size, 'x', true), u.valToPos(r.ttft_seconds, 'y', true), 6 * dpr, 0, 2 * Math.PI);
      ctx.stroke();
    }
    if (this.#threshold > 0) {
      const x = u.valToPos(this.#threshold, 'x', true);
      ctx.strokeStyle = colour('ink');
      ctx.setLineDash([6 * dpr, 4 * dpr]);
      ctx.lineWidth = 1.5 * dpr;
      ctx.beginPath();
      ctx.moveTo(x, u.bbox.top);
      ctx.lineTo(x, u.bbox.top + u.bbox.height);
      ctx.stroke();
      ctx.fillStyle = colour('ink');
      ctx.font = 11 * dpr + 'px system-ui, sans-serif';
      const label = size(this.#threshold, this.#metric);
      const right = x + 6 * dpr + ctx.measureText(label).width < u.bbox.left + u.bbox.width;
      ctx.textAlign = right ? 'left' : 'right';
      ctx.fillText(label, x + (right ? 6 : -6) * dpr, u.bbox.top + 14 * dpr);
    }
    ctx.restore();
  }

  #near(u) {
    const {left, top} = u.cursor;
    this.#hover = -1;
    let best = 14 * 14;
    if (left >= 0) {
      this.#points.forEach((r, k) => {
        const dx = u.valToPos(r.size, 'x') - left;
        const dy = u.valToPos(r.ttft_seconds, 'y') - top;
        if (dx * dx + dy * dy < best) {
          best = dx * dx + dy * dy;
          this.#hover = k;
        }
      });
    }
    const r = this.#points[this.#hover];
    this.tip.hidden = !r;
    u.over.style.cursor = r ? 'pointer' : '';
    if (r) {
      this.tip.replaceChildren(el('b', {}, mark(r.pool), ' ', r.instance || 'no instance'), size(r.size, this.#metric) + ', first token after ' + seconds(r.ttft_seconds), el('br'), (r.reason || r.outcome) + ', ' + r.status + ', click for more');
      const x = u.valToPos(r.size, 'x') + u.over.offsetLeft;
      const y = u.valToPos(r.ttft_seconds, 'y') + u.over.offsetTop;
      this.tip.style.left = Math.min(x + 10, this.root.clientWidth - this.tip.offsetWidth - 4) + 'px';
      this.tip.style.top = Math.max(0, y - this.tip.offsetHeight - 8) + 'px';
    }
  }
}
