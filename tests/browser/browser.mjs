// A browser that complains: whatever the console or the content policy says, the test fails with it.
import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';

export const PAGE = process.env.PAGE;
export const TOKEN = process.env.TOKEN;
const AXE = readFileSync(new URL('node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: process.getuid() === 0 ? ['--no-sandbox'] : [] });
export const close = () => browser.close();

/** A tab of its own, in a world of its own. o: width, theme, token (false: not signed in), bear: a pattern of what the console may say. */
export async function tab(o = {}) {
  const context = await browser.newContext({ viewport: { width: o.width ?? 1280, height: 900 }, colorScheme: o.theme ?? 'light', reducedMotion: 'reduce' });
  const page = await context.newPage();
  page.setDefaultTimeout(20000);
  page.complaints = [];
  const complain = (text) => { if (!o.bear?.test(text)) page.complaints.push(text); };
  page.on('console', (line) => { if (['error', 'warning'].includes(line.type())) complain(line.text()); });
  page.on('pageerror', (error) => complain(`uncaught: ${error.message}`));
  page.on('request', (request) => { if (!request.url().startsWith(PAGE)) complain(`it asked for ${request.url()}`); });
  page.on('dialog', (dialog) => { complain(`a dialog of the browser: ${dialog.message()}`); dialog.dismiss(); });
  await page.addInitScript((token) => {
    if (token && !sessionStorage.getItem('touchpointd.token')) sessionStorage.setItem('touchpointd.token', token);
    document.addEventListener('securitypolicyviolation', (e) => console.error(`content policy: ${e.violatedDirective} ${e.blockedURI}`));
  }, o.token === false ? null : o.token ?? TOKEN);
  return page;
}

/** What an admin asks elsewhere, by the API. */
export async function ask(path, body) {
  const reply = await fetch(`${PAGE}api/v1/${path}`, { method: 'POST', headers: { Authorization: `Bearer ${TOKEN}`, 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
  if (!reply.ok) throw new Error(`${path}: ${reply.status} ${await reply.text()}`);
  return reply.json();
}

export async function shut(page) {
  await page.context().close();
  if (page.complaints.length > 0) throw new Error(`the browser complains:\n  ${page.complaints.join('\n  ')}`);
}

/** Opens a view and waits until it has all it shows. */
export async function open(page, hash) {
  await page.goto(PAGE + hash);
  await settled(page);
}

export async function settled(page) {
  await page.waitForFunction(() => document.querySelector('main h1') && !document.querySelector('main .waiting, dialog .waiting'));
}

/** only: the rules to apply; all of them without. */
export async function accessible(page, what, only = RULES) {
  if (!(await page.evaluate(() => 'axe' in globalThis))) await page.evaluate(AXE);
  const found = await page.evaluate((rules) => globalThis.axe.run(document, { runOnly: rules, resultTypes: ['violations'] }), only);
  const text = found.violations.map((v) => `${v.id} (${v.help}): ${v.nodes.slice(0, 3).map((n) => `${n.html.slice(0, 160)} ${n.failureSummary.split('\n')[1] ?? ''}`).join(' | ')}`);
  if (text.length > 0) throw new Error(`${what} is not accessible:\n  ${text.join('\n  ')}`);
}
