// The table of instances. Only the rows in sight are in the page: it holds a thousand as well as two.
import {el, text, count, percent, seconds, rate, known, span, mark, poolWord, DASH} from './words.js';

const ROW = 34;
const MORE = 6;
const COLUMNS = [
  ['name', 'Name', (i) => i.name, false],
  ['state', 'State', (i) => i.state, false],
  ['why', 'Why out, or last request', (i) => i.why_out || '', false],
  ['load', 'In flight', (i) => i.in_flight, true],
  ['queued', 'Waiting', (i) => i.queued, true],
  ['p50', 'TTFT p50', (i) => i.ttft_p50 ?? -1, true],
  ['p95', 'TTFT p95', (i) => i.ttft_p95 ?? -1, true],
  ['kv', 'KV use', (i) => i.kv_cache_usage ?? -1, true],
  ['requests', 'Requests', (i) => i.requests_total, true],
  ['errors', 'Err 1 min', (i) => i.errors_last_minute, true],
  ['restarts', 'Restarts', (i) => i.restarts ?? -1, true],
  ['weight', 'Weight', (i) => i.weight, true],
  ['action', '', null, false],
];

export class Instances {
  #by = 'name';
  #down = false;
  #rows = [];
  #made = new Map();
  // drain(i), weigh(i): ask before they act.
  constructor(root, filter, counter, drain, weigh, now) {
    this.root = root;
    this.filter = filter;
    this.counter = counter;
    this.drain = drain;
    this.weigh = weigh;
    this.now = now;
    this.heads = COLUMNS.map(([key, label, value, num]) => {
      const cell = el('div', {role: 'columnheader', class: num ? 'n' : '', 'aria-sort': 'none'});
      cell.append(value ? el('button', {type: 'button', onclick: () => this.sort(key)}, label) : el('span', {class: 'hidden'}, 'Action'));
      return cell;
    });
    this.top = el('div', {class: 'irow top', role: 'row'}, this.heads);
    this.space = el('div', {class: 'spacer-rows', role: 'rowgroup'});
    this.none = el('p', {class: 'empty'}, 'No instance is known yet.');
    root.append(el('div', {role: 'rowgroup'}, this.top), this.space, this.none);
    root.addEventListener('scroll', () => this.#draw());
    filter.addEventListener('input', () => this.show(this.state));
    new ResizeObserver(() => this.#draw()).observe(root);
  }

  sort(key) {
    this.#down = this.#by === key ? !this.#down : key !== 'name' && key !== 'state' && key !== 'why';
    this.#by = key;
    this.show(this.state);
  }

  show(state) {
    this.state = state;
    if (!state) return;
    const words = this.filter.value.toLowerCase().split(/\s+/).filter((w) => w);
    const [, , value] = COLUMNS.find(([k]) => k === this.#by);
    const all = [...state.instances.values()];
    this.#rows = all.filter((i) => {
      const hay = (i.name + ' ' + i.state + ' ' + i.pool + ' ' + i.models.join(' ')).toLowerCase();
      return words.every((w) => hay.includes(w));
    });
    this.#rows.sort((a, b) => {
      const x = value(a);
      const y = value(b);
      const c = x < y ? -1 : x > y ? 1 : a.name < b.name ? -1 : 1;
      return this.#down ? -c : c;
    });
    COLUMNS.forEach(([k], n) => this.heads[n].setAttribute('aria-sort', k === this.#by ? (this.#down ? 'descending' : 'ascending') : 'none'));
    text(this.counter, this.#rows.length === all.length ? count(all.length) : count(this.#rows.length) + ' of ' + count(all.length));
    this.none.hidden = this.#rows.length > 0;
    text(this.none, all.length ? 'No instance fits the filter.' : 'No instance is known yet.');
    this.root.setAttribute('aria-rowcount', String(this.#rows.length + 1));
    this.space.style.height = this.#rows.length * ROW + 'px';
    this.#draw();
  }

  #draw() {
    const from = Math.max(0, Math.floor(this.root.scrollTop / ROW) - MORE);
    const to = Math.min(this.#rows.length, from + Math.ceil((this.root.clientHeight || 440) / ROW) + 2 * MORE);
    const wanted = new Set();
    for (let k = from; k < to; k++) wanted.add(this.#rows[k].name);
    for (const [name, r] of this.#made) {
      if (!wanted.has(name)) {
        r.row.remove();
        this.#made.delete(name);
      }
    }
    for (let k = from; k < to; k++) {
      const i = this.#rows[k];
      let r = this.#made.get(i.name);
      if (!r) {
        r = this.#row(i);
        this.#made.set(i.name, r);
        this.space.append(r.row);
      }
      r.row.style.top = k * ROW + 'px';
      r.row.setAttribute('aria-rowindex', String(k + 2));
      this.#fill(r, i);
    }
  }

  #row(i) {
    const cell = (num) => el('div', {role: 'cell', class: num ? 'n' : ''});
    const name = el('div', {role: 'cell', class: 'name'}, mark(i.pool), el('span', {}, i.name));
    const state = el('span', {class: 'state'});
    const since = el('span', {class: 'why'});
    const bar = el('b');
    const load = el('div', {role: 'cell', class: 'load ' + i.pool}, el('span', {class: 'n'}), el('i', {}, bar));
    const button = el('button', {type: 'button', onclick: () => this.drain(r.i)});
    const weight = el('button', {type: 'button', class: 'link', onclick: () => this.weigh(r.i)});
    const r = {
      i, name, state, bar, load, button, weight,
      stateCell: el('div', {role: 'cell'}, state), why: cell(false), queued: cell(true), p50: cell(true), p95: cell(true), kv: cell(true), restarts: cell(true), requests: cell(true), errors: cell(true), since,
    };
    r.row = el('div', {class: 'irow body', role: 'row', 'data-instance': i.name}, name, r.stateCell, r.why, load, r.queued, r.p50, r.p95, r.kv, r.requests, r.errors, r.restarts, el('div', {role: 'cell', class: 'n'}, weight), el('div', {role: 'cell'}, button));
    return r;
  }

  #fill(r, i) {
    r.i = i;
    r.name.title = i.name + ' (' + poolWord(i.pool) + ')\n' + i.url + '\n' + i.models.join(', ') + '\nweight ' + i.weight + ', tier ' + i.tier + (i.source ? ', from ' + i.source : '') + (known(i.capacity_tokens) ? ', holds ' + count(i.capacity_tokens) + ' tokens' : '');
    r.state.className = 'state ' + i.state;
    text(r.state, i.state);
    r.state.title = known(i.since_ms) ? 'for ' + span((this.now() - i.since_ms) / 1000) : '';
    const idle = known(i.last_request_ms) ? 'last request ' + span((this.now() - i.last_request_ms) / 1000) + ' ago' : '';
    text(r.why, i.why_out || idle || DASH);
    r.why.className = 'why';
    r.why.title = i.why_out || idle;
    text(r.load.firstChild, count(i.in_flight) + (known(i.seats) ? ' of ' + count(i.seats) : ''));
    r.bar.style.width = Math.min(100, (i.in_flight / (i.seats || Math.max(8, i.in_flight))) * 100) + '%';
    text(r.queued, count(i.queued));
    text(r.p50, seconds(i.ttft_p50));
    text(r.p95, seconds(i.ttft_p95));
    text(r.kv, percent(i.kv_cache_usage));
    text(r.restarts, count(i.restarts));
    text(r.requests, count(i.requests_total));
    text(r.errors, i.requests_last_minute ? count(i.errors_last_minute) : DASH);
    text(r.weight, count(i.weight));
    r.weight.setAttribute('aria-label', 'Weight ' + i.weight + ' of ' + i.name + ', change it');
    text(r.button, i.drained_here ? 'Undrain' : 'Drain');
    r.button.setAttribute('aria-label', (i.drained_here ? 'Undrain ' : 'Drain ') + i.name);
    r.button.disabled = i.state === 'draining' && !i.drained_here;
  }
}
