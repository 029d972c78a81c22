// Dialogs of actions: what it would do (a dry run), why (a reason), then how far the job has come.
import { h, replace, field, button, unique } from './dom.js';
import { errorBox, waiting } from './parts.js';
import { jobCard, watchJob } from './job.js';

/** A modal dialog that is gone when it is closed. body: element. Gives {dialog, signal, close}. */
export function open(title, body, props) {
  const label = unique('dialog');
  const leaving = new AbortController();
  const opener = document.activeElement;
  const dialog = h('dialog', { 'aria-labelledby': label, ...props },
    h('div', { class: 'dialog-head' }, h('h2', { id: label }, title), button('Close', () => dialog.close(), { class: 'quiet' })),
    body);
  const away = () => dialog.close();
  dialog.addEventListener('close', () => {
    leaving.abort();
    window.removeEventListener('hashchange', away);
    dialog.remove();
    if (!opener.isConnected) document.querySelector('main h1')?.focus();
  });
  window.addEventListener('hashchange', away);
  document.body.append(dialog);
  dialog.showModal();
  return { dialog, signal: leaving.signal, close: away };
}

/**
 * o.title; o.look(signal) → what a dry run says; o.show(dry) → elements; o.count(dry) → how many it is about; o.verb(n) → "Replay 3 messages";
 * o.act(reason, signal) → a job, or anything else; o.done(result): called once after the action; o.danger; o.nothing: sentence where
 * there is nothing to do.
 */
export function act(o) {
  const body = h('div', {});
  const { signal, close } = open(o.title, body);

  async function carryOut(reason, submit) {
    submit.disabled = true;
    body.querySelector('.notice.bad')?.remove();
    try {
      const result = await o.act(reason, signal);
      o.done?.(result);
      if (result?.id === undefined || result?.kind === undefined) close();
      else showJob(result);
    } catch (error) {
      if (signal.aborted) return;
      submit.disabled = false;
      submit.closest('form').append(errorBox(error));
    }
  }

  function showJob(job) {
    const card = h('div', {});
    replace(body, card, h('div', { class: 'actions' },
      h('a', { class: 'button', href: `#/job/${job.id}` }, 'Open the job'), button('Close', close, { class: 'main' })));
    body.querySelector('.button').focus();
    const refresh = (now) => replace(card, jobCard(now));
    refresh(job);
    watchJob(job, signal, refresh).then((last) => { if (last) o.ended?.(last); });
  }

  function ask(dry) {
    const n = o.count ? o.count(dry) : 1;
    if (n === 0) {
      replace(body, h('p', {}, o.nothing ?? 'There is nothing to do.'), h('div', { class: 'actions' }, button('Close', close, { class: 'main' })));
      return;
    }
    const reason = h('input', { type: 'text', maxlength: '500', autocomplete: 'off' });
    const submit = h('button', { type: 'submit', class: o.danger ? 'main danger' : 'main' }, o.verb(n));
    replace(body, h('form', {
      onsubmit: (event) => {
        event.preventDefault();
        carryOut(reason.value.trim(), submit);
      },
    },
    o.show?.(dry),
    o.noReason ? null : field('Reason', reason, 'Kept with the job, for whoever looks at it later. May be left out.'),
    h('div', { class: 'actions' }, submit, button('Cancel', close))));
    (o.noReason ? submit : reason).focus();
  }

  async function look() {
    replace(body, waiting('Looking what it would do …'));
    try {
      const dry = await o.look?.(signal);
      if (!signal.aborted) ask(dry);
    } catch (error) {
      if (!signal.aborted) replace(body, errorBox(error, look));
    }
  }
  look();
}
