// Jobs in a list, each with what can be done with it.
import { post } from './api.js';
import { h, button } from './dom.js';
import { badge, notice, timeAgo } from './parts.js';
import { act } from './dialog.js';
import { isOpen, jobBar, jobTitle, progressWords } from './job.js';
import { jobStateWord } from './words.js';
import { count, plural, sentence } from './format.js';

export function cancelJob(job, done) {
  act({
    title: `Cancel job ${job.id}`,
    noReason: true,
    danger: true,
    show: () => h('p', {}, 'What is done already stays done; the rest is left. ', job.kind === 'dates' ? 'You can undo the part that was done.' : ''),
    verb: () => 'Cancel the job',
    act: async (_, signal) => { await post(`jobs/${job.id}/cancel`, {}, signal); },
    done,
  });
}

export function undoJob(job, done) {
  act({
    title: `Undo job ${job.id}`,
    look: (signal) => post(`jobs/${job.id}/undo`, { dry_run: true }, signal),
    count: (dry) => dry.restore,
    nothing: 'There is nothing to restore: every date was changed since.',
    show: (dry) => [h('p', {}, h('b', {}, plural(dry.restore, 'date')), ' would be set back to what it was.'),
      dry.changed_since > 0 ? notice('warn', `${plural(dry.changed_since, 'date')} changed since, and would be left.`) : null],
    verb: (n) => `Restore ${plural(n, 'date')}`,
    noReason: true,
    act: (_, signal) => post(`jobs/${job.id}/undo`, {}, signal),
    done,
    ended: done,
  });
}

export function approveJob(job, done) {
  act({
    title: 'Let the deletions run',
    danger: true,
    noReason: true,
    show: () => [h('p', {}, h('b', {}, count(job.would_delete)), ` of ${plural(job.existing, 'touchpoint')} of the campaign would be deleted, although neither its setting nor the policy changed.`),
      h('p', {}, 'That is what it looks like when the integration user can’t see the members any more. Look at the campaign’s members first; approve only if they really are gone.')],
    verb: () => `Delete ${plural(job.would_delete, 'touchpoint')}`,
    act: async (_, signal) => { await post(`jobs/${job.id}/approve`, {}, signal); },
    done,
  });
}

export function jobActions(job, done) {
  const actions = [];
  if (job.state === 'held') actions.push(button('Approve …', () => approveJob(job, done), { class: 'main', 'aria-label': `Approve job ${job.id}` }));
  if (job.can_cancel ?? isOpen(job)) actions.push(button('Cancel …', () => cancelJob(job, done), { 'aria-label': `Cancel job ${job.id}` }));
  if (job.can_undo && job.changed > 0) actions.push(button('Undo …', () => undoJob(job, done), { 'aria-label': `Undo job ${job.id}` }));
  return actions;
}

export function jobRow(job, done) {
  return h('li', { class: 'job', 'data-job': job.id },
    h('div', { class: 'line between' }, h('span', { class: 'line' }, badge(job.state, jobStateWord(job.state)), h('a', { class: 'strong', href: `#/job/${job.id}` }, jobTitle(job)), h('span', { class: 'soft' }, `job ${job.id}`)),
      timeAgo(job.created_at)),
    isOpen(job) ? jobBar(job) : null,
    job.message && (isOpen(job) || job.state === 'failed') ? h('p', { class: 'soft' }, sentence(job.message)) : null,
    h('div', { class: 'line between' }, h('span', { class: 'soft' }, [progressWords(job), job.reason ? `“${job.reason}”` : ''].filter(Boolean).join(' · '),
      job.campaign ? [' · ', h('a', { href: `#/campaign/${job.campaign}?org=${job.org}` }, `campaign ${job.campaign}`)] : null),
      h('span', { class: 'line' }, jobActions(job, done))));
}

export const jobList = (jobs, done) => h('ul', { class: 'list' }, jobs.map((job) => jobRow(job, done)));
