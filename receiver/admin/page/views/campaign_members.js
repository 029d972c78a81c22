// The members of a campaign, each with its verdict and the reason; filtered by reason.
import { get } from '../api.js';
import { h, replace, select } from '../dom.js';
import { empty, errorBox, panel, time, waiting } from '../parts.js';
import { barList } from '../chart.js';
import { VirtualTable } from '../table.js';
import { countsBar, preview, verdict, warnings } from '../campaign_parts.js';
import { address, note } from '../router.js';
import { reasonWord } from '../words.js';
import { count, sentence } from '../format.js';

function columns(org) {
  return [
    {
      title: 'Member',
      width: 'minmax(0, 1.4fr)',
      class: 'first',
      cell: (m) => h('span', { class: 'two' }, h('a', { href: address(`/member/${m.member}`, { org }) }, m.name || m.member), h('small', { class: 'soft clip' }, m.email || 'no email')),
    },
    { title: 'Status', width: 'minmax(0, 1fr)', class: 'left', cell: (m) => h('span', { class: 'two' }, m.status || '–', h('small', { class: 'soft' }, m.responded ? 'responded' : 'not responded')) },
    { title: 'Touchpoint date', width: '11rem', class: 'right', cell: (m) => time(m.date) },
    { title: 'Touchpoint', width: 'minmax(0, 2fr)', cell: (m) => h('span', { class: 'clip' }, verdict(m)) },
  ];
}

function summary(p, link) {
  const reasons = (p.reasons ?? []).filter((r) => r.count > 0 && r.code !== '');
  return [
    warnings(p.warnings),
    h('div', { class: 'columns three' },
      panel(`${count(p.counts.members)} members`, countsBar(p.counts, 'Touchpoints under the present setting')),
      reasons.length > 0 ? panel('Why members have none', barList(reasons.map((r) => ({ text: sentence(r.sentence || reasonWord(r.code)), value: r.count, href: link(r.code), tone: 'quiet' })))) : null,
      (p.channels ?? []).length > 0 ? panel('Channels', barList(p.channels.map((c) => ({ text: c.channel_path, value: c.count, tone: 'busy' })))) : null),
  ];
}

export async function membersTab({ root, org, id, query, signal }) {
  const top = h('div', {}, waiting('Deciding every member …'));
  let reason = query.get('reason') ?? '';
  const list = new VirtualTable({
    label: 'Members of the campaign',
    columns: columns(org),
    key: (m) => m.member,
    signal,
    heights: [60, 100],
    fetch: async (after, stop) => {
      const page = await get('members', { org, campaign: id, reason, limit: 200, after }, stop);
      return { rows: page.members, next: page.next };
    },
    empty: () => (reason ? empty('No member for this reason', 'Choose another reason, or all members.')
      : empty('This campaign has no members', 'Add leads or contacts to it in Salesforce; they appear here at once.')),
  });
  const choice = select({ name: 'reason', id: 'reason' }, [['', 'All members'], ['none', 'With a touchpoint'], ...(reason && reason !== 'none' ? [[reason, reasonWord(reason)]] : [])], reason);
  choice.addEventListener('change', () => {
    reason = choice.value;
    note({ org, reason });
    list.reload();
  });
  root.append(top, h('div', { class: 'line' }, h('h2', {}, 'Members'), h('div', { class: 'field inline' }, h('label', { for: choice.id }, 'Show'), choice)), list.element);
  const link = (code) => address(`/campaign/${id}`, { org, reason: code });
  const counted = preview(org, id, null, signal).then((p) => {
    replace(top, summary(p, link));
    replace(choice, [['', 'All members'], ['none', 'With a touchpoint'], ...(p.reasons ?? []).filter((r) => r.count > 0 && r.code !== '').map((r) => [r.code, `${reasonWord(r.code)} (${count(r.count)})`])]
      .map(([value, text]) => h('option', { value }, text)));
    choice.value = reason;
    list.draw();
  }, (error) => { if (!signal.aborted) replace(top, errorBox(error)); });
  await Promise.all([counted, list.reload()]);
}
