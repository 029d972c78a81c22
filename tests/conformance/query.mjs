// Queries, pages, deleted and updated records, usage and limits.
import assert from 'node:assert/strict';
import { calls, login, make, refused, sim, test } from './harness.mjs';

let c;
let loaded;

test('a query gives records with their parents', async () => {
    c = await login();
    loaded = await sim('load', { campaigns: 1, members: 4500, seed: 5 });
    const got = await c.query(
        `SELECT Id, Campaign.Name, Lead.Email, Contact.Email FROM CampaignMember WHERE CampaignId = '${loaded.campaigns[0]}' LIMIT 10`,
    );
    assert.equal(got.totalSize, 10);
    assert.equal(got.done, true);
    assert.equal(got.records[0].attributes.type, 'CampaignMember');
    assert.equal(got.records[0].Campaign.Name, 'Load 5-1');
    for (const row of got.records) assert.equal(row.Lead === null, row.Contact !== null);
});

test('pages are followed by hand', async () => {
    const soql = `SELECT Id FROM CampaignMember WHERE CampaignId = '${loaded.campaigns[0]}'`;
    const ids = new Set();
    let page = await c.query(soql);
    assert.equal(page.totalSize, 4500);
    assert.equal(page.records.length, 2000);
    for (;;) {
        page.records.forEach((row) => ids.add(row.Id));
        if (page.done) break;
        page = await c.queryMore(page.nextRecordsUrl);
    }
    assert.equal(ids.size, 4500);
});

test('pages are followed by the client, one call each', async () => {
    const soql = `SELECT Id FROM CampaignMember WHERE CampaignId = '${loaded.campaigns[0]}'`;
    const made = await calls(async () => {
        const all = await c.query(soql, { autoFetch: true, maxFetch: 10000 });
        assert.equal(all.records.length, 4500);
    });
    assert.deepEqual(made, { query: 1, query_more: 2 });
});

test('find and count make SOQL that the org understands', async () => {
    const found = await c
        .sobject('CampaignMember')
        .find({ CampaignId: loaded.campaigns[0], HasResponded: true }, ['Id', 'Status'])
        .sort({ Id: 1 })
        .limit(5);
    assert.equal(found.length, 5);
    found.forEach((row) => assert.equal(row.Status, 'Responded'));
    assert.equal(await c.sobject('CampaignMember').count({ CampaignId: loaded.campaigns[0] }), 4500);
});

test('deleted records come with scanAll, deleted and updated', async () => {
    const [kept, gone] = await make('Lead', { LastName: 'Kept', Company: 'K' }, { LastName: 'Gone', Company: 'K' });
    await sim(`records?object=Lead&ids=${gone}`, undefined, 'DELETE');
    const soql = `SELECT Id FROM Lead WHERE Id = '${gone}'`;
    assert.equal((await c.query(soql)).totalSize, 0);
    assert.equal((await c.query(soql, { scanAll: true })).totalSize, 1);
    const now = Date.now();
    await sim('clock', { now: new Date(now + 120000).toISOString().replace(/\.\d+/, '') }); // the present minute isn't covered
    const leads = c.sobject('Lead');
    const deleted = await leads.deleted(new Date(now - 3600000), new Date(now + 60000));
    assert.deepEqual(deleted.deletedRecords.map((row) => row.id), [gone]);
    assert.ok(deleted.latestDateCovered);
    const updated = await leads.updated(new Date(now - 3600000).toISOString(), new Date(now + 60000).toISOString());
    assert.ok(updated.ids.includes(kept) && !updated.ids.includes(gone));
    await sim('clock', { now: null });
});

test('usage is in each answer, limits have a resource', async () => {
    const limits = await c.limits();
    const used = limits.DailyApiRequests.Max - limits.DailyApiRequests.Remaining;
    assert.equal(c.limitInfo.apiUsage.limit, limits.DailyApiRequests.Max);
    assert.equal(c.limitInfo.apiUsage.used, used);
    await c.query('SELECT Id FROM Organization');
    assert.equal(c.limitInfo.apiUsage.used, used + 1);
    assert.equal(limits.DailyBulkApiBatches.Max, 15000);
});

test('a query that makes no sense is refused with its code', async () => {
    await refused(c.query('SELECT Nope FROM Lead'), 'INVALID_FIELD');
    await refused(c.query('SELECT Id FROM Nope'), 'INVALID_TYPE');
    await refused(c.query('SELECT Id FROM'), 'MALFORMED_QUERY');
    await refused(c.queryMore('/services/data/v64.0/query/01gxx0000000001AAA-2000'), 'INVALID_QUERY_LOCATOR');
});
