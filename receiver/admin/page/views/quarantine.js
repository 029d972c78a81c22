// Documents that were refused: who sent them, why they were not taken, and what they held.
import { get } from '../api.js';
import { h, replace } from '../dom.js';
import { empty, facts, notice, panel, time, timeAgo, waiting } from '../parts.js';
import { PagedList } from '../paged.js';
import { bytes } from '../format.js';

function row(d) {
  return h('li', {}, h('a', { class: 'row-link', href: `#/quarantine/${d.id}` },
    h('span', { class: 'strong' }, d.message || d.reason), h('span', { class: 'soft' }, `from ${d.peer || 'unknown'} · ${bytes(d.size ?? 0)}`), timeAgo(d.at)));
}

export async function quarantine({ root, signal }) {
  const list = new PagedList({
    signal,
    class: 'list',
    fetch: async (after, stop) => {
      const page = await get('quarantine', { limit: 50, after }, stop);
      return { rows: page.documents, next: page.next };
    },
    row,
    empty: () => empty('Nothing was refused', 'Every document that came could be understood. One that can’t is kept here with the reason.'),
  });
  root.append(h('h1', { tabindex: '-1' }, 'Quarantine'), h('p', {}, 'Documents that came to the endpoint and were refused. None of them was acted upon.'), list.element);
  await list.load();
}

export async function quarantined({ root, params, signal }) {
  const body = h('div', {}, waiting());
  root.append(h('p', { class: 'back' }, h('a', { href: '#/quarantine' }, '← Quarantine')), h('h1', { tabindex: '-1' }, `Document ${params.id}`), body);
  const d = await get(`quarantine/${params.id}`, {}, signal);
  replace(body, notice('warn', h('strong', {}, 'Why it was refused'), h('p', {}, d.message || d.reason)),
    panel('About it', facts([['Received', time(d.at)], ['From', d.peer], ['Organisation', d.org], ['Reason', h('code', { class: 'id' }, d.reason)], ['Size', bytes(d.size ?? 0)],
      ['Kept of it', d.kept !== d.size ? bytes(Number(d.kept) || 0) : null]])),
    panel('The document', d.body ? h('pre', { tabindex: '0', 'aria-label': 'The document' }, d.body) : empty('It was not kept', 'Only its facts were: the quarantine was full, or it came too fast.'),
      h('p', { class: 'soft' }, 'Session ids are blotted out.')));
}
