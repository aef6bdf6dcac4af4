// One decision opened: every candidate and why it was passed over, where its time went, how to repeat it.
import {el, text, seconds, size, bytes, count, known, mark, clock, DASH} from './words.js';
import {fields, said} from './stream.js';
import {outcome} from './requests.js';

function quoted(s) {
  return "'" + String(s).replaceAll("'", "'\\''") + "'";
}

// A command that sends such a request again, with a text of our own of the same size.
export function repeat(d, base) {
  const model = d.model || 'MODEL';
  const letters = Math.max(1, Math.min(d.request_bytes - 120, 10000000));
  const stream = d.ttft_seconds && d.total_seconds > d.ttft_seconds * 1.05;
  if (!/chat\/completions$/.test(d.path)) return 'curl -sS -i -X ' + d.method + ' ' + quoted(base + d.path) + (d.method === 'POST' ? " -H 'content-type: application/json' -d @body.json" : '');
  return "head -c " + letters + " /dev/zero | tr '\\0' x | { printf '{\"model\":%s,\"stream\":" + !!stream + ",\"messages\":[{\"role\":\"user\",\"content\":\"' " + quoted(JSON.stringify(model)) + "; cat; printf '\"}]}'; } | \\\n  curl -sS -i -H 'content-type: application/json' --data-binary @- " + quoted(base + d.path);
}

export class Drawer {
  constructor(dialog, body, copy) {
    this.dialog = dialog;
    this.body = body;
    this.copy = copy;
    dialog.querySelector('[data-close]').addEventListener('click', () => dialog.close());
    dialog.addEventListener('click', (e) => { if (e.target === dialog) dialog.close(); });
  }

  async open(id) {
    this.body.replaceChildren(el('p', {class: 'empty'}, 'Reading'));
    if (!this.dialog.open) this.dialog.showModal();
    try {
      const r = await fetch('decisions?request_id=' + encodeURIComponent(id), {headers: fields(), cache: 'no-store'});
      if (!r.ok) throw new Error(await said(r));
      const all = (await r.json()).decisions;
      if (!all.length) throw new Error('The router no longer remembers this request.');
      this.body.replaceChildren(...all.flatMap((d) => this.#decision(d)));
    } catch (e) {
      this.body.replaceChildren(el('p', {class: 'empty'}, e.message));
    }
  }

  #decision(d) {
    const base = new URL('.', location.href).href.replace(/\/$/, '');
    const known2 = (label, value) => el('div', {}, el('dt', {}, label), el('dd', {}, value));
    const why = d.instance
      ? (d.reason === 'size' ? size(d.size, d.metric) + (d.size <= d.threshold ? ' is at most' : ' is above') + ' the threshold of ' + size(d.threshold, d.metric) + ': ' + d.pool : 'reason: ' + d.reason)
      : 'It was sent to no instance: ' + outcome(d.outcome) + ', ' + d.status;
    const parts = [
      el('p', {}, mark(d.pool), ' ', el('b', {}, d.instance || outcome(d.outcome)), ' at ' + clock(Date.parse(d.time)) + '. ' + why + '.'),
      d.error ? el('p', {class: 'told'}, el('b', {}, d.error.code), ': ' + d.error.message) : '',
      this.#bar(d),
      el('dl', {class: 'kv'},
        known2('Ended', outcome(d.outcome) + ', ' + d.status), known2('Model', d.model || DASH), known2('Size', size(d.size, d.metric) + ' (' + bytes(d.request_bytes) + ')'),
        known2('Attempts', count(d.attempts)), known2('Prompt tokens', count(d.prompt_tokens) + (d.cached_tokens ? ', ' + count(d.cached_tokens) + ' cached' : '')),
        known2('Answer tokens', count(d.completion_tokens)), known2('Time per token', seconds(d.tpot_seconds)), known2('Needs', known(d.needed_tokens) ? count(d.needed_tokens) + ' tokens' : DASH),
        known2('Answer', bytes(d.response_bytes)), known2('Request id', el('span', {class: 'mono'}, d.request_id)), known2('Route', d.method + ' ' + d.path),
        this.#foretold(d)),
      el('h3', {}, 'Candidates' + (d.candidates_total > d.candidates.length ? ' (' + d.candidates.length + ' of ' + d.candidates_total + ')' : '')),
      el('div', {class: 'scroll short'}, el('table', {}, el('tbody', {}, d.candidates.length ? d.candidates.map((c) =>
        el('tr', {class: c.why === 'chosen' ? 'chosen' : ''}, el('td', {}, mark(c.pool), ' ', c.instance), el('td', {}, c.why), el('td', {class: 'n'}, this.#cost(d, c.instance)), el('td', {class: 'n'}, known(c.capacity_tokens) ? 'holds ' + count(c.capacity_tokens) : ''))) : el('tr', {}, el('td', {class: 'empty'}, 'There was none.'))))),
    ];
    const command = repeat(d, base);
    parts.push(el('h3', {}, 'One of the same size again, with text of its own ', el('button', {type: 'button', onclick: () => this.copy(command)}, 'Copy')), el('pre', {}, command));
    return parts;
  }

  #foretold(d) {
    const p = d.learned?.predicted_first_token_seconds;
    const came = d.learned?.first_token_seconds;
    return known(p) ? el('div', {}, el('dt', {}, 'Foretold first token'), el('dd', {}, seconds(p) + (known(came) ? ', came after ' + seconds(came) : ''))) : null;
  }

  #cost(d, name) {
    const c = d.learned?.costs?.find((x) => x.instance === name);
    return c ? (c.place === 'full' ? 'full, ' : '') + 'first token ' + seconds(c.first_token_seconds) + ' (wait ' + seconds(c.wait_seconds) + ', prefill ' + seconds(c.prefill_seconds) + '), ' + seconds(c.token_seconds) + ' a token' : '';
  }

  #bar(d) {
    const q = d.queue_seconds || 0;
    const total = d.total_seconds || 0;
    const first = known(d.ttft_seconds) ? d.ttft_seconds : total;
    const prefill = Math.max(0, first - q);
    const decode = Math.max(0, total - first);
    const bar = el('div', {class: 'timebar ' + (d.pool || 'any') + '-colour', role: 'img', 'aria-label': 'In line ' + seconds(q) + ', to the first token ' + seconds(prefill) + ', answer ' + seconds(decode)});
    const piece = (kind, s) => {
      if (s <= 0 || total <= 0) return;
      const i = el('i', {class: kind});
      i.style.width = (s / total) * 100 + '%';
      bar.append(i);
    };
    piece('q', q);
    piece('p', prefill);
    piece('d', decode);
    return el('div', {}, bar, el('p', {class: 'caption'}, 'In line ' + seconds(q) + ' | to the first token ' + seconds(prefill) + ' | answer ' + (known(d.ttft_seconds) ? seconds(decode) : DASH) + ' | in all ' + seconds(total)));
  }
}
