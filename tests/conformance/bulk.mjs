// Bulk API 2.0.
import assert from 'node:assert/strict';
import { calls, login, make, refused, sim, test } from './harness.mjs';

const key = 'Campaign_Member_Id__c';
const upsert = { object: 'Buyer_Touchpoint__c', operation: 'upsert', externalIdFieldName: key };
let c;
let campaign;

function csv(count, medium) {
    const rows = Array.from({ length: count }, (_, i) => `b${i},${campaign},"${medium}, ""${i}"""`);
    return `${key},Campaign__c,Medium__c\n${rows.join('\n')}\n`;
}

test('a load of CSV gives the result of each row', async () => {
    c = await login();
    [campaign] = await make('Campaign', { Name: 'Bulk' });
    const first = await c.bulk2.loadAndWaitForResults({ ...upsert, input: csv(1000, 'a') });
    assert.equal(first.successfulResults.length, 1000);
    assert.equal(first.failedResults.length, 0);
    assert.equal(first.unprocessedRecords.length, 0);
    assert.ok(first.successfulResults.every((row) => row.sf__Created === 'true' && row.sf__Id.length === 18));
    assert.equal(new Set(first.successfulResults.map((row) => row[key])).size, 1000);
    const row = first.successfulResults.find((r) => r[key] === 'b17');
    assert.equal(row.Medium__c, 'a, "17"');
    const second = await c.bulk2.loadAndWaitForResults({ ...upsert, input: csv(1000, 'b') });
    assert.ok(second.successfulResults.every((r) => r.sf__Created === 'false'));
    assert.equal((await c.sobject('Buyer_Touchpoint__c').retrieve(row.sf__Id)).Medium__c, 'b, "17"');
});

test('records may be given too, with an empty Id column', async () => {
    const input = [
        { [key]: 'r1', Email__c: 'r1@example.com' },
        { [key]: 'r2', Email__c: 'not an email' },
    ];
    const got = await c.bulk2.loadAndWaitForResults({ ...upsert, input });
    assert.equal(got.successfulResults.length, 1);
    assert.equal(got.failedResults.length, 1);
    assert.match(got.failedResults[0].sf__Error, /^INVALID_EMAIL_ADDRESS:/);
    assert.equal(got.failedResults[0][key], 'r2');
});

test('a job is driven step by step', async () => {
    const job = c.bulk2.createJob({ ...upsert, lineEnding: 'CRLF', columnDelimiter: 'SEMICOLON' });
    const made = await calls(async () => {
        const info = await job.open();
        assert.equal(info.state, 'Open');
        await job.uploadData(`${key};Medium__c\r\ns1;#N/A\r\n`);
        await job.close();
        await job.poll(20, 30000);
        assert.equal((await job.check()).state, 'JobComplete');
    });
    assert.equal(made.bulk_create, 1);
    assert.equal(made.bulk_upload, 1);
    assert.equal(made.bulk_state, 1);
    await job.delete();
    await assert.rejects(job.check());
});

test('delete goes by id', async () => {
    const rows = await c.query(`SELECT Id FROM Buyer_Touchpoint__c WHERE Campaign__c = '${campaign}'`);
    const got = await c.bulk2.loadAndWaitForResults({
        object: 'Buyer_Touchpoint__c',
        operation: 'delete',
        input: `Id\n${rows.records.map((r) => r.Id).join('\n')}\n`,
    });
    assert.equal(got.successfulResults.length, 1000);
    assert.equal((await c.query(`SELECT Id FROM Buyer_Touchpoint__c WHERE Campaign__c = '${campaign}'`)).totalSize, 0);
});

test('a job that fails leaves rows unprocessed', async () => {
    await sim('faults', { match: { operation: 'bulk_upsert' }, kind: 'bulk_fail', value: { after_rows: 300 } });
    const job = c.bulk2.createJob(upsert);
    await job.open();
    await job.uploadData(csv(500, 'f'));
    await job.close();
    await assert.rejects(job.poll(20, 30000));
    const [done, left] = [await job.getSuccessfulResults(), await job.getUnprocessedRecords()];
    assert.equal(done.length, 300);
    assert.equal(left.length, 200);
});

test('a wrong header fails the job, a wrong object its creation', async () => {
    const job = c.bulk2.createJob(upsert);
    await job.open();
    await job.uploadData(`${key},Nope__c\nx,y\n`);
    await job.close();
    await assert.rejects(job.poll(20, 30000), /Field name not found : Nope__c/);
    await refused(c.bulk2.createJob({ ...upsert, object: 'Nope' }).open(), 'INVALIDJOB');
});

test('an open job can be aborted', async () => {
    const job = c.bulk2.createJob(upsert);
    await job.open();
    await job.abort();
    assert.equal((await job.check()).state, 'Aborted');
});

test('a query job gives its rows', async () => {
    const { campaigns } = await sim('load', { campaigns: 1, members: 3000, seed: 9 });
    const stream = await c.bulk2.query(`SELECT Id, Lead.Email, HasResponded FROM CampaignMember WHERE CampaignId = '${campaigns[0]}'`);
    const rows = await stream.toArray();
    assert.equal(rows.length, 3000);
    assert.equal(new Set(rows.map((r) => r.Id)).size, 3000);
    assert.ok(rows.some((r) => r['Lead.Email']?.endsWith('@example.com')));
    assert.ok(rows.every((r) => r.HasResponded === 'true' || r.HasResponded === 'false'));
});

test('parts of a query job are walked by their locators', async () => {
    const api = '/services/data/v64.0/jobs/query';
    const { id } = await c.requestPost(api, { operation: 'query', query: 'SELECT Id FROM CampaignMember ORDER BY Id LIMIT 2500' });
    while ((await c.request(`${api}/${id}`)).state !== 'JobComplete');
    const ids = new Set();
    let locator = '';
    let parts = 0;
    for (; locator !== 'null'; parts++) {
        const url = `${c.instanceUrl}${api}/${id}/results?maxRecords=1000${locator && `&locator=${locator}`}`;
        const answer = await fetch(url, { headers: { Authorization: `Bearer ${c.accessToken}` } });
        const lines = (await answer.text()).trim().split('\n').slice(1);
        assert.equal(lines.length, Number(answer.headers.get('sforce-numberofrecords')));
        lines.forEach((line) => ids.add(line));
        locator = answer.headers.get('sforce-locator');
    }
    assert.equal(parts, 3);
    assert.equal(ids.size, 2500);
});
