// Wires the page: one stream in, panels drawn at most twice a second.
import {text, count, rate, plural, known, span, el} from './words.js';
import {follow, token, setToken, fields, said} from './stream.js';
import {State} from './state.js';
import {Pools} from './pools.js';
import {Scatter} from './scatter.js';
import {Trends} from './trends.js';
import {Past} from './past.js';
import {Instances} from './instances.js';
import {Requests} from './requests.js';
import {Drawer} from './drawer.js';

const $ = (id) => document.getElementById(id);
const state = new State();
let paused = false;
let live = 'connecting';
let trouble = '';
let lastHeard = 0;
let skew = 0;
let due = false;

const now = () => Date.now() + skew;
const drawer = new Drawer($('drawer'), $('drawer-body'), copy);
const open = (id) => drawer.open(id);
const pools = new Pools($('pools'));
const scatter = new Scatter($('scatter'), $('threshold-line'), $('scatter-hint'), $('scatter-legend'), open);
const trends = new Trends($('chart-rate'), $('chart-ttft'), $('chart-reasons'), $('reasons-legend'));
const past = new Past($('ranges'), $('past-note'), draw);
const instances = new Instances($('instances'), $('instances-filter'), $('instances-count'), drain, now);
const requests = new Requests({
  stages: $('stages'), flights: $('flights'), flightsCount: $('flights-count'), decisions: $('decisions'), decisionsFilter: $('decisions-filter'),
  errors: $('errors'), events: $('events'), models: $('models'), facts: $('facts'),
}, open, copy);

const stream = follow({
  event(name, data) {
    lastHeard = Date.now();
    skew = data.epoch_ms - Date.now();
    state.take(name, data);
    draw();
  },
  state(s, why) {
    if (live !== s || trouble !== why) {
      live = s;
      trouble = why;
      age();
      if (s === 'refused' && !$('ask').open) {
        askToken(why);
      }
    }
  },
});

function draw() {
  if (due || paused) return;
  due = true;
  requestAnimationFrame(() => {
    due = false;
    if (!state.summary) return;
    sentence();
    models();
    pools.show(state);
    scatter.show(state, $('model').value);
    trends.show(past.of(state));
    text($('h-ttft'), past.of(state).minutes ? 'Time to first token, p95 and p50' : 'Time to first token, p95');
    instances.show(state);
    requests.show(state);
  });
}

// One sentence of state.
function sentence() {
  const s = state.summary;
  const words = {serving: 'Serving', degraded: 'Serving, with instances out', down: 'Not serving', ending: 'The router is ending'};
  const lead = s.instances === 0 ? 'No instance is known' : words[s.status] || s.status;
  $('sentence').dataset.status = s.instances === 0 ? 'down' : s.status;
  text($('sentence'), lead + (s.instances ? ': ' + count(s.routable) + ' of ' + plural(s.instances, 'instance') + ' in service' : ''));
  text($('detail'), rate(s.requests_per_second) + ' requests a second, ' + count(s.in_flight) + ' in flight, ' + count(s.queued) + ' waiting; '
    + (s.ended_last_minute ? (s.errors_last_minute ? plural(s.errors_last_minute, 'error') : 'no errors') + ' in the last minute' : 'nothing ended in the last minute') + '; ' + plural(s.requests_total, 'request') + ' since the start');
  document.title = (s.status === 'serving' ? '' : s.status + ' · ') + rate(s.requests_per_second) + '/s · InfiniLM router';
}

function age() {
  const a = $('age');
  a.dataset.state = live;
  const old = lastHeard ? (Date.now() - lastHeard) / 1000 : null;
  if (paused) text(a, 'paused');
  else if (live === 'live') text(a, old !== null && old > 3 ? 'data is ' + span(old) + ' old' : 'live');
  else if (live === 'asleep') text(a, 'asleep while hidden');
  else text(a, (trouble || 'connecting') + (old !== null ? ', data is ' + span(old) + ' old' : ''));
  if (live === 'live' && old !== null && old > 3) a.dataset.state = 'lost';
}
setInterval(age, 1000);

function models() {
  const select = $('model');
  const names = state.models.map((m) => m.model);
  const have = [...select.options].slice(1).map((o) => o.value);
  select.hidden = names.length < 2;
  if (names.join('\n') !== have.join('\n')) {
    const chosen = select.value;
    select.replaceChildren(el('option', {value: ''}, 'All models'), ...names.map((n) => el('option', {value: n}, n)));
    select.value = names.includes(chosen) ? chosen : '';
  }
}
$('model').addEventListener('change', draw);

function toast(words) {
  text($('toast'), words);
  $('toast').classList.add('on');
  setTimeout(() => $('toast').classList.remove('on'), 3500);
}

async function copy(words) {
  try {
    await navigator.clipboard.writeText(words);
    toast('Copied.');
  } catch {
    const area = el('textarea', {class: 'hidden'});
    area.value = words;
    document.body.append(area);
    area.select();
    toast(document.execCommand('copy') ? 'Copied.' : 'The browser did not let it be copied.');
    area.remove();
  }
}

// Asks a question; answers what was typed, '' for a plain yes, null for no.
function ask(title, words, yes, field) {
  const d = $('ask');
  text($('ask-title'), title);
  text($('ask-text'), words);
  text($('ask-yes'), yes);
  $('ask-field').hidden = !field;
  $('ask-input').value = '';
  d.returnValue = 'no';
  d.showModal();
  if (field) $('ask-input').focus();
  return new Promise((r) => d.addEventListener('close', () => {
    const typed = $('ask-input').value;
    $('ask-input').value = '';
    r(d.returnValue === 'yes' ? (field ? typed : '') : null);
  }, {once: true}));
}

async function askToken(why) {
  const t = await ask('Admin token', (why ? why + '. ' : '') + 'It is kept in this tab until it is closed.', 'Use', true);
  if (t !== null) {
    setToken(t.trim());
    stream.again();
  }
}

async function drain(i) {
  const on = !i.drained_here;
  const yes = await ask(on ? 'Drain ' + i.name + '?' : 'Put ' + i.name + ' back into service?',
    on ? 'This router sends it nothing new until it is undrained; ' + plural(i.in_flight, 'request') + ' in flight may end. Other routers are not told.' : 'This router sends it requests again.', on ? 'Drain' : 'Undrain', false);
  if (yes === null) return;
  const act = () => fetch('admin/instances/' + encodeURIComponent(i.name) + (on ? '/drain' : '/undrain'), {method: 'POST', headers: {...fields(), 'content-type': 'application/json'}, body: '{}'});
  try {
    let r = await act();
    if (r.status === 401) {
      await askToken(await said(r));
      if (!token()) return;
      r = await act();
    }
    toast(r.ok ? i.name + (on ? ' is drained.' : ' is back.') : await said(r));
  } catch {
    toast('The router cannot be reached.');
  }
}

$('pause').addEventListener('click', () => {
  paused = !paused;
  $('pause').setAttribute('aria-pressed', String(paused));
  text($('pause'), paused ? 'Go on' : 'Pause');
  age();
  draw();
});
$('token').addEventListener('click', () => askToken(''));

const THEMES = ['auto', 'light', 'dark'];
function theme(t) {
  if (t === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = t;
  text($('theme'), 'Theme: ' + t);
  scatter.theme();
  trends.theme();
}
let chosen = THEMES.includes(localStorage.getItem('infini-theme')) ? localStorage.getItem('infini-theme') : 'auto';
theme(chosen);
$('theme').addEventListener('click', () => {
  chosen = THEMES[(THEMES.indexOf(chosen) + 1) % THEMES.length];
  localStorage.setItem('infini-theme', chosen);
  theme(chosen);
});
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => theme(chosen));
