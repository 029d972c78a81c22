// A channel map that can be edited, and the YAML for the configuration.
import { h, replace, button, unique, say } from './dom.js';

const COLUMNS = [['type', 'Campaign type'], ['status', 'Member status, if any'], ['channel', 'Channel'], ['subchannel', 'Subchannel']];

/** A YAML double-quoted scalar is a JSON string. */
const quoted = (text) => JSON.stringify(text);

function line(entry) {
  const parts = Object.entries(entry).map(([key, value]) => `${key}: ${typeof value === 'boolean' ? value : quoted(value)}`);
  return `  - { ${parts.join(', ')} }`;
}

export function yamlOf(map) {
  return [`policy:`, `  default_channel: ${quoted(map.default_channel)}`, 'channels:', ...map.channels.map(line), ''].join('\n');
}

/** Gives {element, yaml (an element), value()}: {channels, default_channel}, or a sentence of what is missing. */
export function mapEditor(entries, defaultChannel) {
  const rows = entries.map((e) => ({ ...e }));
  const fallback = h('input', { type: 'text', id: unique('default'), value: defaultChannel, autocomplete: 'off' });
  const body = h('tbody', {});
  const text = h('pre', { tabindex: '0', 'aria-label': 'YAML of the map' });
  const entry = (row) => {
    const found = {};
    for (const [key] of COLUMNS) if ((row[key] ?? '').trim() !== '') found[key] = row[key].trim();
    if (row.null_channel) found.null_channel = true;
    return found;
  };
  const map = () => ({ channels: rows.map(entry), default_channel: fallback.value.trim() });
  const tell = () => { text.textContent = yamlOf(map()); };
  const move = (from, to) => {
    rows.splice(to, 0, ...rows.splice(from, 1));
    draw();
    body.rows[to]?.querySelector('button:not([disabled])')?.focus();
  };

  function cell(row, i, [key, title]) {
    return h('td', { 'data-title': title }, h('input', {
      type: 'text', value: row[key] ?? '', 'aria-label': `${title}, line ${i + 1}`, autocomplete: 'off', spellcheck: 'false', oninput: (event) => { row[key] = event.target.value; tell(); },
    }));
  }

  function draw() {
    replace(body, rows.map((row, i) => h('tr', {}, COLUMNS.map((column) => cell(row, i, column)),
      h('td', { 'data-title': 'Null channel' }, h('input', { type: 'checkbox', checked: Boolean(row.null_channel), 'aria-label': `Null channel, line ${i + 1}`, onchange: (event) => { row.null_channel = event.target.checked; tell(); } })),
      h('td', {}, h('div', { class: 'line' },
        button('↑', () => move(i, i - 1), { class: 'small', disabled: i === 0, 'aria-label': `Move line ${i + 1} up` }),
        button('↓', () => move(i, i + 1), { class: 'small', disabled: i === rows.length - 1, 'aria-label': `Move line ${i + 1} down` }),
        button('Remove', () => { rows.splice(i, 1); draw(); }, { class: 'small', 'aria-label': `Remove line ${i + 1}` }))))));
    tell();
  }

  fallback.addEventListener('input', tell);
  draw();
  return {
    element: h('div', { class: 'map' },
      h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Channel map' }, h('table', { class: 'edit' },
        h('caption', { class: 'hidden' }, 'Channel map'),
        h('thead', {}, h('tr', {}, COLUMNS.map(([, title]) => h('th', { scope: 'col' }, title)), h('th', { scope: 'col' }, 'Null channel'), h('th', { scope: 'col' }, h('span', { class: 'hidden' }, 'Order')))), body)),
      h('div', { class: 'line' }, button('Add a line', () => {
        rows.push({ type: '', channel: '' });
        draw();
        body.rows[rows.length - 1].querySelector('input').focus();
      }), h('div', { class: 'field inline' }, h('label', { for: fallback.id }, 'All other types'), fallback))),
    yaml: h('div', {}, text, h('div', { class: 'actions' }, button('Copy', async () => {
      try {
        await navigator.clipboard.writeText(text.textContent);
        say('Copied');
      } catch {
        say('The browser does not let this page copy');
      }
    }))),
    value() {
      const found = map();
      const i = found.channels.findIndex((e) => !e.type || !e.channel);
      if (i >= 0) return `Line ${i + 1} needs a campaign type and a channel.`;
      return found.default_channel === '' ? 'All other types need a channel, too.' : found;
    },
  };
}
