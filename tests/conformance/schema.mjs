// What the org says of itself.
import assert from 'node:assert/strict';
import { login, org, refused, sim, test } from './harness.mjs';

let c;

test('describe names fields, types and what may be done', async () => {
    c = await login();
    const d = await c.describe('Buyer_Touchpoint__c');
    assert.equal(d.keyPrefix, 'a0X');
    assert.ok(d.createable && d.updateable && d.deletable && d.queryable && d.custom);
    const field = (name) => d.fields.find((f) => f.name === name);
    const key = field('Campaign_Member_Id__c');
    assert.ok(key.externalId && key.unique && key.caseSensitive && key.idLookup);
    assert.equal(key.type, 'string');
    assert.equal(key.length, 18);
    assert.deepEqual(field('Campaign__c').referenceTo, ['Campaign']);
    assert.equal(field('Campaign__c').relationshipName, 'Campaign__r');
    assert.equal(field('Touchpoint_Date__c').type, 'datetime');
    const campaign = await c.sobject('Campaign').describe();
    const sync = campaign.fields.find((f) => f.name === 'Enable_Buyer_Touchpoints__c');
    assert.equal(sync.restrictedPicklist, true);
    assert.equal(sync.picklistValues.length, 3);
});

test('the global list names the objects', async () => {
    const names = (await c.describeGlobal()).sobjects.map((o) => o.name);
    for (const name of ['Campaign', 'CampaignMember', 'Lead', 'Contact', 'Buyer_Touchpoint__c']) assert.ok(names.includes(name), name);
});

test('what the user may not see is not described', async () => {
    await sim('permissions', { no_field: ['Buyer_Touchpoint__c.Medium__c'], no_access: ['Contact'], no_delete: ['Lead'] });
    const d = await c.describe('Buyer_Touchpoint__c');
    assert.equal(d.fields.some((f) => f.name === 'Medium__c'), false);
    assert.equal((await c.describe('Lead')).deletable, false);
    await refused(c.describe('Contact'), 'NOT_FOUND');
    await refused(c.query('SELECT Medium__c FROM Buyer_Touchpoint__c'), 'INVALID_FIELD');
    await sim('permissions', {});
});

test('versions and resources are listed', async () => {
    const versions = await c.request('/services/data');
    assert.ok(versions.some((v) => v.version === '64.0'));
    const resources = await c.request('/services/data/v64.0');
    for (const name of ['query', 'sobjects', 'composite', 'jobs', 'limits']) assert.ok(resources[name], name);
    const twice = await fetch(`${org}//services/data/v64.0/limits`, { headers: { Authorization: `Bearer ${c.accessToken}` } });
    assert.equal(twice.status, 200); // as some clients write it
});
