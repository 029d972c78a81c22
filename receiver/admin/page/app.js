// The frame: theme, navigation, health, and which view belongs to which address.
import { start } from './router.js';
import { h, replace } from './dom.js';
import { get, rememberOrgs } from './api.js';
import { token, signOut } from './session.js';
import { live } from './live.js';
import { count, plural } from './format.js';
import { overview } from './views/overview.js';
import { messages } from './views/messages.js';
import { message } from './views/message.js';
import { campaigns } from './views/campaigns.js';
import { campaign } from './views/campaign.js';
import { member, memberSearch } from './views/member.js';
import { channels } from './views/channels.js';
import { jobs, job } from './views/jobs.js';
import { quarantine, quarantined } from './views/quarantine.js';

const ROUTES = [
  { path: '/', title: 'Overview', view: overview, nav: 'Overview' },
  { path: '/messages', title: 'Messages', view: messages, nav: 'Messages', link: '/messages?state=failed' },
  { path: '/message/:id', title: 'Message', view: message, under: '/messages' },
  { path: '/campaigns', title: 'Campaigns', view: campaigns, nav: 'Campaigns' },
  { path: '/campaign/:id', title: 'Campaign', view: campaign, under: '/campaigns' },
  { path: '/member', title: 'Explain a member', view: memberSearch, nav: 'Explain' },
  { path: '/member/:id', title: 'Member', view: member, under: '/member' },
  { path: '/channels', title: 'Channels', view: channels, nav: 'Channels' },
  { path: '/jobs', title: 'Jobs', view: jobs, nav: 'Jobs' },
  { path: '/job/:id', title: 'Job', view: job, under: '/jobs' },
  { path: '/quarantine', title: 'Quarantine', view: quarantine, nav: 'Quarantine' },
  { path: '/quarantine/:id', title: 'Document', view: quarantined, under: '/quarantine' },
];

function navigation(route) {
  const on = route.under ?? route.path;
  replace(document.getElementById('nav'), h('ul', {}, ROUTES.filter((r) => r.nav).map((r) => h('li', {},
    h('a', { href: `#${r.link ?? r.path}`, 'aria-current': r.path === on ? 'page' : null, 'data-view': r.path }, r.nav)))));
  document.querySelector('#nav [aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
}

function theme() {
  const choice = document.getElementById('theme');
  const apply = () => {
    if (choice.value) document.documentElement.dataset.theme = choice.value;
    else delete document.documentElement.dataset.theme;
  };
  choice.value = localStorage.getItem('touchpointd.theme') ?? '';
  apply();
  choice.addEventListener('change', () => {
    localStorage.setItem('touchpointd.theme', choice.value);
    apply();
  });
}

const HEALTH = {
  ok: ['good', 'All is well'],
  degraded: ['warn', 'Needs attention'],
  unavailable: ['bad', 'Takes no messages'],
};

/** The pill in the head; the views look by themselves. */
async function health() {
  const pill = document.getElementById('health');
  const show = (kind, text) => {
    pill.hidden = false;
    pill.className = `health ${kind}`;
    if (pill.textContent !== text) pill.textContent = text;
  };
  try {
    const status = await get('status');
    rememberOrgs(status.orgs ?? []);
    const failed = (status.queue ?? []).reduce((n, q) => n + q.failed, 0);
    const [kind, text] = status.status === 'ok' && failed > 0 ? ['warn', `${count(failed)} failed`] : HEALTH[status.status] ?? ['quiet', status.status];
    show(kind, status.jobs > 0 ? `${text}, ${plural(status.jobs, 'open job')}` : text);
  } catch (error) {
    show('bad', error.status === 0 ? 'The daemon does not answer' : error.title ?? 'Unknown');
  }
}

function signedIn() {
  document.getElementById('sign-out').hidden = !token();
}

theme();
signedIn();
document.addEventListener('signed-in', signedIn);
document.getElementById('sign-out').addEventListener('click', signOut);
document.getElementById('skip').addEventListener('click', (event) => {
  event.preventDefault(); // the address names the view
  document.getElementById('main').focus();
});
start(ROUTES, navigation);
live(10, new AbortController().signal, health);
