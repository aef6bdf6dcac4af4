// Wires the page: one stream in, panels drawn at most twice a second.
import {text, count, rate, plural, known, size, span, el} from './words.js';
import {follow, token, setToken, sendable, fields, said} from './stream.js';
import {State} from './state.js';
import {Pools} from './pools.js';
import {Scatter} from './scatter.js';
import {WhatIf} from './whatif.js';
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
const whatIf = new WhatIf({form: $('whatif-form'), field: $('whatif-field'), unit: $('whatif-unit'), button: $('whatif-ask'), say: $('whatif-say'), table: $('whatif')}, setThreshold);
const trends = new Trends($('chart-rate'), $('chart-ttft'), $('chart-reasons'), $('reasons-legend'));
const past = new Past($('ranges'), $('past-note'), draw);
const instances = new Instances($('instances'), $('instances-filter'), $('instances-count'), drain, weigh, now);
const requests = new Requests({
  stages: $('stages'), flights: $('flights'), flightsCount: $('flights-count'), decisions: $('decisions'), decisionsFilter: $('decisions-filter'),
  errors: $('errors'), events: $('events'), keys: $('keys'), keysPanel: $('keys-panel'), keysCount: $('keys-count'), models: $('models'), facts: $('facts'), sources: $('sources'), routers: $('routers'),
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
    whatIf.show(state, $('model').value);
    trends.show(past.of(state));
    text($('h-ttft'), past.of(state).minutes ? 'Time to first token, p95 and p50' : 'Time to first token, p95');
    instances.show(state);
    requests.show(state);
  });
}

// One sentence of state.
function sentence() {
  const s = state.summary;
  const words = {serving: 'Serving', degraded: 'Serving, with instances out', down: 'Not serving', asleep: 'Asleep until a request comes', ending: 'The router is ending'};
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
  $('sentence').toggleAttribute('data-old', old !== null && old > 3 && !paused);
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

// A button of its own, so that Enter is yes.
$('ask-no').addEventListener('click', () => $('ask').close('no'));

// Asks a question; answers what was typed, '' for a plain yes, null for no.
//   field: {label, type, value} of what is to be typed, or nothing
function ask(title, words, yes, field) {
  const d = $('ask');
  text($('ask-title'), title);
  text($('ask-text'), words);
  text($('ask-yes'), yes);
  $('ask-field').hidden = !field;
  text($('ask-label'), field ? field.label : '');
  $('ask-input').type = field ? field.type : 'text';
  $('ask-input').value = field ? field.value : '';
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
  const t = await ask('Admin token', (why ? why + '. ' : '') + 'It is kept in this tab until it is closed.', 'Use', {label: 'Admin token', type: 'password', value: ''});
  if (t === null) return;
  if (!sendable(t.trim())) {
    toast('The token has a character that none has (expected: visible ASCII characters).');
    return;
  }
  setToken(t.trim());
  stream.again();
}

// Has the router do something, with the admin token where it wants one.
async function act(path, body, done) {
  const post = () => fetch('admin/' + path, {method: 'POST', headers: {...fields(), 'content-type': 'application/json'}, body: JSON.stringify(body)});
  try {
    let r = await post();
    if (r.status === 401) {
      await askToken(await said(r));
      if (!token()) return;
      r = await post();
    }
    toast(r.ok ? done : await said(r));
  } catch {
    toast('The router cannot be reached.');
  }
}

async function drain(i) {
  const on = !i.drained_here;
  const yes = await ask(on ? 'Drain ' + i.name + '?' : 'Put ' + i.name + ' back into service?',
    on ? 'This router sends it nothing new until it is undrained; ' + plural(i.in_flight, 'request') + ' in flight may end. Other routers are not told.' : 'This router sends it requests again.', on ? 'Drain' : 'Undrain');
  if (yes !== null) await act('instances/' + encodeURIComponent(i.name) + (on ? '/drain' : '/undrain'), {}, i.name + (on ? ' is drained.' : ' is back.'));
}

// What was typed as a number, null for nothing, undefined for no answer or none that can be one.
function number(typed) {
  if (typed === null) return undefined;
  const t = typed.trim();
  if (!t) return null;
  if (/^\d{1,15}$/.test(t)) return Number(t);
  toast(t + ' (expected: a whole number, or nothing)');
  return undefined;
}

async function weigh(i) {
  const n = number(await ask('Weight of ' + i.name, 'Its share of the requests beside others of its pool; nothing gives it back its own.', 'Set', {label: 'Weight, 0 to 9999', type: 'text', value: String(i.weight)}));
  if (n !== undefined) await act('instances/' + encodeURIComponent(i.name) + '/weight', {weight: n}, n === null ? i.name + ' has its own weight again.' : i.name + ' has the weight ' + n + '.');
}

// For the chosen model, else for all that have none of their own.
async function setThreshold(value, model) {
  const metric = state.router.metric;
  const n = number(await ask('Threshold', (model ? 'Of ' + model : 'Of all models that have none of their own') + ': requests up to it go to the paged pool, larger ones to the static pool. It holds until it is taken back or the router ends; nothing gives back what the settings say.',
    'Set', {label: metric === 'tokens' ? 'Tokens' : 'Bytes', type: 'text', value: String(value)}));
  if (n !== undefined) await act('threshold', model ? {threshold: n, model} : {threshold: n}, n === null ? 'The threshold of the settings is in force.' : 'The threshold is ' + size(n, metric) + '.');
}
$('threshold-set').addEventListener('click', () => {
  const model = $('model').value;
  const of = model ? state.models.find((m) => m.model === model) : null;
  setThreshold(of ? of.threshold : state.router.threshold, model);
});

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
