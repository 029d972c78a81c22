import assert from 'node:assert/strict';
import { accessible, open, settled } from './browser.mjs';
import { test } from './test.mjs';
import * as org from './orgsim.mjs';

const nodes = (page) => page.evaluate(() => document.getElementsByTagName('*').length);

/** Through the dialog of an action to the end of its job. */
export async function carryOut(page, reason) {
  const dialog = page.getByRole('dialog');
  if (reason) await dialog.getByLabel('Reason').fill(reason);
  await dialog.locator('button[type=submit]').click();
  await dialog.locator('.job-card .badge', { hasText: 'Done' }).waitFor();
}

test('a failed message is found, understood, mended and replayed, and its touchpoint is there once', async (page) => {
  const { campaign, members: [member] } = await org.campaign('Refused', 1);
  await org.refuse(member, 'FIELD_CUSTOM_VALIDATION_EXCEPTION', 'No touchpoints on Mondays');
  await org.update('Campaign', { Id: campaign, Enable_Buyer_Touchpoints__c: org.ALL });
  await open(page, '#/');
  await page.locator('[data-part=failures]').getByRole('link', { name: /validation rule/ }).click();
  await page.getByRole('row', { name: /validation rule/ }).first().getByRole('link').click();
  await page.getByText('No touchpoints on Mondays').first().waitFor();
  await page.getByText('What to do').waitFor();
  await org.heal();
  await page.getByRole('button', { name: 'Replay …' }).click();
  await page.getByRole('dialog').getByText('1 message').first().waitFor();
  assert.equal((await org.touchpoints(campaign)).length, 0);
  await carryOut(page, 'the rule is mended');
  await org.until('the touchpoint', async () => (await org.touchpoints(campaign)).length === 1);
  await page.getByRole('dialog').getByRole('link', { name: 'Open the job' }).click();
  await page.getByText('the rule is mended').waitFor();
  await page.goBack();
  await page.locator('h1 ~ .badge', { hasText: 'Done' }).waitFor();
  assert.equal((await org.touchpoints(campaign)).length, 1);
});

test('of 100,000 failed messages only those on the screen are in the page', async (page) => {
  await open(page, '#/messages?state=failed&error=STRING_TOO_LONG');
  assert.ok(await nodes(page) < 1500, `${await nodes(page)} elements at first`);
  const first = await page.locator('.rows .row').first().innerText();
  for (let i = 0; i < 12; i += 1) {
    const before = await page.locator('.more').innerText();
    await page.evaluate(() => window.scrollTo(0, document.body.scrollHeight));
    await page.waitForFunction((text) => { const now = document.querySelector('.more').innerText; return now !== text && /loaded/.test(now); }, before);
  }
  assert.match(await page.locator('.more').innerText(), /2,\d00 loaded/);
  assert.ok(await nodes(page) < 1500, `${await nodes(page)} elements after scrolling`);
  assert.notEqual(await page.locator('.rows .row').first().innerText(), first);
  await page.evaluate(() => window.scrollTo(0, 0));
  await page.waitForFunction((text) => document.querySelector('.rows .row').innerText === text, first);
  await page.locator('.rows .row a').first().focus();
  for (let i = 0; i < 60; i += 1) await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.closest('.row')?.getAttribute('aria-rowindex')), '32', 'Tab goes through the rows as they stand');
});

test('what the API refuses is told in its own words, and can be mended', async (page) => {
  await open(page, '#/messages');
  await page.getByText('More filters').click();
  await page.getByLabel('Record id').fill('nonsense');
  await page.getByLabel('Record id').press('Enter');
  const alert = page.getByRole('alert');
  await alert.getByText(/record .*(15|18)/).waitFor();
  await accessible(page, 'a refusal');
  await page.getByLabel('Record id').fill('');
  await page.getByLabel('Record id').press('Enter');
  await page.getByRole('row', { name: /Failed/ }).first().waitFor();
  assert.equal(await alert.count(), 0);
  await open(page, '#/message/999999999');
  await page.getByRole('alert').waitFor();
  await page.getByRole('button', { name: 'Try again' }).waitFor();
}, { bear: /status of 40[04]/ });

test('a daemon that does not answer is told, and found again by itself', async (page) => {
  await open(page, '#/');
  await page.route('**/api/v1/status', (route) => route.abort());
  await page.getByRole('alert').getByText('The daemon does not answer').waitFor();
  await page.unroute('**/api/v1/status');
  await page.getByRole('alert').waitFor({ state: 'detached' });
}, { bear: /ERR_FAILED/ });

test('all that match are selected, counted exactly, and some are discarded', async (page) => {
  await open(page, '#/messages?state=failed&error=STRING_TOO_LONG');
  await page.getByRole('button', { name: 'Select all that match' }).click();
  await page.getByRole('button', { name: 'Replay …' }).click();
  await page.getByRole('dialog').getByText(/100,000 messages/).first().waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Select none' }).click();
  const boxes = page.locator('.rows .row input[type=checkbox]');
  await boxes.nth(0).check();
  await boxes.nth(1).check();
  await page.getByText('2 selected').waitFor();
  await page.getByRole('button', { name: 'Discard …' }).click();
  await page.getByRole('dialog').getByText('2 messages').first().waitFor();
  await carryOut(page, 'of no use');
  await page.getByRole('dialog').getByRole('button', { name: 'Close' }).last().click();
  await settled(page);
  await page.getByRole('button', { name: 'Select all that match' }).click();
  await page.getByRole('button', { name: 'Discard …' }).click();
  await page.getByRole('dialog').getByText(/99,998 messages/).first().waitFor();
});
