// What another setting would do, beside what the present one does. Nothing is written.
import { h, replace, unique } from '../dom.js';
import { empty, errorBox, notice, panel, table, time, waiting, badge } from '../parts.js';
import { COUNTS, countsBar, preview, warnings } from '../campaign_parts.js';
import { address, note } from '../router.js';
import { actionWord, reasonWord, settings, settingWord } from '../words.js';
import { count, sentence } from '../format.js';

const PICKLIST = { all: 'Include all Campaign Members', responded: 'Include only "Responded" Campaign Members', exclude: 'Exclude all Campaign Members', blank: '' };

function difference(now, then) {
  const d = then - now;
  return h('span', { class: d === 0 ? 'soft' : 'strong' }, d === 0 ? 'same' : `${d > 0 ? '+' : '−'}${count(Math.abs(d))}`);
}

/** Touchpoints there would be in the end. */
const inTheEnd = (counts) => (counts.get ?? 0) + (counts.keep ?? 0) + (counts.change ?? 0);

function numbers(now, then) {
  const row = (text, a, b) => [text, count(a), count(b), difference(a, b)];
  const reasons = [...new Set([...(now.reasons ?? []), ...(then.reasons ?? [])].map((r) => r.code))].filter((c) => c !== '');
  const find = (p, code) => (p.reasons ?? []).find((r) => r.code === code);
  const of = (p, code) => find(p, code)?.count ?? 0;
  const words = (code) => sentence((find(now, code) ?? find(then, code)).sentence || reasonWord(code));
  return [
    table('Touchpoints now and then', ['', 'Now', 'Then', 'Difference'], [
      row(h('b', {}, 'Members with a touchpoint in the end'), inTheEnd(now.counts), inTheEnd(then.counts)),
      ...COUNTS.map(([key, , text]) => row(`Members that ${text}`, now.counts[key] ?? 0, then.counts[key] ?? 0)),
    ], { class: 'numbers' }),
    reasons.length > 0 ? table('Reasons for none, now and then', ['Why members have none', 'Now', 'Then', 'Difference'],
      reasons.map((code) => row(words(code), of(now, code), of(then, code))), { class: 'numbers' }) : null,
  ];
}

function sample(p, org) {
  const list = (p.sample ?? []).filter((m) => ['get', 'change', 'lose', 'create', 'update', 'delete'].includes(m.action));
  if (list.length === 0) return empty('Nobody’s touchpoint would change', 'Both settings come to the same for the members there are now.');
  return table('Some of those whose touchpoint would change', ['Member', 'Status', 'What happens', 'Date', 'Channel'],
    list.slice(0, 50).map((m) => [h('a', { href: address(`/member/${m.member}`, { org }) }, m.name || m.member), m.status, badge(m.action, actionWord(m.action)), time(m.date), m.channel_path || '–']), { class: 'stack' });
}

export async function compareTab({ root, org, id, query, signal }) {
  const present = preview(org, id, null, signal);
  const name = unique('setting');
  const out = h('div', { 'aria-live': 'polite' });
  let current = null;

  async function compare(setting) {
    current?.abort();
    current = new AbortController();
    const stop = AbortSignal.any([current.signal, signal]);
    replace(out, waiting('Deciding every member under both settings …'));
    try {
      const [now, then] = await Promise.all([present, preview(org, id, setting, stop)]);
      if (stop.aborted) return;
      replace(out, warnings(then.warnings),
        h('div', { class: 'columns' }, panel(`Now: ${settingWord(now.setting)}`, countsBar(now.counts, 'Present setting')),
          panel(`Then: ${settingWord(setting)}`, countsBar(then.counts, 'Other setting'))),
        panel('Side by side', numbers(now, then)),
        panel('Whose touchpoint would change', sample(then, org)),
        notice('info', h('strong', {}, 'Nothing was changed'), h('p', {}, 'To make it so, open the campaign in Salesforce and set ', h('b', {}, 'Enable Buyer Touchpoints'),
          PICKLIST[setting] ? [' to ', h('b', {}, PICKLIST[setting]), '.'] : ' to blank.', ' The touchpoints follow by themselves.')));
    } catch (error) {
      if (!stop.aborted) replace(out, errorBox(error, () => compare(setting)));
    }
  }

  const wanted = query.get('setting') ?? '';
  root.append(h('fieldset', { class: 'choices' }, h('legend', {}, 'What if the campaign were set to'),
    settings.map(([key, text]) => h('label', { class: 'choice' }, h('input', {
      type: 'radio',
      name,
      value: key,
      checked: key === wanted,
      onchange: () => {
        note({ org, tab: 'compare', setting: key });
        compare(key);
      },
    }), text))), out);
  if (wanted) await compare(wanted);
  else replace(out, empty('Choose a setting', 'You see how many members would get, keep or lose a touchpoint, before anything is changed.'));
}
