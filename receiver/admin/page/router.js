// Hash routing: #/messages?state=failed. Each view has an address that can be shared; what a view was doing ends when it is left.
import { h, replace } from './dom.js';
import { errorBox } from './parts.js';

let routes = [];
let leaving = null;
let shown = null;
let afterwards = () => {};

function parse() {
  const [path, query] = location.hash.replace(/^#/, '').split('?');
  return { path: path || '/', query: new URLSearchParams(query ?? '') };
}

function match(path) {
  for (const route of routes) {
    const names = [];
    const pattern = route.path.replace(/:(\w+)/g, (_, name) => { names.push(name); return '([^/]+)'; });
    const found = new RegExp(`^${pattern}$`).exec(path);
    if (found) return { route, params: Object.fromEntries(names.map((name, i) => [name, decodeURIComponent(found[i + 1])])) };
  }
  return null;
}

export function address(path, params) {
  const pairs = Object.entries(params ?? {}).filter(([, v]) => v !== undefined && v !== null && v !== '');
  return `#${path}${pairs.length === 0 ? '' : `?${new URLSearchParams(pairs)}`}`;
}

export function go(path, params) {
  location.hash = address(path, params);
}

/** Notes in the address what the view shows now, without showing it anew. */
export function note(params) {
  const { path } = parse();
  shown = address(path, params);
  history.pushState(null, '', shown);
}

async function show() {
  if (shown === (location.hash || '#/')) return;
  const first = shown === null;
  shown = location.hash || '#/';
  leaving?.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const { path, query } = parse();
  const found = match(path);
  const root = h('div', { class: 'view' });
  replace(document.getElementById('main'), root);
  if (!first) window.scrollTo(0, 0);
  if (!found) {
    root.append(h('h1', { tabindex: '-1' }, 'There is nothing here'), h('p', {}, h('a', { href: '#/' }, 'Go to the overview')));
    return;
  }
  afterwards(found.route);
  document.title = `${found.route.title} · touchpointd`;
  try {
    const running = found.route.view({ root, params: found.params, query, signal });
    if (!first) root.querySelector('h1')?.focus();
    await running;
  } catch (error) {
    if (signal.aborted) return;
    root.querySelector('.waiting')?.remove();
    root.append(errorBox(error, showAgain));
  }
}

/** The same view anew. */
export function showAgain() {
  shown = '';
  return show();
}

/** table: [{path: '/message/:id', title, view, nav}]; shownNow(route) is told which one is on. */
export function start(table, shownNow) {
  routes = table;
  afterwards = shownNow;
  window.addEventListener('hashchange', show);
  window.addEventListener('popstate', show);
  return show();
}
