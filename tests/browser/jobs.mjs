import assert from 'node:assert/strict';
import { ask, open } from './browser.mjs';
import { test } from './test.mjs';
import * as org from './orgsim.mjs';

test('jobs are listed by kind, and one is opened', async (page) => {
  const job = await ask('messages/replay', { ids: [1], reason: 'it was worth a try' });
  await open(page, '#/jobs');
  await page.getByLabel('Kind').selectOption('replay');
  await page.locator(`[data-job="${job.id}"]`).getByRole('link', { name: 'Replay of messages' }).click();
  await page.getByRole('heading', { name: `Job ${job.id}` }).waitFor();
  await page.getByText('it was worth a try').waitFor();
});

test('deletions that look like lost access are held until they are approved', async (page) => {
  const campaign = await org.load(120);
  await open(page, '#/jobs');
  await org.permit({ hide_members: true });
  try {
    await org.update('Campaign', { Id: campaign, Name: 'look again' }); // a changed date would explain the deletions
    await page.getByText('would delete 120 of 120 touchpoints').waitFor();
    assert.equal((await org.touchpoints(campaign)).length, 120);
    await page.getByRole('button', { name: /Approve job/ }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete 120 touchpoints' }).click();
    await org.until('the deletions', async () => (await org.touchpoints(campaign)).length === 0);
  } finally {
    await org.permit({});
  }
});

test('a job is cancelled before it has begun', async (page) => {
  const { campaign } = await org.campaign('Cancelled', 2);
  const pause = async (verb) => {
    await open(page, '#/');
    await page.getByRole('button', { name: `${verb} simulated` }).click();
    await page.getByRole('dialog').locator('button[type=submit]').click();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
  };
  await pause('Pause');
  await open(page, `#/campaign/${campaign}?tab=dates`);
  await page.getByLabel('Date and time').fill('2026-01-15T10:00');
  await page.getByRole('button', { name: 'Preview …' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Set 2 dates' }).click();
  await page.getByRole('dialog').getByText('Waiting to start').waitFor();
  await page.getByRole('dialog').getByRole('link', { name: 'Open the job' }).click();
  await page.getByRole('button', { name: /Cancel job/ }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel the job' }).click();
  await page.locator('.job-card .badge', { hasText: 'Cancelled' }).waitFor();
  await pause('Resume');
  assert.equal((await org.records('CampaignMember', `CampaignId = '${campaign}' AND Buyer_Touchpoint_Date__c != null`)).length, 0);
});

test('an organisation is reconciled from the overview', async (page) => {
  await open(page, '#/');
  await page.getByRole('button', { name: 'Reconcile simulated' }).click();
  await page.getByRole('dialog').locator('button[type=submit]', { hasText: /Reconcile \d+ campaign/ }).click();
  await page.getByRole('dialog').locator('.job-card .badge', { hasText: 'Done' }).waitFor();
});
