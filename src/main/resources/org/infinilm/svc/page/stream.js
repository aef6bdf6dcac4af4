// The router's event stream, read with fetch so that a token can go along; reconnects by itself.

const FIRST_PAUSE = 1000;
const MOST_PAUSE = 15000;
const HIDDEN_MILLIS = 60000;
// The stream has something to say each second.
const SILENT_MILLIS = 10000;
// Connections to one server that browsers have at most (HTTP/1.1), and how long one may take to answer.
const MOST_KEPT = 6;
const SWEEP_MILLIS = 2000;
const KEY = 'infini-admin-token';

export function token() {
  const t = sessionStorage.getItem(KEY) || '';
  return sendable(t) ? t : '';
}

// Whether a browser sends it in a field at all.
export function sendable(t) {
  return /^[\x21-\x7e]*$/.test(t);
}

export function setToken(t) {
  if (t) sessionStorage.setItem(KEY, t);
  else sessionStorage.removeItem(KEY);
}

export function fields() {
  return token() ? {authorization: 'Bearer ' + token()} : {};
}

// What an error answer says.
export async function said(response) {
  const body = await response.text();
  try {
    const e = JSON.parse(body).error;
    return typeof e === 'string' ? e : e.message;
  } catch {
    return body.slice(0, 300) || response.statusText;
  }
}

// Cuts a text into events; keeps what is not whole yet.
export class Cutter {
  rest = '';
  take(piece, each) {
    this.rest += piece;
    let end;
    while ((end = this.rest.indexOf('\n\n')) >= 0) {
      const block = this.rest.slice(0, end);
      this.rest = this.rest.slice(end + 2);
      let name = 'message';
      const data = [];
      for (const line of block.split('\n')) {
        if (line.startsWith('event: ')) name = line.slice(7);
        else if (line.startsWith('data: ')) data.push(line.slice(6));
      }
      if (data.length) each(name, JSON.parse(data.join('\n')));
    }
  }
}

// Follows the stream for ever.
//   on.event(name, data), on.state('live' | 'lost' | 'refused' | 'asleep', why)
export function follow(on) {
  let abort = null;
  let wake = null;
  let pause = FIRST_PAUSE;
  let asleep = false;
  let timer = 0;
  let silence = 0;
  let silent = false;

  // A connection that was forgotten on the way (a machine that slept, a gateway that was started
  // again) never ends by itself.
  function listen() {
    clearTimeout(silence);
    silence = setTimeout(() => { silent = true; abort.abort(); }, SILENT_MILLIS);
  }

  // The browser keeps connections for later that were forgotten with that one, and would send the
  // next request on one of them: all are tried at once, and those that are silent given up.
  async function sweep() {
    const tries = Array.from({length: MOST_KEPT}, () => fetch('livez', {signal: AbortSignal.timeout(SWEEP_MILLIS), cache: 'no-store'}).then((r) => r.text()));
    await Promise.allSettled(tries);
  }

  async function once() {
    abort = new AbortController();
    silent = false;
    listen();
    const r = await fetch('events', {headers: fields(), signal: abort.signal, cache: 'no-store'});
    if (!r.ok) {
      on.state(r.status === 401 || r.status === 403 ? 'refused' : 'lost', await said(r));
      if (r.status === 401 || r.status === 403) pause = MOST_PAUSE;
      return;
    }
    pause = FIRST_PAUSE;
    const reader = r.body.pipeThrough(new TextDecoderStream()).getReader();
    const cutter = new Cutter();
    for (;;) {
      const {done, value} = await reader.read();
      if (done) break;
      listen();
      cutter.take(value, (name, data) => {
        on.state('live', '');
        on.event(name, data);
      });
    }
    on.state('lost', 'the router ended the stream');
  }

  async function run() {
    for (;;) {
      if (asleep) {
        on.state('asleep', '');
        await new Promise((r) => { wake = r; });
      }
      try {
        await once();
      } catch (e) {
        if (!asleep) on.state('lost', silent ? 'the router says nothing any more' : 'the router cannot be reached');
      } finally {
        clearTimeout(silence);
      }
      if (!asleep) {
        if (silent) await sweep();
        await new Promise((r) => { wake = r; setTimeout(r, pause); });
        pause = Math.min(MOST_PAUSE, pause * 2);
      }
    }
  }

  function again() {
    pause = FIRST_PAUSE;
    if (abort) abort.abort();
    if (wake) wake();
  }

  document.addEventListener('visibilitychange', () => {
    clearTimeout(timer);
    if (document.hidden) {
      timer = setTimeout(() => { asleep = true; if (abort) abort.abort(); }, HIDDEN_MILLIS);
    } else if (asleep) {
      asleep = false;
      again();
    }
  });
  run();
  return {again};
}
