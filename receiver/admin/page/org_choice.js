// Most views are about one organisation: the address names it; where there is one only, it is that.
import { orgs } from './api.js';
import { h, field, select } from './dom.js';
import { empty } from './parts.js';

/** {id, choice}: the org, and a control to change it (null where there is nothing to choose). onChange(id). */
export async function orgChoice(query, signal, onChange) {
  const list = await orgs(signal);
  const wanted = query.get('org');
  const org = list.find((o) => o.id === wanted || o.id.slice(0, 15) === wanted) ?? list[0];
  if (!org) return { id: null, choice: empty('No organisation is configured', 'Add one under orgs: in the configuration, then reload.') };
  if (list.length === 1) return { id: org.id, choice: null };
  const control = select({ name: 'org' }, list.map((o) => [o.id, o.name]), org.id);
  control.addEventListener('change', () => onChange(control.value));
  return { id: org.id, choice: h('div', { class: 'org-choice' }, field('Organisation', control)) };
}
