// Both grants, who one is then, and what happens when the token ends.
import assert from 'node:assert/strict';
import jsforce from 'jsforce';
import { assertion, login, oauth, org, refused, sim, test, username } from './harness.mjs';

const jwt = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

function connection(secret) {
    return new jsforce.Connection({ loginUrl: org, version: '64.0', oauth2: oauth(secret) });
}

test('client credentials log in', async () => {
    const c = connection();
    const user = await c.authorize({ grant_type: 'client_credentials' });
    assert.equal(user.organizationId.slice(0, 15), '00D000000000001');
    assert.equal(c.instanceUrl, org);
    assert.equal((await c.query('SELECT Id FROM Organization')).totalSize, 1);
});

test('a JWT logs in', async () => {
    const c = connection();
    const user = await c.authorize({ grant_type: jwt, assertion: assertion() });
    const found = await c.query(`SELECT Username FROM User WHERE Id = '${user.id}'`);
    assert.equal(found.records[0].Username, username);
});

test('userinfo and identity name the user', async () => {
    const c = await login();
    const info = await c.request('/services/oauth2/userinfo');
    assert.equal(info.preferred_username, username);
    const me = await c.identity();
    assert.equal(me.username, username);
    assert.equal(me.user_id, info.user_id);
});

test('a wrong secret, key, audience or user is refused', async () => {
    await refused(connection('wrong').authorize({ grant_type: 'client_credentials' }), 'invalid_client');
    for (const claims of [{ aud: 'https://example.com' }, { sub: 'nobody@example.com' }, { exp: 1 }])
        await refused(connection().authorize({ grant_type: jwt, assertion: assertion(claims) }), 'invalid_grant');
    const [head, claims] = assertion().split('.');
    await refused(connection().authorize({ grant_type: jwt, assertion: `${head}.${claims}.AAAA` }), 'invalid_grant');
});

test('an expired session is refreshed once and the call repeated', async () => {
    const first = await login();
    let refreshed = 0;
    const c = new jsforce.Connection({
        instanceUrl: org,
        accessToken: first.accessToken,
        version: '64.0',
        refreshFn: (_, done) => {
            refreshed++;
            login().then((fresh) => done(null, fresh.accessToken), done);
        },
    });
    await sim('tokens/revoke', {});
    assert.equal((await c.query('SELECT Id FROM Organization')).totalSize, 1);
    await c.query('SELECT Id FROM Organization');
    assert.equal(refreshed, 1);
    const old = new jsforce.Connection({ instanceUrl: org, accessToken: first.accessToken, version: '64.0' });
    await refused(old.query('SELECT Id FROM Organization'), 'INVALID_SESSION_ID');
});
