// Paged and static side by side.
import {el, text, rate, seconds, percent, count, known, plural, mark, poolWord, DASH} from './words.js';

const FIGURES = [
  ['Requests a second', (p) => rate(p.shown?.requests)],
  ['TTFT p50', (p) => seconds(p.ttft_p50)],
  ['TTFT p95', (p) => seconds(p.ttft_p95)],
  ['Time per token', (p) => seconds(p.tpot_p50)],
  ['In flight', (p) => count(p.in_flight), (p) => (known(p.seats) ? ' of ' + count(p.seats) : '')],
  ['Waiting', (p) => count(p.queued), (p) => (p.queue_p95 > 0 ? ' p95 ' + seconds(p.queue_p95) : '')],
  ['Prompt tokens/s', (p) => rate(p.shown?.prompt), (p) => (known(p.cached_share) ? ' ' + percent(p.cached_share) + ' cached' : '')],
  ['Answer tokens/s', (p) => rate(p.shown?.completion)],
];

export class Pools {
  #cards = new Map();
  constructor(root) {
    this.root = root;
  }

  show(state) {
    const all = state.pools.reduce((n, p) => n + p.requests_last_minute, 0);
    const total = state.pools.reduce((n, p) => n + p.requests_total, 0);
    for (const p of state.pools) {
      const c = this.#card(p.pool);
      const out = p.instances - p.routable;
      text(c.small, (p.instances ? plural(p.instances, 'instance') : 'no instance') + (out ? ', ' + out + ' not in service' : '') + ', ' + plural(p.requests_total, 'request'));
      FIGURES.forEach(([, value, more], k) => {
        text(c.values[k], value(p));
        text(c.more[k], more ? more(p) : '');
      });
      const share = all > 0 ? p.requests_last_minute / all : total > 0 ? p.requests_total / total : null;
      c.bar.style.width = known(share) ? share * 100 + '%' : '0';
      c.share.setAttribute('aria-label', 'Share of the traffic: ' + percent(share));
      c.share.title = known(share) ? percent(share) + ' of the traffic' : DASH;
    }
    for (const [name, c] of this.#cards) {
      c.card.hidden = !state.pools.some((p) => p.pool === name);
    }
  }

  #card(name) {
    let c = this.#cards.get(name);
    if (c) return c;
    const values = [];
    const more = [];
    const list = el('dl', {class: 'figures'}, FIGURES.map(([label]) => {
      const v = el('span');
      const m = el('small');
      values.push(v);
      more.push(m);
      return el('div', {}, el('dt', {}, label), el('dd', {}, v, m));
    }));
    const small = el('small');
    const bar = el('i');
    const share = el('div', {class: 'share', role: 'img'}, bar);
    const title = poolWord(name);
    const card = el('article', {class: 'pool ' + name, 'data-pool': name}, el('h2', {}, mark(name), title[0].toUpperCase() + title.slice(1), small), list, share);
    this.root.append(card);
    c = {card, values, more, small, bar, share};
    this.#cards.set(name, c);
    return c;
  }
}
