// A list that grows by a button; for lists that nobody reads to their end.
import { h, replace, say } from './dom.js';
import { errorBox, waiting } from './parts.js';

/** o.fetch(after, signal) → {rows, next}; o.row(row) → li; o.empty() → element; o.signal. */
export class PagedList {
  constructor(o) {
    this.o = o;
    this.next = null;
    this.list = h('ol', { class: o.class ?? 'steps' });
    this.foot = h('div', {});
    this.element = h('div', {}, this.list, this.foot);
  }

  reload() {
    this.next = null;
    this.list.replaceChildren();
    return this.load();
  }

  async load() {
    replace(this.foot, waiting());
    try {
      const before = this.list.children.length;
      do { // a page may be empty although more follow
        const page = await this.o.fetch(this.next, this.o.signal);
        if (this.o.signal.aborted) return;
        this.list.append(...page.rows.map(this.o.row));
        this.next = page.next ?? null;
      } while (this.next !== null && this.list.children.length === before);
      this.list.hidden = this.list.children.length === 0;
      replace(this.foot, this.list.hidden ? this.o.empty() : null,
        this.next === null ? null : h('button', { type: 'button', onclick: () => this.load() }, 'Load more'));
      say(`${this.list.children.length} shown`);
    } catch (error) {
      if (!this.o.signal.aborted) replace(this.foot, errorBox(error, () => this.load()));
    }
  }
}
