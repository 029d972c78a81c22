import assert from 'node:assert/strict';
import { PAGE, TOKEN, open, settled } from './browser.mjs';
import { test } from './test.mjs';

const stored = (page) => page.evaluate(() => ({ session: { ...sessionStorage }, local: { ...localStorage }, cookies: document.cookie }));
const UNAUTHORISED = /status of 401/;

test('the page is served without the token, under a strict policy, and again by its tag', async () => {
  const reply = await fetch(PAGE);
  assert.equal(reply.status, 200);
  const policy = reply.headers.get('content-security-policy');
  for (const part of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "img-src 'self' data:", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"]) {
    assert.ok(policy.split('; ').includes(part), part);
  }
  assert.equal(reply.headers.get('x-content-type-options'), 'nosniff');
  assert.equal(reply.headers.get('referrer-policy'), 'no-referrer');
  assert.equal(reply.headers.get('set-cookie'), null);
  const again = await fetch(PAGE, { headers: { 'If-None-Match': `"x", ${reply.headers.get('etag')}` } });
  assert.equal(again.status, 304);
  assert.equal(again.headers.get('content-length'), null);
  const types = { 'page/app.js': 'text/javascript; charset=utf-8', 'page/base.css': 'text/css; charset=utf-8', 'page/icon.svg': 'image/svg+xml', 'page/views/jobs.js': 'text/javascript; charset=utf-8' };
  for (const [path, type] of Object.entries(types)) assert.equal((await fetch(PAGE + path)).headers.get('content-type'), type, path);
  assert.equal((await fetch(`${PAGE}page/index.html`)).status, 404);
  assert.equal((await fetch(PAGE, { method: 'POST' })).status, 405);
});

test('a wrong token is refused, the right one shows the view that was asked for, signing out wipes it', async (page) => {
  await page.goto(`${PAGE}#/jobs`);
  const token = page.getByLabel('Token');
  await token.fill('wrong');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByText('not the right one').waitFor();
  assert.deepEqual((await stored(page)).session, {});
  await page.keyboard.press('Escape');
  assert.ok(await token.isVisible(), 'Escape must not close the sign-in');
  await token.fill(TOKEN);
  await token.press('Enter');
  await token.waitFor({ state: 'detached' });
  await page.getByRole('heading', { name: 'Jobs', level: 1 }).waitFor();
  const kept = await stored(page);
  assert.deepEqual(kept.session, { 'touchpointd.token': TOKEN });
  assert.ok(!JSON.stringify([kept.local, kept.cookies, page.url()]).includes(TOKEN));
  await page.reload();
  await settled(page);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await token.waitFor();
  assert.deepEqual((await stored(page)).session, {});
  assert.ok(page.url().endsWith('#/jobs'));
}, { token: false, bear: UNAUTHORISED });

test('a token that is refused later brings the sign-in back, and nothing in the view is lost', async (page) => {
  await open(page, '#/messages');
  await page.getByText('More filters').click();
  await page.getByLabel('Error code').fill('STRING_TOO_LONG');
  await page.evaluate(() => sessionStorage.setItem('touchpointd.token', 'stale'));
  await page.getByRole('button', { name: 'Apply' }).click();
  await page.getByLabel('Token').fill(TOKEN);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('row', { name: /Failed/ }).first().waitFor();
  assert.equal(await page.getByLabel('Error code').inputValue(), 'STRING_TOO_LONG');
  assert.match(page.url(), /error=STRING_TOO_LONG/);
}, { bear: UNAUTHORISED });
