// What the page knows: the last snapshot with all changes since. Plain data, no page.

const MOST_ROWS = 2000;
const MOST_EVENTS = 256;
const SMOOTH = 5; // ticks that a shown rate is the average of
const STEP = 2; // seconds between points of the trends
const TTFT_WINDOW = 10; // seconds of requests that a point of TTFT is of
const MOST_STEPS = 450; // 15 minutes
const MOST_AWAY = 10; // seconds without data that are no gap

export class State {
  router = {};
  summary = null;
  pools = [];
  flights = null;
  reasons = {};
  instances = new Map();
  rows = []; // newest first
  errors = [];
  events = []; // newest first
  models = [];
  keys = []; // of clients, those of most requests
  sources = []; // of instances
  routers = null; // that share them
  epochMillis = 0;
  #lately = new Map(); // the last rates of each pool
  trend = {t: [], paged: [], static: [], any: [], ttft: {paged: [], static: [], any: []}, reasons: new Map()};
  #reasonsBefore = null;
  #heard = 0; // when the last word came, seconds of the router's clock

  take(name, d) {
    const whole = name === 'snapshot';
    if (!whole && !this.summary) return;
    this.epochMillis = d.epoch_ms;
    this.summary = d.summary;
    this.pools = d.pools;
    if (!whole) for (const p of d.pools) this.#smooth(p);
    this.flights = d.flights;
    this.sources = d.sources || [];
    this.routers = d.routers || null;
    if (whole) {
      this.router = d.router;
      this.instances = new Map();
      this.rows = [];
      this.events = [];
    }
    for (const i of d.instances) this.instances.set(i.name, i);
    for (const n of d.instances_gone || []) this.instances.delete(n);
    for (const r of d.decisions) this.#place(r);
    this.#forget(d.epoch_ms);
    if (whole && !this.trend.t.length) this.#prefill(d.decisions, d.epoch_ms);
    this.#rows(d.decisions);
    if (d.errors) this.errors = d.errors;
    if (d.router) this.router = d.router;
    if (d.models) this.models = d.models;
    if (d.keys) this.keys = d.keys;
    if (d.events) this.#events(d.events);
    if (!whole) this.#step(d);
    this.reasons = d.reasons;
    if (whole) this.#reasonsBefore = d.reasons;
  }

  // Adds the averages of the last ticks, which a person can read.
  #smooth(p) {
    const list = this.#lately.get(p.pool) || [];
    this.#lately.set(p.pool, list);
    list.push({requests: p.requests_per_second, ...p.tokens_per_second});
    if (list.length > SMOOTH) list.shift();
    p.shown = {};
    for (const k of ['requests', 'prompt', 'completion']) {
      const known = list.map((r) => r[k]).filter((x) => x !== null && x !== undefined);
      p.shown[k] = known.length ? known.reduce((a, b) => a + b) / known.length : null;
    }
  }

  // Policies that choose from all say no pool; the instance has one.
  #place(r) {
    r.ms = Date.parse(r.time);
    if (r.instance && (!r.pool || r.pool === 'any')) r.pool = this.instances.get(r.instance)?.pool || 'any';
  }

  #rows(rows) {
    if (!rows.length) return;
    const seen = new Set(this.rows.slice(0, 1200).map((r) => r.sequence));
    const fresh = rows.filter((r) => !seen.has(r.sequence));
    this.rows = fresh.concat(this.rows).slice(0, MOST_ROWS);
  }

  #events(events) {
    const last = this.events.length ? this.events[0].sequence : 0;
    const fresh = events.filter((e) => e.sequence > last).reverse();
    this.events = fresh.concat(this.events).slice(0, MOST_EVENTS);
  }

  // After a time without data: what is too old goes, and between what stays and what comes is a gap. Where the
  // clock has gone back all begins anew.
  #forget(now) {
    const T = this.trend;
    const n = T.t.length;
    const heard = this.#heard;
    this.#heard = now / 1000;
    if (!n || Math.abs(now / 1000 - heard) <= MOST_AWAY) return;
    const back = now / 1000 < heard;
    const old = T.t.filter((t) => back || t < now / 1000 - MOST_STEPS * STEP).length;
    for (const list of [T.t, T.paged, T.static, T.any, ...Object.values(T.ttft), ...T.reasons.values()]) list.splice(0, old);
    if (T.t.length) this.#push(T.t[T.t.length - 1] + STEP, {}, {}, {});
  }

  // The trends so far, from the rows that the router still has.
  #prefill(rows, now) {
    const end = Math.floor(now / 1000 / STEP) * STEP;
    const steps = Math.min(MOST_STEPS, 150);
    if (!rows.length) return;
    const first = Math.min(...rows.map((r) => r.ms)) / 1000;
    const buckets = new Map();
    for (const r of rows) {
      const t = Math.floor(r.ms / 1000 / STEP) * STEP;
      if (!buckets.has(t)) buckets.set(t, []);
      buckets.get(t).push(r);
    }
    for (let t = Math.max(end - steps * STEP, Math.floor(first / STEP) * STEP); t < end; t += STEP) {
      const of = buckets.get(t) || [];
      const rates = {};
      for (const p of ['paged', 'static', 'any']) rates[p] = of.filter((r) => r.pool === p).length / STEP;
      const reasons = {};
      for (const r of of) if (r.reason) reasons[r.reason] = (reasons[r.reason] || 0) + 1;
      this.#push(t, rates, this.#ttft(rows, (t + STEP) * 1000), reasons);
    }
  }

  // p95 by pool of the requests that ended lately.
  #ttft(rows, now) {
    const out = {};
    for (const p of ['paged', 'static', 'any']) {
      const values = [];
      for (const r of rows) {
        const age = now - r.ms;
        if (age > TTFT_WINDOW * 1000 + 60000) break;
        if (age >= 0 && age <= TTFT_WINDOW * 1000 && r.pool === p && r.outcome === 'ok' && r.ttft_seconds) values.push(r.ttft_seconds);
      }
      values.sort((a, b) => a - b);
      out[p] = values.length ? values[Math.ceil(0.95 * values.length) - 1] : null;
    }
    return out;
  }

  #step(d) {
    const last = this.trend.t[this.trend.t.length - 1] ?? 0;
    const t = Math.max(last, Math.floor(d.epoch_ms / 1000 / STEP) * STEP);
    const before = this.#reasonsBefore || d.reasons;
    const delta = {};
    for (const [k, n] of Object.entries(d.reasons)) {
      const more = n - (before[k] || 0);
      if (more > 0) delta[k] = more;
    }
    this.#reasonsBefore = d.reasons;
    const rates = {};
    for (const p of d.pools) rates[p.pool] = p.requests_per_second;
    this.#push(t, rates, this.#ttft(this.rows, d.epoch_ms), delta);
  }

  #push(t, rates, ttft, reasons) {
    const T = this.trend;
    const n = T.t.length;
    if (n && T.t[n - 1] === t) {
      for (const p of ['paged', 'static', 'any']) {
        if (rates[p] !== undefined) T[p][n - 1] = rates[p] ?? null;
        if (ttft[p] !== undefined) T.ttft[p][n - 1] = ttft[p] ?? null;
      }
      for (const [k, v] of Object.entries(reasons)) {
        this.#reason(k)[n - 1] = (this.#reason(k)[n - 1] || 0) + v;
      }
      return;
    }
    T.t.push(t);
    for (const p of ['paged', 'static', 'any']) {
      T[p].push(rates[p] ?? null);
      T.ttft[p].push(ttft[p] ?? null);
    }
    for (const list of T.reasons.values()) list.push(0);
    for (const [k, v] of Object.entries(reasons)) this.#reason(k)[T.t.length - 1] = v;
    if (T.t.length > MOST_STEPS) {
      T.t.shift();
      for (const p of ['paged', 'static', 'any']) {
        T[p].shift();
        T.ttft[p].shift();
      }
      for (const list of T.reasons.values()) list.shift();
    }
  }

  #reason(k) {
    const T = this.trend;
    if (!T.reasons.has(k)) T.reasons.set(k, new Array(T.t.length).fill(0));
    return T.reasons.get(k);
  }

  pool(name) {
    return this.pools.find((p) => p.pool === name);
  }
}
