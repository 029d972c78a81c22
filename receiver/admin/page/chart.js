// Small pictures as SVG. Each says in words what it shows, so that none is needed to understand the page.
import { svg, h } from './dom.js';
import { count, percent, plural } from './format.js';

/** Bars of the last minutes, the newest on the right. */
export function rateChart(values, label) {
  const [wide, high] = [600, 120];
  const top = Math.max(1, ...values);
  const step = wide / Math.max(1, values.length);
  const bars = values.map((value, i) => {
    const size = value === 0 ? 1.5 : Math.max(3, (value / top) * (high - 2));
    const age = values.length - 1 - i;
    return svg('rect', {
      x: (i * step + step * 0.12).toFixed(2), y: (high - size).toFixed(2), width: (step * 0.76).toFixed(2), height: size.toFixed(2), class: value === 0 ? 'bar none' : 'bar',
    }, svg('title', {}, `${age === 0 ? 'this minute' : `${plural(age, 'minute')} ago`}: ${plural(value, 'message')}`));
  });
  return h('figure', { class: 'chart' },
    h('div', { class: 'line', 'aria-hidden': 'true' }, `at most ${count(top)} a minute`),
    svg('svg', { viewBox: `0 0 ${wide} ${high}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': label },
      svg('line', { x1: 0, x2: wide, y1: high, y2: high, class: 'grid' }), svg('line', { x1: 0, x2: wide, y1: 1, y2: 1, class: 'grid dashed' }), bars),
    h('div', { class: 'line between', 'aria-hidden': 'true' }, h('span', {}, `${count(values.length)} minutes ago`), h('span', {}, 'now')));
}

/** One bar of several parts. parts: [{text, value, tone}]. */
export function partsBar(parts, label) {
  const whole = parts.reduce((sum, part) => sum + part.value, 0);
  let x = 0;
  const pieces = parts.filter((part) => part.value > 0).map((part) => {
    const wide = (part.value / whole) * 1000;
    const piece = svg('rect', { x: x.toFixed(2), y: 0, width: Math.max(wide - 2, 1).toFixed(2), height: 16, class: `part ${part.tone}` },
      svg('title', {}, `${part.text}: ${count(part.value)}`));
    x += wide;
    return piece;
  });
  return h('figure', { class: 'parts' },
    svg('svg', { viewBox: '0 0 1000 16', preserveAspectRatio: 'none', role: 'img', 'aria-label': label },
      svg('rect', { x: 0, y: 0, width: 1000, height: 16, class: 'part empty' }), pieces),
    h('figcaption', {}, h('ul', {}, parts.map((part) => h('li', { class: part.value === 0 ? 'zero' : null },
      h('span', { class: `key ${part.tone}`, 'aria-hidden': 'true' }), h('b', {}, count(part.value)), ` ${part.text}`)))));
}

/** A share of a whole: an API budget, a job's progress. */
export function meter(value, whole, label, tone = 'busy') {
  const share = whole > 0 ? Math.min(1, value / whole) : 0;
  return svg('svg', { viewBox: '0 0 1000 8', preserveAspectRatio: 'none', class: 'meter', role: 'img', 'aria-label': `${label}: ${percent(value, whole)}` },
    svg('rect', { x: 0, y: 0, width: 1000, height: 8, class: 'part empty' }),
    svg('rect', { x: 0, y: 0, width: Math.round(share * 1000), height: 8, class: `part ${tone}` }));
}

/** Rows of name, bar and number. rows: [{text, value, href}]. */
export function barList(rows) {
  const top = Math.max(1, ...rows.map((row) => row.value));
  return h('ul', { class: 'bars' }, rows.map((row) => h('li', {},
    h('span', { class: 'name' }, row.href ? h('a', { href: row.href }, row.text) : row.text),
    h('span', { class: 'number' }, count(row.value)),
    svg('svg', { viewBox: '0 0 1000 6', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
      svg('rect', { x: 0, y: 0, width: 1000, height: 6, class: 'part empty' }),
      svg('rect', { x: 0, y: 0, width: Math.round((row.value / top) * 1000), height: 6, class: `part ${row.tone ?? 'bad'}` })))));
}
