// The jobs: what admins started, and deletions that wait for an approval.
import { get } from '../api.js';
import { h, replace, repaint, isCovered, field, select } from '../dom.js';
import { empty, errorBox, panel, waiting } from '../parts.js';
import { jobCard, jobFacts } from '../job.js';
import { jobActions, jobList } from '../job_list.js';
import { live } from '../live.js';
import { note } from '../router.js';
import { jobKinds, jobStates } from '../words.js';

export async function jobs({ root, query, signal }) {
  const filter = { kind: query.get('kind') ?? '', state: query.get('state') ?? '' };
  const list = h('div', {}, waiting());
  let pages = 1;
  let seen = '';

  async function read() {
    const found = [];
    let next = null;
    for (let i = 0; i < pages; i += 1) {
      const page = await get('jobs', { ...filter, limit: 50, after: next }, signal);
      found.push(...page.jobs);
      next = page.next ?? null;
      if (next === null) break;
    }
    return { found, next };
  }

  async function look() {
    try {
      const { found, next } = await read();
      const text = JSON.stringify([found, next]);
      if (text === seen || isCovered()) return true;
      seen = text;
      repaint(list, found.length > 0 ? jobList(found, again)
        : empty('No jobs', 'Replays, reconciles and dates in bulk run as jobs. Start one from a list of messages or from a campaign.'),
      next === null ? null : h('button', { type: 'button', onclick: () => { pages += 1; again(); } }, 'Load more'));
    } catch (error) {
      if (!signal.aborted) replace(list, errorBox(error));
      seen = '';
    }
    return true;
  }
  function again() {
    seen = '';
    look();
  }
  const choose = (name, label, all, entries) => {
    const control = select({ name }, [['', all], ...entries], filter[name]);
    control.addEventListener('change', () => {
      filter[name] = control.value;
      pages = 1;
      seen = '';
      note(filter);
      look();
    });
    return field(label, control);
  };
  root.append(h('h1', { tabindex: '-1' }, 'Jobs'),
    h('div', { class: 'line filter' }, choose('kind', 'Kind', 'All kinds', jobKinds), choose('state', 'State', 'All states', jobStates)), list);
  await live(3, signal, look);
}

export async function job({ root, params, signal }) {
  const body = h('div', {}, waiting());
  root.append(h('p', { class: 'back' }, h('a', { href: '#/jobs' }, '← Jobs')), h('h1', { tabindex: '-1' }, `Job ${params.id}`), body);
  let seen = '';
  async function look() {
    try {
      const now = await get(`jobs/${params.id}`, {}, signal);
      const text = JSON.stringify(now);
      if (text === seen || isCovered()) return;
      seen = text;
      repaint(body, panel('How far it is', jobCard(now), h('div', { class: 'actions' }, jobActions(now, look))), panel('About it', jobFacts(now)));
    } catch (error) {
      seen = '';
      if (!signal.aborted) replace(body, errorBox(error, look));
    }
  }
  await live(1.5, signal, look);
}
