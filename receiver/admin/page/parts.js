// Small pieces that many views are made of.
import { h, say, unique } from './dom.js';
import { tone, codeWord, hasWordFor } from './words.js';
import { ago, sentence, when, whenExactly } from './format.js';

const CODE_OR_TIME = /`([^`]+)`|\b(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)\b/;

/** The daemon's sentence for people: what stands between backticks as code, times as the browser's. */
export function prose(text) {
  const parts = [];
  let rest = sentence(text);
  for (let found = CODE_OR_TIME.exec(rest); found; found = CODE_OR_TIME.exec(rest)) {
    parts.push(rest.slice(0, found.index), found[1] ? h('code', {}, found[1]) : time(found[2]));
    rest = rest.slice(found.index + found[0].length);
  }
  return [...parts, rest];
}

export function badge(word, text) {
  return h('span', { class: `badge ${tone(word)}` }, text ?? word);
}

export function waiting(text = 'Loading …') {
  return h('p', { class: 'waiting', role: 'status' }, h('span', { class: 'spinner', 'aria-hidden': 'true' }), text);
}

export function notice(kind, ...children) {
  return h('div', { class: `notice ${kind}`, role: kind === 'bad' ? 'alert' : 'status' }, children);
}

/** What the server says went wrong, and a way on. */
export function errorBox(error, again) {
  const isAborted = error.name === 'AbortError';
  return notice('bad',
    h('strong', {}, isAborted ? 'Interrupted' : error.title ?? 'This page has a fault'),
    h('p', {}, error.message),
    again ? h('p', {}, h('button', { type: 'button', onclick: again }, 'Try again')) : null);
}

/** Nothing to show, and what to do next. */
export function empty(title, ...next) {
  return h('div', { class: 'empty' }, h('h2', {}, title), next.map((child) => (child instanceof Node ? child : h('p', {}, child))));
}

/** A time as a sentence, its exact form on hover. */
export function time(iso, none = '–') {
  return iso ? h('time', { datetime: iso, title: whenExactly(iso) }, when(iso)) : none;
}
export function timeAgo(iso, none = '–') {
  return iso ? h('time', { datetime: iso, title: whenExactly(iso) }, ago(iso)) : none;
}

/** pairs: [term, value]; those without a value are left out. */
export function facts(pairs, props) {
  return h('dl', { class: 'facts', ...props }, pairs
    .filter(([, value]) => value !== null && value !== undefined && value !== '')
    .map(([term, value]) => h('div', {}, h('dt', {}, term), h('dd', {}, value))));
}

export function id(text) {
  return text ? h('code', { class: 'id' }, text) : '–';
}

/** An id with a button that copies it. */
export function copyable(text) {
  return h('span', { class: 'copyable' }, id(text), h('button', {
    type: 'button',
    class: 'small',
    'aria-label': `Copy ${text}`,
    onclick: async () => {
      try {
        await navigator.clipboard.writeText(text);
        say('Copied');
      } catch {
        say('The browser does not let this page copy');
      }
    },
  }, 'Copy'));
}

/** A failure's code in words, the code itself beside it. */
export function code(word) {
  if (!word) return null;
  return hasWordFor(word) ? [codeWord(word), ' ', h('code', { class: 'id' }, word)] : h('code', { class: 'id' }, word);
}

export function panel(title, ...children) {
  const label = unique('panel');
  return h('section', { class: 'panel', 'aria-labelledby': label }, h('h2', { id: label }, title), children);
}

/** head: texts; rows: arrays of children. Scrolls sideways by itself where it is too wide. */
export function table(caption, head, rows, props) {
  return h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption },
    h('table', props, h('caption', { class: 'hidden' }, caption),
      h('thead', {}, h('tr', {}, head.map((text) => (text === '' ? h('td', {}) : h('th', { scope: 'col' }, text))))),
      h('tbody', {}, rows.map((cells) => h('tr', {}, cells.map((cell, i) => h('td', { 'data-title': head[i] || null }, cell)))))));
}

export function tabs(label, entries) {
  return h('nav', { class: 'tabs', 'aria-label': label }, entries.map(([text, href, isOn]) => (
    h('a', { href, 'aria-current': isOn ? 'page' : null }, text))));
}
