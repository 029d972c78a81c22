// A filter of members: groups of conditions; within a group all must hold, of the groups any.
import { h, replace, field, select, button, unique } from './dom.js';

const OPS = ['is', 'is not', 'contains', 'not contains', 'starts with', 'not starts with', 'ends with', 'not ends with',
  'matches any', 'not matches any', '<', '<=', '>', '>='];
const FIELDS = ['Status', 'HasResponded', 'FirstRespondedDate', 'CreatedDate', 'Buyer_Touchpoint_Date__c', 'LeadId', 'ContactId'];

/** Gives {element, value()}: value is {any: [{all: [{field, op, value}]}]}, or a sentence of what is missing. */
export function conditionBuilder() {
  const groups = [];
  const element = h('div', { class: 'conditions' });
  const fields = h('datalist', { id: unique('fields') }, FIELDS.map((name) => h('option', { value: name })));

  function condition(group) {
    const row = { field: h('input', { type: 'text', list: fields.id, autocomplete: 'off', spellcheck: 'false' }), op: select({}, OPS.map((op) => [op, op]), 'is'), value: h('input', { type: 'text', autocomplete: 'off' }) };
    group.push(row);
    return row;
  }

  function drop(group, row) {
    group.splice(group.indexOf(row), 1);
    if (group.length === 0) groups.splice(groups.indexOf(group), 1);
    if (groups.length === 0) condition(groups[groups.push([]) - 1]);
    draw();
  }

  function draw(focus) {
    replace(element, fields, groups.map((group, g) => h('fieldset', { class: 'group' }, h('legend', {}, g === 0 ? 'Members for whom' : 'or for whom'),
      group.map((row, r) => h('div', { class: 'condition', role: 'group', 'aria-label': `Condition ${r + 1}` },
        field(r === 0 ? 'Field' : 'and field', row.field), field('Comparison', row.op), field('Value', row.value),
        button('Remove', () => drop(group, row), { class: 'quiet', 'aria-label': `Remove condition ${r + 1}` }))),
      button('And …', () => draw(condition(group)), { class: 'quiet' }))),
    h('p', {}, button('Or …', () => draw(condition(groups[groups.push([]) - 1])), { class: 'quiet' })),
    h('p', { class: 'soft' }, 'Names are those of the campaign member’s fields. An empty value finds empty fields.'));
    focus?.field.focus();
  }

  condition(groups[groups.push([]) - 1]);
  draw();
  return {
    element,
    value() {
      const unnamed = groups.flat().find((row) => row.field.value.trim() === '');
      if (unnamed) {
        unnamed.field.focus();
        return 'Each condition needs a field.';
      }
      return { any: groups.map((group) => ({ all: group.map((row) => ({ field: row.field.value.trim(), op: row.op.value, value: row.value.value })) })) };
    },
  };
}
