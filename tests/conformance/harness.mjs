// Tests in the order of their definition, against the orgsim of $ORG; each says ok or FAILED.
import assert from 'node:assert/strict';
import { createSign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import jsforce from 'jsforce';

export const org = process.env.ORG;
export const username = 'integration@example.com';
const tests = [];

export function test(name, body) {
    tests.push({ name, body });
}

export async function run() {
    let passed = 0;
    let failed = 0;
    for (const { name, body } of tests) {
        try {
            await body();
            passed++;
            console.log(`ok      ${name}`);
        } catch (error) {
            failed++;
            console.log(`FAILED  ${name}\n${error.stack}`);
        }
    }
    console.log(`${passed} passed, ${failed} failed`);
    return failed === 0 ? 0 : 1;
}

// A control route of the simulator.
export async function sim(path, body, method = body === undefined ? 'GET' : 'POST') {
    const answer = await fetch(`${org}/sim/${path}`, { method, body: body && JSON.stringify(body) });
    const json = await answer.json();
    assert.equal(answer.status, 200, `/sim/${path}: ${JSON.stringify(json)}`);
    return json;
}

// Records made by the admin; their ids.
export async function make(object, ...records) {
    return (await sim('records', { object, records })).ids;
}

// What the API counted while the body ran, by operation.
export async function calls(body) {
    await sim('stats/reset', {});
    await body();
    return (await sim('stats')).api.by_operation;
}

export function oauth(clientSecret = 's3cret') {
    return { loginUrl: org, clientId: 'app', clientSecret };
}

export async function login() {
    const c = new jsforce.Connection({ loginUrl: org, version: '64.0', oauth2: oauth() });
    await c.authorize({ grant_type: 'client_credentials' });
    c.bulk2.pollInterval = 20;
    c.bulk2.pollTimeout = 30000;
    return c;
}

// An RS256 assertion, as the JWT bearer flow wants it.
export function assertion(claims = {}) {
    const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const exp = Math.floor(Date.now() / 1000) + 180;
    const text = `${part({ alg: 'RS256' })}.${part({ iss: 'app', sub: username, aud: 'https://login.salesforce.com', exp, ...claims })}`;
    return `${text}.${createSign('RSA-SHA256').update(text).sign(readFileSync(process.env.JWT_KEY)).toString('base64url')}`;
}

// The error that the promise ends with must have this code.
export async function refused(promise, code) {
    await assert.rejects(promise, (error) => {
        assert.equal(error.errorCode ?? error.name, code, error.stack);
        return true;
    });
}
