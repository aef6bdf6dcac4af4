// The charts over hours: what the router's history says of each minute, in the shape of the live trend.
import {el, text} from './words.js';
import {fields, said} from './stream.js';

const RANGES = [['15 min', 0], ['6 h', 360], ['24 h', 1440]];
const AGAIN_MILLIS = 30000;
const POOLS = ['paged', 'static', 'any'];

export class Past {
  #minutes = 0;
  #view = null;
  #timer = 0;
  constructor(buttons, note, draw) {
    this.buttons = buttons;
    this.note = note;
    this.draw = draw;
    for (const [words, minutes] of RANGES) buttons.append(el('button', {type: 'button', 'data-minutes': minutes, 'aria-pressed': String(minutes === 0), onclick: () => this.choose(minutes)}, words));
  }

  async choose(minutes) {
    this.#minutes = minutes;
    this.#view = null;
    for (const b of this.buttons.children) b.setAttribute('aria-pressed', String(Number(b.dataset.minutes) === minutes));
    await this.#read(minutes);
  }

  // What the charts show: the live trend, or what was read of the past.
  of(state) {
    return this.#view ? {...state, ...this.#view, pools: state.pools} : state;
  }

  async #read(minutes) {
    clearTimeout(this.#timer);
    let words = '';
    try {
      const d = minutes ? await this.#fetched(minutes) : null;
      if (minutes !== this.#minutes) return; // another was chosen meanwhile
      if (d && d.on) this.#view = view(d, minutes);
      words = !d ? '' : d.on ? (d.trouble ? 'History is not written: ' + d.trouble : '') : d.message + '. Until then the charts show the last 15 minutes.';
    } catch (e) {
      if (minutes !== this.#minutes) return;
      words = e.message;
    }
    text(this.note, words);
    this.note.hidden = !words;
    if (minutes) this.#timer = setTimeout(() => this.#read(minutes), AGAIN_MILLIS);
    this.draw();
  }

  async #fetched(minutes) {
    let r;
    try {
      r = await fetch('history?minutes=' + minutes, {headers: fields(), cache: 'no-store'});
    } catch {
      throw new Error('The router cannot be reached.');
    }
    if (!r.ok) throw new Error(await said(r));
    return r.json();
  }
}

function view(d, minutes) {
  const none = d.t.map(() => null);
  const trend = {t: d.t, ttft: {}, p50: {}, reasons: new Map(Object.entries(d.reasons))};
  for (const p of POOLS) {
    trend[p] = d.pools[p]?.requests_per_second ?? none;
    trend.ttft[p] = d.pools[p]?.ttft_p95_seconds ?? none;
    trend.p50[p] = d.pools[p]?.ttft_p50_seconds ?? none;
  }
  const reasons = {};
  for (const [k, list] of trend.reasons) reasons[k] = list.reduce((a, b) => a + (b || 0), 0);
  return {trend, reasons, minutes};
}
