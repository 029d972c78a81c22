// The ledger: what was written to the org, when and why.
import { h } from './dom.js';
import { badge, copyable, empty, time } from './parts.js';
import { actionWord, causeWord, reasonWord, valueWord } from './words.js';

function parsed(values) {
  if (values === null || values === undefined) return {};
  if (typeof values === 'object') return values;
  try {
    return JSON.parse(values);
  } catch {
    return {};
  }
}

const DATE = /^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:?\d\d)$/;
function shown(value) {
  if (value === null || value === undefined || value === '') return h('i', {}, 'empty');
  return DATE.test(value) ? time(value) : String(value);
}

/** "Touchpoint date: 3 May → 9 May", a line each. */
function changes(entry) {
  const before = parsed(entry.before);
  const after = parsed(entry.after);
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((name) => before[name] !== after[name]);
  if (names.length === 0) return null;
  const one = (name) => h('li', {}, h('span', { class: 'soft' }, `${valueWord(name)}: `),
    name in before && name in after ? [shown(before[name]), ' → ', h('b', {}, shown(after[name]))] : shown(after[name] ?? before[name]));
  return names.length > 4
    ? h('details', {}, h('summary', {}, `${names.length} values`), h('ul', { class: 'plain' }, names.map(one)))
    : h('ul', { class: 'plain' }, names.map(one));
}

export function ledgerRow(entry, withMember = true) {
  return h('li', {},
    h('p', { class: 'line between' }, h('span', { class: 'line' }, badge(entry.action, actionWord(entry.action)),
      withMember && entry.member ? h('a', { href: `#/member/${entry.member}?org=${entry.org}` }, `member ${entry.member}`) : null), time(entry.at)),
    changes(entry),
    h('p', { class: 'soft' }, `By ${causeWord(entry.cause)}`, entry.reason ? `: the member ${reasonWord(entry.reason)}` : '', '.'),
    entry.touchpoint ? h('p', { class: 'soft' }, 'Touchpoint ', copyable(entry.touchpoint)) : null);
}

export function ledgerList(entries, none, next, withMember) {
  if (entries.length === 0) return empty(none, next);
  return h('ol', { class: 'steps' }, entries.map((entry) => ledgerRow(entry, withMember)));
}
