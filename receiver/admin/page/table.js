// A table of any length: rows come page by page, and only those on the screen are elements. It scrolls with the window.
import { h, replace, say } from './dom.js';
import { errorBox, waiting } from './parts.js';
import { count } from './format.js';

const NARROW = window.matchMedia('(max-width: 720px)');
const SPARE = 8; // rows above and below the screen

/**
 * o.label, o.columns [{title, cell(row), wide, grow}], o.key(row), o.fetch(after, signal) → {rows, next}, o.empty() → element,
 * o.selectable, o.onSelect(map of the selected by key), o.signal, o.heights [wide, narrow] in pixels.
 * Gives {element, reload(), selected (Map), select(on)}.
 */
export class VirtualTable {
  constructor(o) {
    this.o = o;
    this.rows = [];
    this.shown = new Map(); // index → element
    this.selected = new Map();
    this.next = null;
    this.loading = null;
    this.body = h('div', { class: 'rows', role: 'rowgroup' });
    this.table = h('div', { class: `vtable ${o.selectable ? 'selectable' : ''}`, role: 'table', 'aria-label': o.label },
      h('div', { role: 'rowgroup', class: 'head' }, h('div', { role: 'row', class: 'row' },
        o.selectable ? h('span', { role: 'columnheader', class: 'pick' }, h('span', { class: 'hidden' }, 'Select')) : null,
        o.columns.map((c) => h('span', { role: 'columnheader' }, c.title)))),
      this.body);
    this.table.style.setProperty('--columns', o.columns.map((c) => c.width ?? 'minmax(0, 1fr)').join(' '));
    this.more = h('button', { type: 'button', hidden: true, onclick: () => this.load() }, 'Load more');
    this.note = h('p', { class: 'more' });
    this.element = h('div', {}, this.table, this.note, this.more);
    this.frame = 0;
    const later = () => { this.frame ||= requestAnimationFrame(() => { this.frame = 0; this.draw(); }); };
    window.addEventListener('scroll', later, { signal: o.signal, passive: true });
    window.addEventListener('resize', later, { signal: o.signal });
    NARROW.addEventListener('change', () => this.redraw(), { signal: o.signal });
    this.body.addEventListener('focusin', later, { signal: o.signal });
  }

  get height() {
    return (this.o.heights ?? [48, 92])[NARROW.matches ? 1 : 0];
  }

  async reload() {
    this.loading?.abort();
    this.loading = null;
    this.rows = [];
    this.next = null;
    this.selected.clear();
    this.o.onSelect?.(this.selected);
    this.redraw();
    await this.load();
  }

  async load() {
    if (this.loading) return;
    const own = new AbortController();
    this.loading = own;
    this.more.hidden = true;
    replace(this.note, waiting());
    try {
      const signal = AbortSignal.any([own.signal, this.o.signal]);
      const before = this.rows.length;
      do { // a page may be empty although more follow
        const page = await this.o.fetch(this.next, signal);
        if (signal.aborted) return;
        this.rows.push(...page.rows);
        this.next = page.next ?? null;
      } while (this.next !== null && this.rows.length === before);
      this.loading = null;
      this.tell();
      this.draw();
    } catch (error) {
      if (own.signal.aborted || this.o.signal.aborted) return;
      replace(this.note, errorBox(error, () => { this.loading = null; this.load(); }));
    }
  }

  tell() {
    const n = this.rows.length;
    this.table.hidden = n === 0;
    this.more.hidden = this.next === null;
    this.table.setAttribute('aria-rowcount', this.next === null ? n + 1 : -1);
    if (n === 0) replace(this.note, this.o.empty());
    else replace(this.note, this.next === null ? `${count(n)} in all` : `${count(n)} loaded, more follow as you scroll`);
    say(n === 0 ? 'Nothing found' : `${count(n)} rows loaded`);
  }

  redraw() {
    for (const element of this.shown.values()) element.remove();
    this.shown.clear();
    this.draw();
  }

  draw() {
    const { height } = this;
    const top = this.body.getBoundingClientRect().top;
    const from = Math.max(0, Math.floor(-top / height) - SPARE);
    const to = Math.min(this.rows.length, Math.ceil((window.innerHeight - top) / height) + SPARE);
    this.body.style.height = `${this.rows.length * height}px`;
    const focused = document.activeElement?.closest?.('.row');
    for (const [index, element] of this.shown) {
      if ((index < from || index >= to) && element !== focused) {
        element.remove();
        this.shown.delete(index);
      }
    }
    for (let index = from; index < to; index += 1) {
      if (!this.shown.has(index)) this.put(index, height);
    }
    if (this.next !== null && to >= this.rows.length - SPARE && this.rows.length > 0) this.load();
  }

  /** In the order of the rows, so that Tab goes through them as they stand. */
  put(index, height) {
    const element = this.row(this.rows[index], index);
    element.style.height = `${height}px`;
    element.style.transform = `translateY(${index * height}px)`;
    let after = null;
    for (const [other, there] of this.shown) {
      if (other > index && (after === null || other < after.index)) after = { index: other, there };
    }
    this.body.insertBefore(element, after?.there ?? null);
    this.shown.set(index, element);
  }

  row(row, index) {
    const cells = this.o.columns.map((c) => h('span', { role: 'cell', class: c.class, 'data-title': c.title }, c.cell(row)));
    const element = h('div', { role: 'row', class: 'row', 'aria-rowindex': index + 2 }, cells);
    if (this.o.selectable) element.prepend(this.pick(row, element));
    return element;
  }

  pick(row, element) {
    const key = this.o.key(row);
    const box = h('input', {
      type: 'checkbox',
      checked: this.selected.has(key),
      'aria-label': `Select ${this.o.name?.(row) ?? key}`,
      onchange: () => {
        if (box.checked) this.selected.set(key, row);
        else this.selected.delete(key);
        element.classList.toggle('on', box.checked);
        this.o.onSelect?.(this.selected);
      },
    });
    element.classList.toggle('on', box.checked);
    return h('span', { role: 'cell', class: 'pick' }, h('label', {}, box));
  }

  /** All rows that are loaded, or none. */
  select(on) {
    this.selected.clear();
    if (on) for (const row of this.rows) this.selected.set(this.o.key(row), row);
    this.redraw();
    this.o.onSelect?.(this.selected);
  }
}
