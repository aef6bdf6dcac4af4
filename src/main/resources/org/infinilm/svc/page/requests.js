// Requests in flight, last decisions, errors, events, models, and what one copies.
import {Hold} from './hold.js';
import {el, text, count, seconds, bytes, size, clock, span, known, plural, mark, poolWord, DASH} from './words.js';

const MOST_SHOWN = 100;
const OUTCOMES = {ok: 'ok', client_error: 'wrong request', client_gone: 'client left', upstream_error: 'instance error', upstream_gone: 'instance gone', timeout: 'time-out', rejected: 'rejected', internal: 'router fault'};

export function outcome(word) {
  return OUTCOMES[word] || word;
}

function table(root, heads, rows, empty) {
  if (!rows.length) {
    root.replaceChildren(el('tbody', {}, el('tr', {}, el('td', {class: 'empty'}, empty))));
    return;
  }
  root.replaceChildren(
    el('thead', {}, el('tr', {}, heads.map(([h, n]) => el('th', {scope: 'col', class: n ? 'n' : ''}, h)))),
    el('tbody', {}, rows));
}

function where(pool, instance) {
  return el('td', {title: instance || ''}, mark(pool), ' ', instance || DASH);
}

// A router that was started again counts from the beginning.
const named = (r) => r.sequence + ' ' + r.request_id;

export class Requests {
  #signatures = new Map();
  constructor(page, open, copy) {
    this.page = page;
    this.open = open;
    this.copy = copy;
    this.holds = {};
    for (const [name, points] of [['decisions', true], ['sources', true], ['errors', false], ['keys', false], ['models', false]]) this.holds[name] = new Hold(page[name], points);
    page.decisionsFilter.addEventListener('input', () => this.#decisions(this.state));
  }

  show(state) {
    this.state = state;
    this.#flights(state);
    this.holds.decisions.show(this.#newer(state), () => this.#decisions(state));
    this.#errors(state);
    this.#events(state);
    this.#keys(state);
    this.#sources(state);
    this.#models(state);
    this.#facts(state);
  }

  #flights(state) {
    const f = state.flights;
    const total = f.queued + f.prefill + f.decode;
    text(this.page.flightsCount, f.whole ? count(total) : DASH);
    if (!this.stages) {
      const one = (key, label) => {
        const b = el('b');
        this.page.stages.append(el('div', {'data-stage': key}, b, el('span', {}, label)));
        return b;
      };
      this.stages = {queued: one('queued', 'wait for a place'), prefill: one('prefill', 'wait for the first token'), decode: one('decode', 'get their answer')};
    }
    for (const [k, b] of Object.entries(this.stages)) text(b, f.whole ? count(f[k]) : DASH);
    table(this.page.flights, [['Age', true], ['Stage'], ['Size', true], ['Instance'], ['Why'], ['Model']], f.oldest.map((r) =>
      el('tr', {title: r.request_id},
        el('td', {class: 'n'}, seconds(r.age_seconds)),
        el('td', {}, r.stage + (r.events ? ', ' + plural(r.events, 'event') : '') + (r.attempts > 1 ? ', attempt ' + r.attempts : '')),
        el('td', {class: 'n'}, size(r.size, state.router.metric)),
        where(r.pool, r.instance), el('td', {}, r.reason || DASH), el('td', {}, r.model || DASH))), 'Nothing is in flight.');
  }

  // How many decisions there are that the table does not show yet.
  #newer(state) {
    if (!state.rows.length) return this.first === '' ? '' : 'others';
    const n = state.rows.findIndex((r) => named(r) === this.first);
    return n === 0 ? '' : (n < 0 ? state.rows.length : n) + ' newer';
  }

  #decisions(state) {
    if (!state) return;
    this.first = state.rows.length ? named(state.rows[0]) : '';
    const words = this.page.decisionsFilter.value.toLowerCase().split(/\s+/).filter((w) => w);
    const rows = [];
    for (const r of state.rows) {
      const hay = [r.instance, r.pool, r.reason, r.outcome, r.model, r.status, r.request_id, r.path].join(' ').toLowerCase();
      if (words.every((w) => hay.includes(w))) rows.push(r);
      if (rows.length === MOST_SHOWN) break;
    }
    table(this.page.decisions, [['Time'], ['Size', true], ['Instance'], ['Why'], ['TTFT', true], ['Total', true], ['Ended']], rows.map((r) =>
      el('tr', {'data-request': r.request_id},
        el('td', {}, el('button', {type: 'button', class: 'link', 'data-row': named(r), onclick: () => this.open(r.request_id), 'aria-label': 'Open the decision of ' + clock(r.ms)}, clock(r.ms))),
        el('td', {class: 'n'}, size(r.size, state.router.metric)),
        where(r.pool, r.instance), el('td', {}, r.reason || DASH),
        el('td', {class: 'n'}, seconds(r.ttft_seconds)), el('td', {class: 'n'}, seconds(r.total_seconds)),
        el('td', {}, r.outcome === 'ok' ? 'ok' : outcome(r.outcome) + ' ' + r.status))), 'No request has come yet.');
  }

  #once(key, value, draw) {
    const signature = JSON.stringify(value);
    if (this.#signatures.get(key) !== signature) this.#draw(key, signature, draw);
  }

  #draw(key, signature, draw) {
    this.#signatures.set(key, signature);
    draw();
  }

  // The same where a hand may be in it.
  #still(name, value, draw) {
    const signature = JSON.stringify(value);
    this.holds[name].show(this.#signatures.get(name) === signature ? '' : 'not the newest', () => this.#draw(name, signature, draw));
  }

  #errors(state) {
    this.#still('errors', state.errors, () => table(this.page.errors, [['Count', true], ['What'], ['Status', true], ['Instance'], ['First'], ['Last'], [el('span', {class: 'hidden'}, 'Open the last')]], state.errors.map((e) =>
      el('tr', {},
        el('td', {class: 'n'}, count(e.count)), el('td', {}, outcome(e.outcome) + (e.code ? ': ' + e.code : '')), el('td', {class: 'n'}, e.status),
        where(state.instances.get(e.instance)?.pool, e.instance), el('td', {}, clock(e.first_ms)), el('td', {}, clock(e.last_ms)),
        el('td', {}, el('button', {type: 'button', class: 'link', 'data-row': [e.outcome, e.code, e.status, e.instance].join(' '), 'aria-label': 'Open the last of ' + outcome(e.outcome) + ' ' + e.status, onclick: () => this.open(e.last_request_id)}, 'open')))), 'Everything ended well, as far as the router remembers.'));
  }

  #keys(state) {
    this.page.keysPanel.hidden = !state.keys.length;
    this.#still('keys', state.keys, () => {
      text(this.page.keysCount, count(state.keys.length));
      const of = (limit) => (known(limit) ? ' of ' + count(limit) : '');
      table(this.page.keys, [['Key'], ['Models'], ['In flight', true], ['Requests', true], ['Errors', true], ['Refused', true], ['Prompt tokens', true], ['Cached', true], ['Answer tokens', true], ['A minute at most'], ['Expires']], state.keys.map((k) =>
        el('tr', {'data-key': k.name},
          el('td', {}, k.name), el('td', {title: k.models.join(', ')}, k.models.join(', ') || 'all'),
          el('td', {class: 'n'}, count(k.in_flight) + of(k.in_flight_limit)), el('td', {class: 'n'}, count(k.requests_total)), el('td', {class: 'n'}, count(k.errors_total)), el('td', {class: 'n'}, count(k.refusals_total)),
          el('td', {class: 'n'}, count(k.tokens_total.prompt)), el('td', {class: 'n'}, count(k.tokens_total.cached)), el('td', {class: 'n'}, count(k.tokens_total.completion)),
          el('td', {}, [known(k.requests_per_minute_limit) ? plural(k.requests_per_minute_limit, 'request') : '', known(k.tokens_per_minute_limit) ? plural(k.tokens_per_minute_limit, 'token') : ''].filter((w) => w).join(', ') || DASH),
          el('td', {}, known(k.expires_ms) ? new Date(k.expires_ms).toLocaleString([], {dateStyle: 'medium', timeStyle: 'short'}) : 'never'))), '');
    });
  }

  #events(state) {
    this.#once('events', state.events.map((e) => e.sequence), () => {
      const words = {routable: 'is routable', ejected: 'is ejected', trial: 'is on trial, with one request', draining: 'is draining', asleep: 'is asleep', waking: 'is waking', left: 'has left', loaded: 'were read anew', refused: 'stay as they were', up: 'answers and all is well', troubled: 'is in trouble', down: 'is down', waiting: 'is waited for'};
      this.page.events.replaceChildren(...(state.events.length ? state.events.map((e) =>
        el('li', {}, el('time', {datetime: new Date(e.epoch_ms).toISOString()}, clock(e.epoch_ms)),
          el('span', {}, el('b', {}, e.instance), ' ' + (e.state === 'ejected' && !e.before ? 'is known, not routable yet' : words[e.state] || e.state) + (e.why ? ': ' + e.why : ''))))
        : [el('li', {class: 'empty'}, 'Nothing has changed.')]));
    });
  }

  // Where instances come from, and who else sends requests to them.
  #sources(state) {
    const words = {up: 'up', waiting: 'nothing yet', troubled: 'in trouble', down: 'down'};
    const ago = (s) => (known(s) ? span(s) + ' ago' : DASH);
    this.#still('sources', state.sources, () => table(this.page.sources, [['Source'], ['Kind'], ['State'], ['Instances', true], ['Last answer'], ['Last error']], state.sources.map((s) =>
      el('tr', {'data-source': s.source},
        el('td', {class: 'mono', title: s.source}, s.kind === s.source ? DASH : s.source), el('td', {}, s.kind),
        el('td', {}, el('span', {class: 'state ' + (s.state === 'up' ? 'routable' : s.state === 'down' ? 'ejected' : 'waking')}, words[s.state] || s.state)),
        el('td', {class: 'n'}, known(s.instances) ? count(s.instances) : DASH),
        el('td', {}, s.kind === 'settings' || s.kind === 'admin' ? 'not asked' : ago(s.age_seconds)),
        el('td', {title: s.error || ''}, s.error ? s.error + (s.troubles.length ? '' : ' (over)') + ', ' + ago(s.error_age_seconds) : 'none'))), 'No instance is listed by anybody.'));
    const r = state.routers;
    const since = r && known(r.since) ? ', since ' + clock(Date.parse(r.since)) : '';
    text(this.page.routers, !r ? 'Without a registry this router knows of no other.'
      : r.known === 1 ? 'No other live router shares the instances' + since + '.'
        : plural(r.known, 'live router') + ' share the instances and their seats' + since + '; ' + plural(r.heard_of, 'other') + ' heard of lately.');
  }

  #models(state) {
    this.#still('models', state.models, () => table(this.page.models, [['Model'], ['Aliases'], ['In service', true], ['Holds', true], ['Threshold', true], ['Tiers']], state.models.map((m) =>
      el('tr', {},
        el('td', {title: m.model}, m.model), el('td', {}, m.aliases.join(', ') || DASH),
        el('td', {class: 'n'}, m.routable + ' of ' + m.instances + (m.not_loaded ? ', ' + m.not_loaded + ' not loaded' : '')),
        el('td', {class: 'n'}, known(m.capacity_tokens) ? count(m.capacity_tokens) + ' tok' : DASH),
        el('td', {class: 'n'}, size(m.threshold, state.router.metric) + (m.threshold_source === 'model' ? ' (its own)' : '')),
        el('td', {}, m.tiers.join(', ')))), 'No model is on offer.'));
  }

  #facts(state) {
    this.#once('facts', state.router, () => {
      const base = new URL('.', location.href).href.replace(/\/$/, '');
      const r = state.router;
      const fact = (label, value, copies = true) => [el('dt', {}, label), el('dd', {title: value}, el('span', {class: copies ? 'mono' : ''}, value), copies ? el('button', {type: 'button', onclick: () => this.copy(value), 'aria-label': 'Copy: ' + label}, 'Copy') : null)];
      this.page.facts.replaceChildren(
        ...fact('For clients', base + '/v1'),
        ...fact('Metrics', base + '/metrics'),
        ...fact('Decisions', base + '/decisions?limit=20'),
        ...fact('Registry', r.registry_url || 'none', false),
        ...fact('Policy', r.policy + ', size by ' + r.metric, false),
        ...fact('Line', 'up to ' + count(r.queue_limit) + ' requests wait', false),
        ...fact('Running for', '', false));
    });
    text(this.page.facts.querySelector('dd:last-of-type span'), span((state.epochMillis - state.router.started_ms) / 1000) + (state.router.version ? ', version ' + state.router.version : ''));
  }
}
