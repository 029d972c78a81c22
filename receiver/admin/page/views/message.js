// One message: what it asked for, what became of each try, what to do, and what it wrote.
import { get } from '../api.js';
import { h, replace, button } from '../dom.js';
import { badge, code, copyable, empty, facts, notice, panel, prose, time, waiting } from '../parts.js';
import { ledgerList } from '../ledger.js';
import { messageAction } from './messages.js';
import { kindWord, stateWord } from '../words.js';
import { count, plural } from '../format.js';

const RESULTS = { applied: 'done', retry: 'tried again later', fail: 'failed', failed: 'failed' };

function attempts(list) {
  if (list.length === 0) return empty('Nothing went wrong', 'A try that ends well at once leaves no trace here.');
  return h('ol', { class: 'steps' }, list.map((a) => h('li', { class: a.result === 'applied' ? 'good' : a.result.startsWith('fail') ? 'bad' : 'warn' },
    h('p', { class: 'line between' }, h('b', {}, code(a.code) ?? RESULTS[a.result] ?? a.result), time(a.at)),
    a.message ? h('p', {}, prose(a.message)) : null,
    h('p', { class: 'soft' }, RESULTS[a.result] ?? a.result, a.times > 1 ? [`, ${count(a.times)} times since `, time(a.first_at)] : ''))));
}

function links(m) {
  const all = [];
  if (m.object === 'CampaignMember' && m.record) all.push(h('a', { class: 'button', href: `#/member/${m.record}?org=${m.org}` }, 'Explain this member'));
  if (m.campaign) all.push(h('a', { class: 'button', href: `#/campaign/${m.campaign}?org=${m.org}` }, 'Open the campaign'));
  return all;
}

function show(root, m, refresh) {
  const isOpen = m.state === 'ready' || m.state === 'failed';
  const run = (name) => messageAction(name, { ids: [m.id] }, { ended: refresh });
  replace(root,
    h('p', { class: 'back' }, h('a', { href: '#/messages?state=failed' }, '← Failed messages')),
    h('div', { class: 'line' }, h('h1', { tabindex: '-1' }, `${m.object || kindWord(m.kind)} ${m.record ?? ''}`), badge(m.state, stateWord(m.state))),
    m.state !== 'done' && (m.message || m.code) ? notice(m.state === 'failed' ? 'bad' : 'warn', h('strong', {}, code(m.code)), m.message ? h('p', {}, prose(m.message)) : null) : null,
    m.what_to_do && (m.state !== 'done' || m.code) ? notice('info', h('strong', {}, 'What to do'), h('p', {}, prose(m.what_to_do))) : null,
    h('div', { class: 'actions' },
      button('Replay …', () => run('replay'), { class: 'main' }),
      isOpen ? button('Discard …', () => run('discard')) : null,
      links(m)),
    h('div', { class: 'columns' },
      panel('Message', facts([
        ['What happened', kindWord(m.kind)],
        ['Record', m.record ? copyable(m.record) : null],
        ['Campaign', m.campaign ? copyable(m.campaign) : null],
        ['Notification', m.notification ? copyable(m.notification) : 'none: made by touchpointd itself'],
        ['Organisation', m.org ? h('code', { class: 'id' }, m.org) : null],
        ['Received', time(m.received_at)],
        ['Next try', m.state === 'ready' ? time(m.due_at, null) : null],
        ['Settled', time(m.settled_at, null)],
        ['Tries', plural(m.tries ?? 0, 'try', 'tries')],
        ['Replayed by', m.replayed_by ? h('a', { href: `#/job/${m.replayed_by}` }, `job ${m.replayed_by}`) : null],
      ])),
      panel('Tries that did not end well', attempts(m.attempts ?? []))),
    panel('What it wrote to the organisation', ledgerList(m.ledger ?? [], 'Nothing was written', 'Either nothing had to change, or it has not succeeded yet.')));
}

export async function message({ root, params, signal }) {
  root.append(h('h1', { tabindex: '-1' }, 'Message'), waiting());
  const refresh = async () => show(root, await get(`messages/${params.id}`, {}, signal), refresh);
  await refresh();
  root.querySelector('h1').focus();
}
