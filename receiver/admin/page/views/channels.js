// Which channel each Campaign Type comes to; a map can be tried before it is put into the configuration.
import { get, post } from '../api.js';
import { h, replace, button } from '../dom.js';
import { badge, empty, errorBox, notice, panel, table, waiting } from '../parts.js';
import { orgChoice } from '../org_choice.js';
import { go } from '../router.js';
import { mapEditor } from '../map_editor.js';
import { count, plural } from '../format.js';

const path = (t) => [t.channel, t.subchannel].filter(Boolean).join('.') || '–';

/** Some members of a type go elsewhere, by their status. */
function statuses(t) {
  if ((t.by_status ?? []).length === 0) return null;
  return h('ul', { class: 'plain soft' }, t.by_status.map((s) => h('li', {}, `${s.status}: ${path(s)}${s.null_channel ? ' (null channel)' : ''}`)));
}

function mark(t) {
  if (t.null_channel) return badge('held', 'Null channel');
  if (t.is_default) return badge('failed', 'Not mapped');
  return badge('ok', 'Mapped');
}

function typeTable(types, caption) {
  const tried = types.some((t) => t.was);
  return table(caption, ['Campaign type', 'Channel', ...(tried ? ['Before'] : []), 'In the map', 'Campaigns', 'Enabled', 'Members'],
    types.map((t) => [h('b', {}, t.type || h('i', {}, 'no type')), [t.was ? h('b', {}, path(t)) : path(t), statuses(t)], ...(tried ? [t.was ? path(t.was) : h('span', { class: 'soft' }, 'same')] : []),
      mark(t), count(t.campaigns), count(t.enabled), t.members === null ? 'unknown' : count(t.members)]), { class: 'stack sums' });
}

/** What stands out, in sentences. */
function remarks(types) {
  const unmapped = types.filter((t) => t.is_default && t.enabled > 0);
  const nulls = types.filter((t) => t.null_channel && t.enabled > 0);
  const names = (list) => list.slice(0, 5).map((t) => t.type || 'no type').join(', ') + (list.length > 5 ? ' and others' : '');
  const sum = (list) => list.reduce((n, t) => n + t.enabled, 0);
  return [
    unmapped.length > 0 ? notice('warn', h('strong', {}, `${plural(unmapped.length, 'campaign type')} in use ${unmapped.length === 1 ? 'is' : 'are'} not mapped`),
      h('p', {}, `${names(unmapped)}: their touchpoints go to the default channel. Try a map below, then put it into the configuration.`)) : null,
    nulls.length > 0 ? notice('warn', h('strong', {}, `${plural(sum(nulls), 'campaign')} of a type with the null channel ${sum(nulls) === 1 ? 'is' : 'are'} enabled`),
      h('p', {}, `${names(nulls)}: probably enabled by mistake. Their members get touchpoints nevertheless.`)) : null,
  ];
}

/** Where the daemon doesn't say which map it uses: one that comes to the same. */
function mapOf(answer) {
  if (Array.isArray(answer.channels)) return answer.channels;
  return answer.types.filter((t) => !t.is_default && t.type).map((t) => ({ type: t.type, channel: t.channel, subchannel: t.subchannel, null_channel: t.null_channel }));
}

export async function channels({ root, query, signal }) {
  root.append(h('h1', { tabindex: '-1' }, 'Channels'), h('p', {}, 'Each campaign type comes to a channel, by which reports group the touchpoints.'));
  const { id: org, choice } = await orgChoice(query, signal, (id) => go('/channels', { org: id }));
  if (choice) root.append(choice);
  if (!org) return;
  const body = h('div', {}, waiting('Asking the organisation …'));
  root.append(body);
  const answer = await get('channels', { org }, signal);
  if (answer.types.length === 0) {
    replace(body, empty('No campaigns yet', 'As soon as the organisation has campaigns, their types are listed here.'));
    return;
  }
  const editor = mapEditor(mapOf(answer), answer.default_channel ?? answer.types.find((t) => t.is_default)?.channel ?? 'Other');
  const result = h('div', { 'aria-live': 'polite' });
  const tryIt = async () => {
    const map = editor.value();
    if (typeof map === 'string') {
      replace(result, notice('bad', map));
      return;
    }
    replace(result, waiting('Trying …'));
    try {
      const tried = await post('channels/try', { org, ...map }, signal);
      const moved = tried.types.filter((t) => t.was);
      replace(result, moved.length === 0 ? notice('info', 'With this map, every type comes to the same channel as now.')
        : notice('info', `${plural(moved.length, 'type')} would change, with ${plural(moved.reduce((n, t) => n + (t.members ?? 0), 0), 'member')}. Nothing was changed yet.`),
      typeTable(tried.types, 'Channels under the map you try'));
    } catch (error) {
      if (!signal.aborted) replace(result, errorBox(error));
    }
  };
  replace(body, remarks(answer.types), panel('Types in use', typeTable(answer.types, 'Campaign types and their channels')),
    panel('Try another map', h('p', { class: 'soft' }, 'The first line that fits counts. * stands for any text. Nothing is saved here.'), editor.element,
      h('div', { class: 'actions' }, button('Try it', tryIt, { class: 'main' })), result),
    panel('For the configuration', h('p', {}, 'Replace these parts of touchpointd.yaml, then reload; what is not shown stays.'), editor.yaml));
}
