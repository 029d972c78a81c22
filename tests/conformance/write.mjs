// Single records, collections, composite.
import assert from 'node:assert/strict';
import { calls, login, make, refused, sim, test } from './harness.mjs';

const key = 'Campaign_Member_Id__c';
let c;
let touchpoints;
let campaign;

test('a record is created, read, changed and deleted', async () => {
    c = await login();
    touchpoints = c.sobject('Buyer_Touchpoint__c');
    [campaign] = await make('Campaign', { Name: 'Expo' });
    const made = await touchpoints.create({ [key]: 'one', Campaign__c: campaign, Medium__c: 'a' });
    assert.equal(made.success, true);
    const read = await touchpoints.retrieve(made.id);
    assert.equal(read.Medium__c, 'a');
    assert.match(read.Name, /^BT-/);
    await touchpoints.update({ Id: made.id, Medium__c: null, Email__c: 'x@example.com' });
    const again = await touchpoints.retrieve(made.id);
    assert.equal(again.Medium__c, null);
    assert.equal(again.Email__c, 'x@example.com');
    assert.equal((await touchpoints.destroy(made.id)).success, true);
    await refused(touchpoints.retrieve(made.id), 'ENTITY_IS_DELETED');
});

test('upsert by external id creates, then updates, whatever is in the key', async () => {
    const first = await touchpoints.upsert({ [key]: 'K 1/2', Medium__c: 'a' }, key);
    assert.equal(first.created, true);
    const second = await touchpoints.upsert({ [key]: 'K 1/2', Medium__c: 'b' }, key);
    assert.equal(second.created, false);
    assert.equal(second.id, first.id);
    assert.equal((await touchpoints.retrieve(first.id)).Medium__c, 'b');
});

test('collections take 200 rows a call and give each its result', async () => {
    const rows = Array.from({ length: 450 }, (_, i) => ({ [key]: `c${i}`, Campaign__c: campaign, Medium__c: `m${i}` }));
    rows[7].Email__c = 'not an email';
    let results;
    const made = await calls(async () => {
        results = await touchpoints.create(rows, { allowRecursive: true });
    });
    assert.deepEqual(made, { collections_create: 3 });
    assert.equal(results.length, 450);
    results.forEach((r, i) => assert.equal(r.success, i !== 7));
    assert.equal(results[7].errors[0].errorCode ?? results[7].errors[0].statusCode, 'INVALID_EMAIL_ADDRESS');
    assert.deepEqual(results[7].errors[0].fields, ['Email__c']);
    const ids = results.filter((r) => r.success).map((r) => r.id);
    const changed = await touchpoints.update(
        ids.slice(0, 200).map((Id) => ({ Id, Medium__c: 'new' })),
        { allOrNone: true },
    );
    assert.ok(changed.every((r) => r.success));
    const gone = await touchpoints.destroy(ids, { allowRecursive: true });
    assert.ok(gone.length === 449 && gone.every((r) => r.success));
    const twice = await touchpoints.destroy(ids.slice(0, 2));
    assert.ok(twice.every((r) => !r.success));
});

test('collections upsert by external id', async () => {
    const rows = (medium) => Array.from({ length: 200 }, (_, i) => ({ [key]: `u${i}`, Medium__c: medium }));
    const first = await touchpoints.upsert(rows('a'), key);
    assert.ok(first.every((r) => r.success && r.created === true));
    let second;
    const made = await calls(async () => {
        second = await touchpoints.upsert(rows('b'), key);
    });
    assert.deepEqual(made, { collections_upsert: 1 });
    second.forEach((r, i) => assert.ok(r.success && r.created === false && r.id === first[i].id));
});

test('allOrNone takes the good rows back', async () => {
    const rows = [{ [key]: 'all1' }, { [key]: 'all2', Email__c: 'not an email' }];
    await assert.rejects(async () => {
        const results = await touchpoints.create(rows, { allOrNone: true });
        assert.ok(results.every((r) => r.success), 'ALL_OR_NONE');
    });
    assert.equal(await touchpoints.count({ [key]: ['all1', 'all2'] }), 0);
});

test('a composite refers to its own answers', async () => {
    const url = `/services/data/v64.0/sobjects`;
    const answer = await c.requestPost('/services/data/v64.0/composite', {
        compositeRequest: [
            { method: 'POST', url: `${url}/Campaign`, referenceId: 'camp', body: { Name: 'C' } },
            { method: 'POST', url: `${url}/Buyer_Touchpoint__c`, referenceId: 'tp', body: { [key]: 'comp', Campaign__c: '@{camp.id}' } },
        ],
    });
    const [camp, tp] = answer.compositeResponse;
    assert.equal(camp.httpStatusCode, 201);
    assert.equal((await touchpoints.retrieve(tp.body.id)).Campaign__c, camp.body.id);
});

test('a row that is locked says so', async () => {
    await sim('faults', { match: { operation: 'collections_upsert', row: 'lock1' }, kind: 'lock' });
    const results = await touchpoints.upsert([{ [key]: 'lock0' }, { [key]: 'lock1' }], key);
    assert.equal(results[0].success, true);
    assert.equal(results[1].errors[0].errorCode ?? results[1].errors[0].statusCode, 'UNABLE_TO_LOCK_ROW');
});
