// Why a person has a touchpoint, or none: each step of the decision with what was seen.
import { get } from '../api.js';
import { h, replace, field } from '../dom.js';
import { badge, copyable, empty, facts, notice, panel, prose, table, time, waiting } from '../parts.js';
import { orgChoice } from '../org_choice.js';
import { address, go } from '../router.js';
import { ledgerList } from '../ledger.js';
import { plural } from '../format.js';
import { actionWord, codeWord, kindWord, stateWord, valueWord } from '../words.js';

const ID = /^00v[A-Za-z0-9]{12}([A-Za-z0-9]{3})?$/;
const DATE = /^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:?\d\d)$/;

export async function memberSearch({ root, query, signal }) {
  const { id: org, choice } = await orgChoice(query, signal, (other) => go('/member', { org: other }));
  const input = h('input', { type: 'text', name: 'member', required: true, maxlength: '18', autocomplete: 'off', spellcheck: 'false', placeholder: '00v…' });
  const problem = h('div', {});
  root.append(h('h1', { tabindex: '-1' }, 'Explain a member'),
    h('p', {}, 'See step by step why a campaign member has a touchpoint, or why it has none.'), choice ?? '',
    h('form', {
      class: 'search',
      onsubmit: (event) => {
        event.preventDefault();
        const id = input.value.trim();
        if (ID.test(id)) go(`/member/${id}`, { org });
        else replace(problem, notice('bad', 'The id of a campaign member begins with 00v and has 15 or 18 characters.'));
      },
    }, field('Campaign member id', input, 'In Salesforce it stands in the address of the campaign member’s page.'), h('button', { type: 'submit' }, 'Explain')),
    problem,
    h('p', {}, 'You don’t have the id? Find the ', h('a', { href: address('/campaigns', { org }) }, 'campaign'), ' and choose the member there.'));
}

function value(v) {
  if (v === null || v === undefined || v === '') return h('i', { class: 'soft' }, 'empty');
  if (v === true || v === 'true') return 'yes';
  if (v === false || v === 'false') return 'no';
  return DATE.test(v) ? time(v) : String(v);
}

const spaced = (name) => (valueWord(name) !== name ? valueWord(name) : name.replace(/^./, (c) => c.toUpperCase()));
const valueFacts = (values) => (Object.keys(values ?? {}).length > 0 ? facts(Object.entries(values).map(([k, v]) => [spaced(k), value(v)]), { class: 'facts small' }) : null);

const OUTCOMES = { pass: 'Passed', stop: 'Stops here', skipped: 'Not reached' };

function steps(list) {
  const tones = { pass: 'good', stop: 'bad', skipped: 'quiet' };
  return h('ol', { class: 'steps numbered' }, list.map((s) => h('li', { class: tones[s.outcome] },
    h('p', { class: 'line between' }, h('b', {}, spaced(s.name)), badge(s.outcome, OUTCOMES[s.outcome] ?? s.outcome)),
    h('p', {}, prose(s.sentence)), valueFacts(s.values))));
}

const VERDICTS = {
  keep: 'This member has a touchpoint, and it is as it should be',
  create: 'This member should have a touchpoint, and has none yet',
  update: 'This member has a touchpoint, and some of its values should be others',
  delete: 'This member has a touchpoint, and should have none',
};

function verdictBox(x) {
  const v = x.verdict ?? {};
  const text = VERDICTS[v.has_touchpoint || x.action === 'delete' ? x.action : ''] ?? (v.has_touchpoint ? 'This member should have a touchpoint' : 'This member has no touchpoint, and none is due');
  const next = ['create', 'update', 'delete'].includes(x.action) ? h('p', {}, `${actionWord(x.action)} with the next look at the campaign.`) : null;
  return notice(v.has_touchpoint ? 'good' : 'info',
    h('strong', {}, text), v.sentence && !v.has_touchpoint ? h('p', {}, prose(v.sentence)) : null, next);
}

/** The touchpoint as it is beside what it should be: what differs as a table, the rest once. */
function comparison(x) {
  const is = x.touchpoint?.values ?? null;
  const should = x.verdict?.has_touchpoint ? x.verdict.values ?? {} : null;
  if (!is && !should) return empty('No touchpoint, and none is due', 'Nothing has to be written for this member.');
  const differences = is && should ? x.difference ?? [] : [];
  const differs = new Set(differences.map((d) => d.value));
  const rest = Object.entries(should ?? is).filter(([name]) => !differs.has(name));
  return [
    x.touchpoint ? h('p', { class: 'soft' }, 'Touchpoint ', copyable(x.touchpoint.id)) : null,
    is && should ? h('p', {}, differences.length > 0 ? `${plural(differences.length, 'value')} of it differ${differences.length === 1 ? 's' : ''} from what should be there:` : 'It is as it should be.') : null,
    is && !should ? h('p', {}, 'It should not be there.') : null,
    is ? null : h('p', {}, 'It does not exist yet. It should hold:'),
    differences.length > 0 ? table('What differs', ['Value', 'Is', 'Should be'], differences.map((d) => [spaced(d.value), value(d.is), h('b', {}, value(d.should_be))]), { class: 'stack' }) : null,
    facts(rest.map(([name, v]) => [spaced(name), value(v)])),
  ];
}

function messageList(list) {
  if (list.length === 0) return empty('No message about it of late', 'Salesforce has not told of a change that touchpointd still remembers.');
  return h('ul', { class: 'list' }, list.map((m) => h('li', {}, h('a', { class: 'row-link', href: `#/message/${m.id}` },
    h('span', {}, kindWord(m.kind), m.code ? `: ${codeWord(m.code)}` : ''), badge(m.state, stateWord(m.state)), time(m.received_at)))));
}

export async function member({ root, params, query, signal }) {
  const title = h('h1', { tabindex: '-1' }, 'Member');
  const body = h('div', {}, waiting('Asking the organisation …'));
  root.append(title, body);
  const { id: org } = await orgChoice(query, signal, () => {});
  const x = await get('explain', { org, member: params.id }, signal);
  const campaign = typeof x.campaign === 'object' && x.campaign !== null ? x.campaign : { id: x.campaign };
  const who = typeof x.member === 'object' && x.member !== null ? x.member : { id: x.member };
  title.textContent = who.name || `Member ${params.id}`;
  document.title = `${title.textContent} · touchpointd`;
  replace(body,
    h('p', { class: 'line' }, copyable(who.id ?? params.id), campaign.id ? h('a', { href: address(`/campaign/${campaign.id}`, { org }) }, `Campaign ${campaign.name || campaign.id}`) : null),
    verdictBox(x),
    h('div', { class: 'columns' }, panel('The decision, step by step', steps(x.steps ?? [])), panel('The touchpoint', comparison(x))),
    h('div', { class: 'columns' },
      panel('What was written', ledgerList(x.history ?? [], 'Nothing was written yet', 'A touchpoint that is created, updated or deleted is listed here with its cause.', false)),
      panel('Messages about it', messageList(x.messages ?? []))));
}
