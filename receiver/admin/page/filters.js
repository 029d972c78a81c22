// The filter of messages: the form, the address and the API know it by the same names.
import { h, field, select } from './dom.js';
import { messageStates } from './words.js';
import { toLocal, toUtc } from './format.js';

const NAMES = ['state', 'org', 'error', 'object', 'record', 'campaign', 'since', 'until'];

export function filterOf(query) {
  return Object.fromEntries(NAMES.map((name) => [name, query.get(name) ?? '']).filter(([, value]) => value !== ''));
}

/** What is filled in beyond the state. */
export const extraCount = (filter) => Object.keys(filter).filter((name) => name !== 'state').length;

/** onFilter(filter) is called when the form is sent. */
export function filterForm(filter, orgs, onFilter) {
  const text = (name, props) => h('input', { type: 'text', name, value: filter[name] ?? '', autocomplete: 'off', spellcheck: 'false', ...props });
  const at = (name) => h('input', { type: 'datetime-local', name, value: toLocal(filter[name]) });
  const state = select({ name: 'state' }, [['', 'All states'], ...messageStates], filter.state);
  const more = h('details', { open: extraCount(filter) > 0 },
    h('summary', {}, 'More filters'),
    h('div', { class: 'fields' },
      orgs.length > 1 ? field('Organisation', select({ name: 'org' }, [['', 'All organisations'], ...orgs.map((o) => [o.id, o.name])], filter.org)) : null,
      field('Error code', text('error', { placeholder: 'UNABLE_TO_LOCK_ROW' })),
      field('Object', text('object', { placeholder: 'CampaignMember' })),
      field('Record id', text('record', { maxlength: '18' })),
      field('Campaign id', text('campaign', { maxlength: '18' })),
      field('Received since', at('since')),
      field('Received until', at('until'))));
  const read = (form) => {
    const data = Object.fromEntries(new FormData(form));
    const found = {};
    for (const name of NAMES) {
      const value = (data[name] ?? '').trim();
      if (value !== '') found[name] = name === 'since' || name === 'until' ? toUtc(value) : value;
    }
    return found;
  };
  const form = h('form', {
    class: 'filter',
    role: 'search',
    'aria-label': 'Filter messages',
    onsubmit: (event) => {
      event.preventDefault();
      onFilter(read(form));
    },
  },
  h('div', { class: 'line' }, field('State', state), h('button', { type: 'submit' }, 'Apply'),
    h('a', { class: 'button quiet', href: '#/messages' }, 'Clear')),
  more);
  state.addEventListener('change', () => onFilter(read(form)));
  return form;
}
