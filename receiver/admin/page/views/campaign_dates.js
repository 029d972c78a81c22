// Buyer Touchpoint Dates in bulk: who, which date, a look at what it would do, the job, and undo.
import { get, post } from '../api.js';
import { h, replace, field, unique } from '../dom.js';
import { empty, notice, panel, table, time } from '../parts.js';
import { act } from '../dialog.js';
import { conditionBuilder } from '../conditions.js';
import { warnings } from '../campaign_parts.js';
import { jobList } from '../job_list.js';
import { count, plural, toUtc } from '../format.js';

function radios(legend, entries, onChange) {
  const name = unique('choice');
  const boxes = entries.map(([value, text], i) => h('label', { class: 'choice' }, h('input', { type: 'radio', name, value, checked: i === 0, onchange: () => onChange(value) }), text));
  return { element: h('fieldset', { class: 'choices' }, h('legend', {}, legend), boxes), value: () => boxes.map((b) => b.firstChild).find((b) => b.checked).value };
}

function whoPart() {
  const conditions = conditionBuilder();
  const ids = h('textarea', { rows: '5', spellcheck: 'false' });
  const idField = field('Campaign member ids', ids, 'One a line, or separated by commas or spaces.');
  const show = (value) => {
    conditions.element.hidden = value !== 'filter';
    idField.hidden = value !== 'ids';
  };
  const choice = radios('Whose date', [['all', 'All members'], ['filter', 'Members that match'], ['ids', 'A list of ids']], show);
  show('all');
  return {
    element: h('div', {}, choice.element, conditions.element, idField),
    value() {
      if (choice.value() === 'all') return {};
      if (choice.value() === 'filter') {
        const filter = conditions.value();
        return typeof filter === 'string' ? filter : { filter };
      }
      const members = ids.value.split(/[\s,;]+/).filter(Boolean);
      return members.length === 0 ? 'Paste the ids of the members first.' : { members };
    },
  };
}

function datePart() {
  const at = h('input', { type: 'datetime-local', step: '60' });
  const atField = field('Date and time', at, `In your time zone, ${Intl.DateTimeFormat().resolvedOptions().timeZone}.`);
  const choice = radios('Which date', [['at', 'A date'], ['campaign_start', 'The campaign’s start date'], ['campaign_end', 'The campaign’s end date'], ['clear', 'None: clear it']],
    (value) => { atField.hidden = value !== 'at'; });
  return {
    element: h('div', {}, choice.element, atField),
    value() {
      if (choice.value() !== 'at') return { value: choice.value() };
      const value = toUtc(at.value);
      return value === '' ? 'Choose a date first.' : { value };
    },
  };
}

function dryRun(dry) {
  return [
    h('p', {}, h('b', {}, plural(dry.match, 'member')), ` ${dry.match === 1 ? 'matches' : 'match'}; the date of `, h('b', {}, count(dry.change)), ' would change.'),
    warnings(dry.warnings),
    (dry.sample ?? []).length > 0 ? table('Some of them', ['Member', 'Status', 'From', 'To'],
      dry.sample.slice(0, 50).map((m) => [m.name || m.member, m.status, time(m.from, 'empty'), time(m.to, 'empty')])) : null,
  ];
}

export async function datesTab({ root, org, id, signal }) {
  const [who, date] = [whoPart(), datePart()];
  const problem = h('div', {});
  const jobs = h('div', {});
  const listJobs = async () => {
    const answer = await get('jobs', { org, limit: 200 }, signal);
    const own = answer.jobs.filter((j) => j.campaign === id && (j.kind === 'dates' || j.kind === 'undo'));
    replace(jobs, own.length > 0 ? jobList(own, listJobs) : empty('No dates were set here yet', 'A change can be undone later: each previous date is remembered.'));
  };
  const preview = (event) => {
    event.preventDefault();
    const [a, b] = [who.value(), date.value()];
    const missing = [a, b].find((part) => typeof part === 'string');
    replace(problem, missing ? notice('bad', missing) : null);
    if (missing) return;
    act({
      title: 'Set touchpoint dates',
      look: (stop) => post('touchpoint-dates', { org, campaign: id, ...a, ...b, dry_run: true }, stop),
      count: (dry) => dry.change,
      show: dryRun,
      nothing: 'No member’s date would change.',
      verb: (n) => `Set ${plural(n, 'date')}`,
      act: (reason, stop) => post('touchpoint-dates', { org, campaign: id, ...a, ...b, reason }, stop),
      done: listJobs,
      ended: listJobs,
    });
  };
  root.append(panel('Set the Buyer Touchpoint Date of many members',
    h('p', { class: 'soft' }, 'It works before and after the campaign is enabled. The touchpoints follow by themselves, and the change can be undone.'),
    h('form', { onsubmit: preview }, h('div', { class: 'columns' }, who.element, date.element), problem,
      h('div', { class: 'actions' }, h('button', { type: 'submit', class: 'main' }, 'Preview …')))),
  panel('Date jobs of this campaign', jobs));
  await listJobs();
}
