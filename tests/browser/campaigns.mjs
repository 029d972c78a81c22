import assert from 'node:assert/strict';
import { open, settled } from './browser.mjs';
import { test } from './test.mjs';
import { carryOut } from './messages.mjs';
import * as org from './orgsim.mjs';

test('a setting is previewed beside the present one, then enabled, and the members have touchpoints', async (page) => {
  const { campaign } = await org.campaign('Preview me', 5);
  await open(page, '#/campaigns');
  await page.getByLabel('Name or id').fill('previ');
  await page.getByRole('link', { name: /Preview me/ }).click();
  await page.getByRole('heading', { name: 'Preview me', level: 1 }).waitFor();
  await page.getByRole('link', { name: 'Another setting' }).click();
  await page.getByLabel('Include all members').check();
  const then = page.locator('.panel', { hasText: 'Then: Include all members' });
  await then.getByText('4 get one').waitFor();
  await then.getByText('1 have none').waitFor();
  assert.match(page.url(), /setting=all/);
  assert.equal((await org.touchpoints(campaign)).length, 0);
  await org.update('Campaign', { Id: campaign, Enable_Buyer_Touchpoints__c: org.ALL });
  await org.until('the touchpoints', async () => (await org.touchpoints(campaign)).length === 4);
  await page.getByRole('link', { name: 'Members', exact: true }).click();
  await page.getByText('4 keep their touchpoint').waitFor();
  await page.getByRole('link', { name: 'The person has no email address.' }).click();
  await settled(page);
  await page.waitForFunction(() => document.querySelectorAll('.rows .row').length === 1);
  await page.getByRole('link', { name: 'History' }).click();
  await page.locator('.steps .badge', { hasText: 'Created' }).nth(3).waitFor();
});

test('dates are set for those who match, the touchpoints follow, and it is undone', async (page) => {
  const { campaign, members } = await org.campaign('Dated', 4, { Enable_Buyer_Touchpoints__c: org.ALL });
  await org.until('the touchpoints', async () => (await org.touchpoints(campaign)).length === 3);
  await org.update('CampaignMember', { Id: members[3], Status: 'Responded' });
  const dated = async () => (await org.records('CampaignMember', `CampaignId = '${campaign}' AND Buyer_Touchpoint_Date__c != null`)).length;
  await open(page, `#/campaign/${campaign}?tab=dates`);
  await page.getByLabel('Members that match').check();
  await page.getByLabel('Field', { exact: true }).fill('Status');
  await page.getByLabel('Value').fill('Sent');
  await page.getByLabel('Date and time').fill('2026-01-15T10:00');
  await page.getByRole('button', { name: 'Preview …' }).click();
  await page.getByRole('dialog').getByText('3 members').first().waitFor();
  assert.equal(await dated(), 0);
  await carryOut(page, 'uploaded late');
  assert.equal(await dated(), 3);
  await org.until('the touchpoints to follow', async () => (await org.touchpoints(campaign)).filter((t) => String(t.Touchpoint_Date__c ?? JSON.stringify(t)).includes('2026-01-15')).length === 2);
  await page.getByRole('dialog').getByRole('button', { name: 'Close' }).last().click();
  await page.getByRole('button', { name: /Undo job/ }).click();
  await page.getByRole('dialog').getByText('3 dates').first().waitFor();
  await carryOut(page);
  assert.equal(await dated(), 0);
});

test('a member is explained step by step, with its touchpoint and its history', async (page) => {
  const { campaign, members } = await org.campaign('Explained', 2, { Enable_Buyer_Touchpoints__c: org.ALL });
  await org.until('the touchpoint', async () => (await org.touchpoints(campaign)).length === 1);
  await open(page, '#/member');
  await page.getByLabel('Campaign member id').fill(members[1]);
  await page.getByRole('button', { name: 'Explain' }).click();
  await page.getByText('This member has a touchpoint, and it is as it should be').waitFor();
  assert.equal(await page.locator('.steps.numbered > li').count(), 7);
  await page.locator('.panel', { hasText: 'What was written' }).getByText('Created').waitFor();
  await page.locator('.panel', { hasText: 'It is as it should be' }).getByText('Events.Trade Show').waitFor();
  await open(page, `#/member/${members[0]}`);
  await page.getByText('This member has no touchpoint, and none is due').waitFor();
  await page.locator('.steps .badge', { hasText: 'Stops here' }).waitFor();
});

test('a type without a channel stands out; a map is tried and its YAML shown', async (page) => {
  await org.campaign('Dinner with partners', 2, { Type: 'Dinner', Enable_Buyer_Touchpoints__c: org.ALL });
  await open(page, '#/channels');
  await page.getByText(/in use (is|are) not mapped/).waitFor();
  await page.locator('tr', { hasText: 'Dinner' }).getByText('Not mapped').waitFor();
  await page.getByRole('button', { name: 'Add a line' }).click();
  const line = (await page.locator('.edit tbody tr').count());
  await page.getByLabel(`Campaign type, line ${line}`).fill('Dinner');
  await page.getByLabel(`Channel, line ${line}`, { exact: true }).fill('Hospitality');
  await page.getByRole('button', { name: 'Try it' }).click();
  await page.getByText(/1 type would change/).waitFor();
  assert.match(await page.getByLabel('YAML of the map').innerText(), /- \{ type: "Dinner", channel: "Hospitality" \}/);
});
