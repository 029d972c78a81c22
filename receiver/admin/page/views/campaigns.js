// Campaigns: found by the beginning of the name, or by id.
import { get } from '../api.js';
import { h, replace, field } from '../dom.js';
import { empty, errorBox, waiting } from '../parts.js';
import { orgChoice } from '../org_choice.js';
import { address, go, note } from '../router.js';
import { settingBadge } from '../campaign_parts.js';
import { plural } from '../format.js';

function results(list, org, search) {
  if (list.length === 0) {
    return search
      ? empty('No campaign is called so', 'The beginning of its name is enough; capital letters make no difference. Its id works as well.')
      : empty('No campaigns', 'This organisation has none that the integration user may see.');
  }
  return h('ul', { class: 'list' }, list.map((c) => h('li', {},
    h('a', { class: 'row-link', href: address(`/campaign/${c.id}`, { org }) },
      h('span', { class: 'strong' }, c.name || c.id),
      h('span', { class: 'soft' }, [c.type || 'no type', c.members === null || c.members === undefined ? null : plural(c.members, 'member')].filter(Boolean).join(' · ')),
      settingBadge(c.setting)))));
}

export async function campaigns({ root, query, signal }) {
  root.append(h('h1', { tabindex: '-1' }, 'Campaigns'));
  const { id: org, choice } = await orgChoice(query, signal, (id) => go('/campaigns', { org: id }));
  const input = h('input', { type: 'search', name: 'search', value: query.get('search') ?? '', autocomplete: 'off', spellcheck: 'false' });
  const found = h('div', { 'aria-live': 'polite' });
  if (!org) {
    root.append(choice);
    return;
  }
  let current = null;
  async function look(keep) {
    current?.abort();
    current = new AbortController();
    const stop = AbortSignal.any([current.signal, signal]);
    const search = input.value.trim();
    replace(found, waiting('Searching …'));
    try {
      const answer = await get('campaigns', { org, search }, stop);
      if (keep) note({ org: query.get('org'), search });
      replace(found, results(answer.campaigns, org, search));
    } catch (error) {
      if (!stop.aborted) replace(found, errorBox(error, () => look(keep)));
    }
  }
  let timer = null;
  input.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(() => { if (!signal.aborted) look(false); }, 350);
  });
  root.append(choice ?? '', h('form', {
    class: 'search',
    role: 'search',
    onsubmit: (event) => {
      event.preventDefault();
      clearTimeout(timer);
      look(true);
    },
  }, field('Name or id', input), h('button', { type: 'submit' }, 'Search')), found);
  await look(false);
}
