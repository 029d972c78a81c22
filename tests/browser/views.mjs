import assert from 'node:assert/strict';
import { accessible, ask, open, settled } from './browser.mjs';
import { test } from './test.mjs';
import * as org from './orgsim.mjs';

let made = null;
/** A campaign whose name would be an attack, if anybody took it for markup. */
const evil = () => {
  made ??= org.campaign('<img src=x onerror=alert(1)> <b>Spring</b>', 3, { Enable_Buyer_Touchpoints__c: org.ALL });
  return made;
};

const picture = async (page, name) => {
  if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/${name}.png`, fullPage: !name.startsWith('messages') });
};

async function views() {
  const { campaign, members } = await evil();
  const { id: job } = await ask('reconcile', { all: true });
  return {
    overview: '#/',
    messages: '#/messages?state=failed',
    campaigns: '#/campaigns',
    campaign: `#/campaign/${campaign}`,
    compare: `#/campaign/${campaign}?tab=compare&setting=exclude`,
    dates: `#/campaign/${campaign}?tab=dates`,
    history: `#/campaign/${campaign}?tab=history`,
    explain: '#/member',
    member: `#/member/${members[1]}`,
    channels: '#/channels',
    jobs: '#/jobs',
    job: `#/job/${job}`,
    quarantine: '#/quarantine',
    document: '#/quarantine/1',
    message: '#/message/1',
    nothing: '#/nothing',
  };
}

for (const width of [1280, 390]) {
  test(`every view is accessible in both themes, and fits into ${width} pixels`, async (page) => {
    for (const [name, hash] of Object.entries(await views())) {
      await page.emulateMedia({ colorScheme: 'light' });
      await open(page, hash);
      const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      assert.ok(over <= 0, `${name} is ${over} pixels too wide`);
      assert.equal(await page.locator('main [role=alert] button').count(), 0, `${name}: ${await page.locator('main').innerText()}`);
      assert.equal(await page.locator('img[src=x]').count(), 0, `${name} took a name for markup`);
      await accessible(page, name, width < 500 ? ['color-contrast', 'target-size', 'link-name', 'button-name', 'scrollable-region-focusable'] : undefined); // what the width may change
      await picture(page, `${name}-light-${width}`);
      await page.emulateMedia({ colorScheme: 'dark' });
      await accessible(page, `${name}, dark,`, ['color-contrast']); // nothing else depends on the theme
      await picture(page, `${name}-dark-${width}`);
    }
  }, { width });
}

test('dialogs are accessible, and Escape gives the focus back to where it was', async (page) => {
  await open(page, '#/');
  const pause = page.getByRole('button', { name: 'Pause simulated' });
  await pause.focus();
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').getByLabel('Reason').waitFor();
  await accessible(page, 'the dialog');
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  assert.ok(await pause.evaluate((element) => element === document.activeElement));
});

test('an organisation is paused and goes on', async (page) => {
  await open(page, '#/');
  for (const [verb, after] of [['Pause', 'Paused'], ['Resume', 'Reachable']]) {
    await page.getByRole('button', { name: `${verb} simulated` }).click();
    await page.getByRole('dialog').locator('button[type=submit]').click();
    await page.locator('[data-part=orgs] .badge', { hasText: after }).waitFor();
  }
});

test('the page is used by keyboard alone: skip link, views, a list', async (page) => {
  await open(page, '#/');
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'skip');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
  assert.ok(!page.url().endsWith('#main'));
  await page.locator('#nav a', { hasText: 'Quarantine' }).focus();
  assert.notEqual(await page.locator('#nav a', { hasText: 'Quarantine' }).evaluate((e) => getComputedStyle(e).outlineStyle), 'none');
  await page.keyboard.press('Enter');
  await settled(page);
  assert.equal(await page.evaluate(() => document.activeElement.tagName), 'H1');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'The document', exact: true }).waitFor();
  await page.getByText("<b onclick='alert(1)'>").waitFor();
});

test('the theme is chosen, and stays', async (page) => {
  await open(page, '#/jobs');
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await page.getByLabel('Colours').selectOption('dark');
  assert.notEqual(await ground(), light);
  await page.reload();
  await settled(page);
  assert.notEqual(await ground(), light);
});

test('the overview looks again by itself, and not while the tab is hidden', async (page) => {
  await page.clock.install();
  await open(page, '#/');
  let asked = 0;
  page.on('request', (request) => { if (request.url().endsWith('/status')) asked += 1; });
  const seconds = async (n) => {
    for (let i = 0; i < n; i += 1) {
      await page.clock.runFor(1000);
      await page.waitForLoadState('networkidle').catch(() => {});
    }
  };
  const hide = (hidden) => page.evaluate((value) => {
    Object.defineProperty(document, 'hidden', { value, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);
  await seconds(5);
  assert.ok(asked >= 1, 'it does not look again');
  await hide(true);
  await seconds(5); // one that was due already may come
  asked = 0;
  await seconds(20);
  assert.equal(asked, 0, 'it looks although nobody sees it');
  await hide(false);
  await seconds(1);
  assert.ok(asked >= 1, 'it does not look when it is shown again');
});
