// What an admin wants to know at once: does it run, what waits, what failed and why, how are the orgs.
import { get, post, rememberOrgs } from '../api.js';
import { h, replace, repaint, isCovered, button } from '../dom.js';
import { badge, empty, errorBox, facts, notice, panel, prose, timeAgo, waiting } from '../parts.js';
import { barList, meter, rateChart } from '../chart.js';
import { live } from '../live.js';
import { act } from '../dialog.js';
import { address } from '../router.js';
import { codeWord } from '../words.js';
import { count, duration, percent, plural } from '../format.js';

const STATUS = {
  ok: ['good', 'All is well: messages are being received, and nothing needs you.'],
  degraded: ['warn', 'Messages are being received, yet something needs your attention:'],
  unavailable: ['bad', 'Messages can’t be received now:'],
};

const sum = (list, key) => list.reduce((total, item) => total + (item[key] ?? 0), 0);

/** The sentences of all checks that are not well. */
function problemsOf(checks) {
  const found = [];
  for (const value of Object.values(checks ?? {})) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one === null || typeof one !== 'object' || !one.status || one.status === 'ok') continue;
      const whose = one.name ?? '';
      for (const text of [one.problem, ...(one.problems ?? [])]) {
        if (text) found.push(whose && !text.includes(whose) ? `${whose}: ${text}` : text);
      }
    }
  }
  return [...new Set(found)];
}

function summary(status) {
  const failed = sum(status.queue ?? [], 'failed');
  const [kind, text] = status.status === 'ok' && failed > 0 ? ['warn', `Messages are being received. ${plural(failed, 'message')} failed and ${failed === 1 ? 'waits' : 'wait'} for you; the reasons are below.`]
    : STATUS[status.status] ?? ['info', status.status];
  const problems = problemsOf(status.checks);
  return notice(kind, h('strong', {}, text), problems.length > 0 ? h('ul', {}, problems.map((p) => h('li', {}, prose(p)))) : null);
}

function tile(label, value, note, href, tone) {
  return h(href ? 'a' : 'div', { class: `tile ${tone ?? ''}`, href },
    h('span', { class: 'label' }, label), h('span', { class: 'value' }, value), h('span', { class: 'soft' }, note));
}

function tiles(status) {
  const queue = status.queue ?? [];
  const failed = sum(queue, 'failed');
  const oldest = Math.max(0, ...queue.map((q) => q.oldest_seconds ?? 0));
  const rate = status.rate ?? [];
  const held = status.jobs ?? 0;
  return h('div', { class: 'tiles' },
    tile('Waiting', count(sum(queue, 'ready')), oldest >= 1 ? `the oldest for ${duration(oldest)}` : 'nothing is late', address('/messages', { state: 'ready' })),
    tile('In work', count(sum(queue, 'leased')), 'at this moment', address('/messages', { state: 'leased' })),
    tile('Failed', count(failed), failed > 0 ? 'see why, mend, replay' : 'nothing to mend', address('/messages', { state: 'failed' }), failed > 0 ? 'bad' : ''),
    tile('Received', count(rate.reduce((a, b) => a + b, 0)), 'in the last hour', address('/messages', {})),
    tile('Open jobs', count(held), held > 0 ? 'see how far they are' : 'none', address('/jobs', {})));
}

function failures(status) {
  const list = status.failures ?? [];
  if (list.length === 0) return empty('No failed messages', 'If the org ever refuses something, it is listed here by its reason.');
  const several = (status.orgs ?? []).length > 1;
  const name = (id) => (status.orgs ?? []).find((o) => o.id === id)?.name ?? id;
  return barList(list.map((f) => ({
    text: [codeWord(f.code), several ? ` (${name(f.org)})` : ''].join(''),
    value: f.count,
    href: address('/messages', { state: 'failed', org: several ? f.org : '', error: f.code }),
  })));
}

function budget(org) {
  if (org.api_limit === undefined || org.api_limit === null || org.api_limit < 0) return h('p', { class: 'soft' }, 'API calls: not known yet');
  const share = org.api_used / (org.api_limit || 1);
  return h('div', {}, h('p', { class: 'line between' }, h('span', {}, 'API calls of the day'),
    h('span', {}, `${count(org.api_used)} of ${count(org.api_limit)} (${percent(org.api_used, org.api_limit)})`)),
  meter(org.api_used, org.api_limit, 'API calls used', share > 0.9 ? 'bad' : share > 0.7 ? 'warn' : 'busy'));
}

function pauseDialog(org, refresh) {
  const verb = org.paused ? 'Resume' : 'Pause';
  act({
    title: `${verb} ${org.name}`,
    show: () => h('p', {}, org.paused
      ? 'The work on this organisation’s messages goes on where it stopped.'
      : 'Messages are still taken and kept, but nothing is written to the organisation until you resume. This outlives a restart.'),
    verb: () => `${verb} ${org.name}`,
    act: (reason, signal) => post(org.paused ? 'resume' : 'pause', { org: org.id, reason }, signal),
    done: refresh,
  });
}

function reconcileDialog(org, refresh) {
  act({
    title: `Reconcile ${org.name}`,
    look: (signal) => post('reconcile', { org: org.id, all: true, dry_run: true }, signal),
    count: (dry) => dry.campaigns,
    nothing: 'No campaign of this organisation has touchpoints, or could have.',
    show: (dry) => h('p', {}, h('b', {}, plural(dry.campaigns, 'campaign')), ' will be looked at in the background, after live work, and whatever differs from what it should be is mended. It happens by itself every day.'),
    verb: (n) => `Reconcile ${plural(n, 'campaign')}`,
    act: (reason, signal) => post('reconcile', { org: org.id, all: true, reason }, signal),
    done: refresh,
  });
}

function orgCard(org, refresh) {
  const state = org.paused ? badge('held', 'Paused') : org.breaker_open ? badge('failed', 'Held back after errors')
    : org.reachable ? badge('ok', 'Reachable') : badge('failed', 'Not reachable');
  return h('article', { class: 'card', 'data-org': org.id },
    h('div', { class: 'line between' }, h('h3', {}, org.name), state),
    h('p', { class: 'soft' }, h('code', { class: 'id' }, org.id)),
    (org.problems ?? []).length > 0 ? notice('warn', h('ul', {}, org.problems.map((p) => h('li', {}, prose(p))))) : null,
    budget(org),
    facts([
      ['Signed in', org.authenticated ? 'yes' : 'no'],
      ['Reconcile', org.reconcile_at ? timeAgo(org.reconcile_at) : 'not yet'],
      ['Calls held back', org.breaker_open ? 'yes, after repeated errors; tried again by itself' : 'no'],
    ]),
    h('div', { class: 'actions' }, button(org.paused ? 'Resume' : 'Pause', () => pauseDialog(org, refresh), { 'aria-label': `${org.paused ? 'Resume' : 'Pause'} ${org.name}` }),
      button('Reconcile …', () => reconcileDialog(org, refresh), { 'aria-label': `Reconcile ${org.name}` })));
}

function certificates(list) {
  return h('ul', { class: 'plain' }, list.map((c) => h('li', { class: 'line between' },
    h('span', { class: 'break' }, c.name),
    badge(c.days_left < 1 ? 'failed' : c.days_left < 14 ? 'held' : 'ok', c.days_left < 0 ? 'expired' : `${plural(c.days_left, 'day')} left`))));
}

/** Puts a new state into the view's parts; a part that has not changed keeps its elements. */
function painter(parts) {
  const seen = new Map();
  return (status, refresh) => {
    for (const [name, element, make, what] of parts) {
      const text = JSON.stringify(what(status) ?? null);
      if (seen.get(name) === text) continue;
      seen.set(name, text);
      repaint(element, make(status, refresh));
    }
  };
}

export async function overview({ root, signal }) {
  const body = h('div', { hidden: true });
  const trouble = h('div', {});
  const first = waiting();
  root.append(h('h1', { tabindex: '-1' }, 'Overview'), trouble, first, body);
  const box = (name) => h('div', { 'data-part': name });
  const [top, numbers, rate, why, orgs, certs, foot] = ['summary', 'numbers', 'rate', 'failures', 'orgs', 'certificates', 'foot'].map(box);
  body.append(top, numbers,
    h('div', { class: 'columns even' }, panel('Messages a minute', rate), panel('Why messages failed', why)),
    panel('Organisations', orgs), panel('Certificates of the endpoint', certs), foot);
  const paint = painter([
    ['summary', top, summary, (s) => [s.status, problemsOf(s.checks), sum(s.queue ?? [], 'failed')]],
    ['numbers', numbers, tiles, (s) => [s.queue, s.jobs, s.rate]],
    ['rate', rate, (s) => rateChart(s.rate ?? [], `Messages received in each of the last ${(s.rate ?? []).length} minutes; ${plural((s.rate ?? []).reduce((a, b) => a + b, 0), 'message')} in all`), (s) => s.rate],
    ['failures', why, failures, (s) => s.failures],
    ['orgs', orgs, (s, refresh) => h('div', { class: 'cards' }, (s.orgs ?? []).map((o) => orgCard(o, refresh))), (s) => [s.orgs, Math.floor(Date.now() / 30000)]],
    ['certificates', certs, (s) => ((s.certificates ?? []).length > 0 ? certificates(s.certificates) : empty('No certificates', 'TLS is not set up here.')), (s) => s.certificates],
    ['foot', foot, (s) => h('p', { class: 'soft' }, `touchpointd ${s.version ?? ''}, started `, timeAgo(s.started)), (s) => [s.version, s.started, Math.floor(Date.now() / 30000)]],
  ]);

  async function look() {
    try {
      const status = await get('status', {}, signal);
      rememberOrgs(status.orgs ?? []);
      first.remove();
      body.hidden = false;
      replace(trouble);
      if (!isCovered()) paint(status, look);
    } catch (error) {
      if (signal.aborted) return;
      first.remove();
      replace(trouble, errorBox(error));
    }
  }
  await live(3, signal, look);
}
