// A job: what it is, how far it has come, and what can be done with it.
import { get } from './api.js';
import { h } from './dom.js';
import { badge, facts, notice, time } from './parts.js';
import { meter } from './chart.js';
import { live } from './live.js';
import { jobKindWord, jobStateWord, tone } from './words.js';
import { count, plural, sentence } from './format.js';

const OPEN = new Set(['queued', 'running']);
export const isOpen = (job) => OPEN.has(job.state);

export const jobTitle = (job) => jobKindWord(job.kind);

/** "12 of 340 done, 3 refused" */
export function progressWords(job) {
  const words = [];
  if (job.kind === 'held_deletions') return `would delete ${count(job.would_delete)} of ${plural(job.existing, 'touchpoint')}`;
  words.push(job.total > 0 ? `${count(job.done)} of ${count(job.total)} done` : `${count(job.done)} done`);
  if (job.changed) words.push(`${count(job.changed)} changed`);
  if (job.skipped) words.push(`${count(job.skipped)} left as they were`);
  if (job.failed) words.push(`${count(job.failed)} refused`);
  return words.join(', ');
}

export function jobBar(job) {
  if (job.kind === 'held_deletions') return null;
  const full = job.state === 'done' && !job.total;
  return meter(full ? 1 : job.done, full ? 1 : job.total || 1, 'Progress', job.failed > 0 ? 'warn' : tone(job.state) === 'quiet' ? 'busy' : tone(job.state));
}

export function jobCard(job) {
  return h('div', { class: 'job-card' },
    h('p', { class: 'line' }, badge(job.state, jobStateWord(job.state)), h('b', {}, jobTitle(job)), h('span', { class: 'soft' }, `job ${job.id}`)),
    jobBar(job),
    h('p', { role: 'status' }, progressWords(job)),
    job.message ? notice(job.state === 'failed' ? 'bad' : 'info', sentence(job.message)) : null,
    job.undo_of ? h('p', {}, 'Undoes ', h('a', { href: `#/job/${job.undo_of}` }, `job ${job.undo_of}`), '.') : null,
    job.undone_by ? h('p', {}, 'Undone by ', h('a', { href: `#/job/${job.undone_by}` }, `job ${job.undone_by}`), '.') : null);
}

export function jobFacts(job) {
  return facts([
    ['Organisation', job.org ? h('code', { class: 'id' }, job.org) : null],
    ['Campaign', job.campaign ? h('a', { href: `#/campaign/${job.campaign}?org=${job.org}` }, job.campaign) : null],
    ['Reason', job.reason],
    ['Started', time(job.created_at, null)],
    ['Ended', time(job.ended_at, null)],
  ]);
}

/** Calls show(job) as it goes on; resolves with its last state, or null where the signal came first. */
export function watchJob(job, signal, show) {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(null));
    if (!isOpen(job)) {
      resolve(job);
      return;
    }
    live(0.7, signal, async () => {
      const now = await get(`jobs/${job.id}`, {}, signal);
      show(now);
      if (isOpen(now)) return true;
      resolve(now);
      return false;
    });
  });
}
