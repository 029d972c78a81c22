// The messages: what failed, filtered; some or all that match are replayed or discarded.
import { get, post, orgs as allOrgs } from '../api.js';
import { h, replace, button } from '../dom.js';
import { badge, empty, time } from '../parts.js';
import { VirtualTable } from '../table.js';
import { barList } from '../chart.js';
import { act } from '../dialog.js';
import { filterForm, filterOf, extraCount } from '../filters.js';
import { note } from '../router.js';
import { codeWord, hasWordFor, kindWord, stateWord } from '../words.js';
import { count, plural } from '../format.js';

const PAGE = 200;

const COLUMNS = [
  { title: 'State', width: '7rem', class: 'left', cell: (m) => badge(m.state, stateWord(m.state)) },
  { title: 'What', width: 'minmax(0, 1.2fr)', class: 'strong', cell: (m) => h('a', { class: 'two', href: `#/message/${m.id}` }, h('span', {}, m.object || kindWord(m.kind)), m.record ? h('small', { class: 'id' }, m.record) : null) },
  { title: 'Why', width: 'minmax(0, 2fr)', cell: (m) => (m.code && hasWordFor(m.code) && m.message && m.state !== 'done' ? h('span', { class: 'two down', title: m.message }, h('span', {}, why(m)), h('small', { class: 'soft' }, m.message)) : h('span', { class: 'clip', title: m.message || null }, why(m))) },
  { title: 'Received', width: '11rem', class: 'right', cell: (m) => time(m.received_at) },
];

const what = (m) => `${m.object || kindWord(m.kind)} ${m.record || ''}`.trim();
const why = (m) => (m.code ? codeWord(m.code) : m.message) || '–';

/** What a dry run counted. */
function dryRun(dry, verb) {
  const rows = (table, word) => Object.entries(table ?? {}).filter(([, n]) => n > 0).map(([key, n]) => ({ text: word(key), value: n, tone: 'busy' }));
  const parts = [['By state', rows(dry.by_state, stateWord)], ['By reason', rows(dry.by_code, (c) => (c === '' ? 'no error' : codeWord(c)))],
    ['By object', rows(dry.by_object, (o) => o || 'made by touchpointd itself')]];
  return [
    h('p', {}, dry.is_partial ? 'At least ' : '', h('b', {}, plural(dry.count, 'message')), ' would be ', verb, dry.skipped > 0 ? `; ${plural(dry.skipped, 'other')} that ${dry.skipped === 1 ? 'matches' : 'match'} would be left as ${dry.skipped === 1 ? 'it is' : 'they are'}.` : '.'),
    h('div', { class: 'columns tight' }, parts.filter(([, list]) => list.length > 0).map(([title, list]) => h('div', {}, h('h3', {}, title), barList(list)))),
  ];
}

const ACTIONS = {
  replay: {
    title: 'Replay messages',
    verb: (n) => `Replay ${plural(n, 'message')}`,
    past: 'looked at anew',
    help: 'Each is decided again from what the organisation holds now. It is safe to repeat: a member never gets two touchpoints.',
  },
  discard: {
    title: 'Discard messages',
    verb: (n) => `Discard ${plural(n, 'message')}`,
    past: 'set aside without any further try',
    help: 'What they asked for is not done, unless a later message or the reconcile asks for it again. Messages in work are left.',
    danger: true,
  },
};

/** chosen: {ids} or {filter}. */
export function messageAction(name, chosen, { done, ended }) {
  const words = ACTIONS[name];
  act({
    title: words.title,
    danger: words.danger,
    look: (signal) => post(`messages/${name}`, { ...chosen, dry_run: true }, signal),
    count: (dry) => dry.count,
    show: (dry) => [dryRun(dry, words.past), h('p', { class: 'soft' }, words.help)],
    verb: words.verb,
    nothing: 'No message matches any more.',
    act: (reason, signal) => post(`messages/${name}`, { ...chosen, reason }, signal),
    done,
    ended,
  });
}

function emptyList(filter) {
  if (extraCount(filter) > 0) return empty('No message matches', h('p', {}, h('a', { href: '#/messages' }, 'Show all messages'), ' or change the filter.'));
  if (filter.state === 'failed') return empty('No failed messages', 'Everything that came could be done. There is nothing to mend.');
  return empty('No messages yet', 'They appear as soon as Salesforce sends its first outbound message. Its endpoint address and certificate are set up in Salesforce under Outbound Messages.');
}

/** The bar above the list: what is selected, and what to do with it. */
function selectionBar(state, list) {
  const bar = h('div', { class: 'selection', role: 'group', 'aria-label': 'Selected messages' });
  const chosen = () => (state.all ? { filter: state.filter } : { ids: [...list().selected.keys()] });
  const run = (name) => messageAction(name, chosen(), {
    ended: () => {
      state.all = false;
      list().reload();
    },
  });
  return {
    element: bar,
    draw() {
      const n = list().selected.size;
      const some = state.all || n > 0;
      replace(bar,
        h('span', { role: 'status' }, state.all ? 'All that match are selected' : n > 0 ? `${count(n)} selected` : 'Select messages to replay or discard them'),
        some ? button('Select none', () => { state.all = false; list().select(false); }, { class: 'quiet' }) : null,
        state.all ? null : button('Select all that match', () => { list().select(true); state.all = true; this.draw(); }, { class: 'quiet' }),
        button('Replay …', () => run('replay'), { class: 'main', disabled: !some }),
        button('Discard …', () => run('discard'), { disabled: !some }));
    },
  };
}

export async function messages({ root, query, signal }) {
  const state = { filter: filterOf(query), all: false };
  const orgs = await allOrgs(signal);
  const head = h('div', {});
  let list = null;
  const bar = selectionBar(state, () => list);
  list = new VirtualTable({
    label: 'Messages',
    columns: COLUMNS,
    key: (m) => m.id,
    name: what,
    selectable: true,
    signal,
    heights: [56, 112],
    fetch: async (after, stop) => {
      const page = await get('messages', { ...state.filter, limit: PAGE, after }, stop);
      return { rows: page.messages, next: page.next };
    },
    empty: () => emptyList(state.filter),
    onSelect: () => {
      state.all = false;
      bar.draw();
    },
  });
  const filtered = (filter) => {
    state.filter = filter;
    state.all = false;
    note(filter);
    list.reload();
  };
  replace(head, filterForm(state.filter, orgs, filtered));
  root.append(h('h1', { tabindex: '-1' }, 'Messages'), head, bar.element, list.element);
  bar.draw();
  await list.reload();
}

