// What several views say of a campaign's preview.
import { get, post } from './api.js';
import { h } from './dom.js';
import { badge, notice } from './parts.js';
import { partsBar } from './chart.js';
import { settingKey, settingWord, reasonWord } from './words.js';
import { plural, sentence } from './format.js';

const SETTING_TONES = { all: 'good', responded: 'good', exclude: 'bad' };

export function settingBadge(setting) {
  const key = settingKey(setting);
  return h('span', { class: `badge ${key === null ? 'warn' : SETTING_TONES[key] ?? 'quiet'}` }, settingWord(setting));
}

export const preview = (org, campaign, setting, signal) => post('preview', { org, campaign, ...(setting ? { setting } : {}) }, signal);

/** The campaign's head from the search, which is quicker than a preview. */
export async function campaignHead(org, id, signal) {
  const { campaigns } = await get('campaigns', { org, search: id }, signal);
  return campaigns.find((c) => c.id === id || c.id.slice(0, 15) === id.slice(0, 15)) ?? campaigns[0] ?? { id, name: '', type: '', setting: '' };
}

export const COUNTS = [
  ['keep', 'good', 'keep their touchpoint'],
  ['get', 'busy', 'get one'],
  ['change', 'warn', 'have one that changes'],
  ['lose', 'bad', 'lose theirs'],
  ['none', 'quiet', 'have none'],
];

export function countsBar(counts, label) {
  return partsBar(COUNTS.map(([key, tone, text]) => ({ text, tone, value: counts[key] ?? 0 })), `${label}: ${plural(counts.members ?? 0, 'member')}`);
}

export function warnings(list) {
  if ((list ?? []).length === 0) return null;
  return notice('warn', h('strong', {}, 'Worth a look'),
    h('ul', {}, list.map((w) => h('li', {}, sentence(w.sentence)))));
}

/** A member's verdict: what is done, and why. */
export function verdict(member) {
  const has = member.reason === '' || member.reason === null || member.reason === undefined;
  const words = { get: 'Gets one', create: 'Gets one', change: 'Changes', update: 'Changes', lose: 'Loses it', delete: 'Loses it', keep: 'Has one', none: 'None' };
  return [badge(has && ['none', 'keep'].includes(member.action) ? 'ok' : member.action, words[member.action] ?? (has ? 'Has one' : 'None')), ' ',
    h('span', { class: 'soft' }, has ? '' : sentence(member.sentence || reasonWord(member.reason)))];
}
