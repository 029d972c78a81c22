// One campaign: its members and their verdicts, what another setting would do, dates in bulk, and what was written.
import { get, post } from '../api.js';
import { h, replace, button } from '../dom.js';
import { copyable, empty, tabs, waiting } from '../parts.js';
import { orgChoice } from '../org_choice.js';
import { address, go, showAgain } from '../router.js';
import { campaignHead, countsBar, settingBadge, warnings } from '../campaign_parts.js';
import { ledgerRow } from '../ledger.js';
import { PagedList } from '../paged.js';
import { act } from '../dialog.js';
import { membersTab } from './campaign_members.js';
import { compareTab } from './campaign_compare.js';
import { datesTab } from './campaign_dates.js';
import { plural } from '../format.js';

async function historyTab({ root, org, id, signal }) {
  const list = new PagedList({
    signal,
    fetch: async (after, stop) => {
      const page = await get('ledger', { org, campaign: id, limit: 50, after }, stop);
      return { rows: page.ledger, next: page.next };
    },
    row: (entry) => ledgerRow(entry),
    empty: () => empty('Nothing was written yet', 'What touchpointd creates, updates or deletes for this campaign is listed here, with its cause.'),
  });
  root.append(h('h2', {}, 'What was written'), list.element);
  await list.load();
}

const TABS = [
  ['members', 'Members', membersTab],
  ['compare', 'Another setting', compareTab],
  ['dates', 'Set dates', datesTab],
  ['history', 'History', historyTab],
];

/** Makes the org equal to the decision now, without waiting for a message or the daily pass. */
function reconcile(org, id, ended) {
  act({
    title: 'Reconcile this campaign',
    look: (signal) => post('reconcile', { org, campaign: id, dry_run: true }, signal),
    count: (dry) => (dry.counts ? dry.counts.get + dry.counts.change + dry.counts.lose : 1),
    nothing: 'Everything is as it should be: no touchpoint has to be written.',
    show: (dry) => (dry.counts ? [countsBar(dry.counts, 'What it would do'), warnings(dry.warnings)] : null),
    verb: (n) => `Write ${plural(n, 'touchpoint')}`,
    act: (reason, signal) => post('reconcile', { org, campaign: id, reason }, signal),
    ended,
  });
}

export async function campaign({ root, params, query, signal }) {
  const { id } = params;
  const title = h('h1', { tabindex: '-1' }, 'Campaign');
  const facts = h('p', { class: 'line' });
  root.append(h('p', { class: 'back' }, h('a', { href: address('/campaigns', { org: query.get('org') }) }, '← Campaigns')), title, facts);
  const { id: org, choice } = await orgChoice(query, signal, (other) => go(`/campaign/${id}`, { org: other }));
  if (choice) root.append(choice);
  if (!org) return;
  const [key, , view] = TABS.find(([name]) => name === query.get('tab')) ?? TABS[0];
  const body = h('div', { class: 'tab' });
  root.append(tabs('Parts of the campaign', TABS.map(([name, text]) => [text, address(`/campaign/${id}`, { org, tab: name === 'members' ? '' : name }), name === key])), body);
  replace(facts, waiting());
  const head = campaignHead(org, id, signal).then((c) => {
    title.textContent = c.name || id;
    document.title = `${c.name || id} · touchpointd`;
    replace(facts, settingBadge(c.setting), h('span', {}, c.type || 'no type'), c.members === undefined ? null : h('span', { class: 'soft' }, plural(c.members, 'member')),
      copyable(id), button('Reconcile …', () => reconcile(org, id, showAgain), { class: 'quiet' }));
    return c;
  }, (error) => {
    replace(facts, copyable(id));
    throw error;
  });
  await Promise.all([head, view({ root: body, org, id, query, signal, head })]);
}
