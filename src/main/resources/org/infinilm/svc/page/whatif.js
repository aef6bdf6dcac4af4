// What other thresholds would have come to. Worked out by the router when somebody asks, never by itself.
import {el, text, count, seconds, percent, size, known, plural, mark, DASH} from './words.js';
import {fields, said} from './stream.js';

// What a mean error of the model is worth.
function worth(share) {
  if (!known(share)) return 'It cannot be told how well it does.';
  if (share < 0.25) return 'Compare rows with each other, not with the recorded times.';
  if (share < 0.6) return 'Only large differences between rows mean something.';
  return 'That is too far off to choose a threshold by.';
}

export class WhatIf {
  #asked = 0;
  // set(threshold, model): opens the question for another threshold.
  constructor(parts, set) {
    this.parts = parts;
    this.set = set;
    parts.form.addEventListener('submit', (e) => {
      e.preventDefault();
      this.ask();
    });
  }

  show(state, model) {
    this.model = model;
    this.metric = state.router.metric;
    text(this.parts.unit, this.metric === 'tokens' ? 'tokens' : 'bytes');
  }

  async ask() {
    const {field, say, button} = this.parts;
    const n = field.value.trim();
    const number = ++this.#asked;
    if (n && !/^\d{1,18}$/.test(n)) {
      text(say, n + ' (expected: a whole number, or nothing)');
      return;
    }
    button.disabled = true;
    text(say, 'Working it out.');
    try {
      const q = new URLSearchParams();
      if (this.model) q.set('model', this.model);
      if (n) q.set('threshold', n);
      const r = await fetch('whatif?' + q, {headers: fields(), cache: 'no-store'});
      const answer = r.ok ? await r.json() : {on: false, message: await said(r)};
      if (number === this.#asked) this.#tell(answer);
    } catch {
      text(say, 'The router cannot be reached.');
    } finally {
      button.disabled = false;
    }
  }

  #tell(a) {
    const {say, table} = this.parts;
    if (!a.on) {
      text(say, 'Nothing can be said: ' + a.message + '.');
      table.replaceChildren();
      return;
    }
    const f = a.fit.ttft.requests ? a.fit.ttft : a.fit.total;
    const what = a.fit.ttft.requests ? 'time to first token' : 'time to the whole answer';
    const words = [
      'The simulator ran the last ' + plural(a.requests, 'answered request') + ' of ' + a.model + ' again' + (a.left_out ? ' (' + count(a.left_out) + ' left out: tokens or instance not known, or retried)' : '')
        + ', with speeds fitted to where they went.',
      'There it misses a request\u2019s ' + what + ' by ' + percent(f.error_share) + ' on average (' + seconds(f.error_seconds) + '; median recorded ' + seconds(f.recorded_p50) + ', simulated ' + seconds(f.simulated_p50) + '). ' + worth(f.error_share),
    ];
    if (a.policy !== 'cache-type') words.push('This router decides by ' + a.policy + '; the rows are of the size rule.');
    text(say, words.join(' '));
    const head = ['Threshold', 'To static', 'TTFT p50', 'TTFT p95', 'Paged p95', 'at once', 'Static p95', 'at once', 'Total p95', el('span', {class: 'hidden'}, 'Set it')];
    const cell = (t) => el('td', {class: 'n'}, t);
    const rows = [el('tr', {class: 'recorded'}, el('td', {}, 'as recorded'), cell(DASH), cell(seconds(a.recorded.ttft_p50)), cell(seconds(a.recorded.ttft_p95)), cell(DASH), cell(DASH), cell(DASH), cell(DASH), cell(seconds(a.recorded.total_p95)), el('td', {}))];
    for (const c of a.thresholds) {
      const notes = [c.in_force ? 'in force' : '', c.learned ? 'learned' : '', c.asked ? 'asked' : '', c.not_held ? count(c.not_held) + ' not held' : ''].filter((w) => w).join(', ');
      rows.push(el('tr', {class: c.in_force ? 'chosen' : '', 'data-threshold': c.threshold},
        el('td', {}, size(c.threshold, a.metric), notes ? ' ' : '', notes ? el('small', {}, notes) : ''),
        cell(percent(c.static.share)), cell(seconds(c.ttft_p50)), cell(seconds(c.ttft_p95)),
        cell(seconds(c.paged.ttft_p95)), cell(c.paged.at_once.toFixed(1)), cell(seconds(c.static.ttft_p95)), cell(c.static.at_once.toFixed(1)), cell(seconds(c.total_p95)),
        el('td', {}, c.in_force ? '' : el('button', {type: 'button', class: 'link', onclick: () => this.set(c.threshold, this.model), 'aria-label': 'Set the threshold to ' + size(c.threshold, a.metric)}, 'Set'))));
    }
    table.replaceChildren(
      el('thead', {}, el('tr', {}, head.map((h, k) => el('th', {scope: 'col', class: k && k < 9 ? 'n' : ''}, k === 4 || k === 5 ? mark('paged') : k === 6 || k === 7 ? mark('static') : '', k >= 4 && k <= 7 ? ' ' : '', h)))),
      el('tbody', {}, rows));
  }
}
