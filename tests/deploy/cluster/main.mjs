import assert from 'assert';
import { execFileSync, spawnSync } from 'child_process';
import fs from 'fs';
import os from 'os';
import path from 'path';
import YAML from 'yaml';
import { checkCompose, checkParts, readCompose } from './compose.mjs';
import { checkManifest, checkTogether, readManifests } from './kubernetes.mjs';

const SOURCE = process.env.TP_SOURCE;
const DEPLOY = path.join(SOURCE, 'deploy');
const DAEMON = path.join(SOURCE, 'build', process.env.TP_FLAVOUR ?? 'release', 'touchpointd');
const text = (name) => fs.readFileSync(path.join(DEPLOY, name), 'utf8');
const manifests = () => readManifests(path.join(DEPLOY, 'kubernetes'));
const composed = () => readCompose(path.join(DEPLOY, 'compose.yaml'));
const parts = (document) => checkParts(document, DEPLOY, YAML.parse(text('compose-touchpointd.yaml')), text('balancer/haproxy.cfg'));
const tests = [];
const test = (name, body) => tests.push({ name, body });

for (const [file, document] of Object.entries(manifests())) {
  if (file !== 'kustomization.yaml') test(`kubernetes/${file} is as the API's schema wants it`, async () => assert.deepEqual(await checkManifest(document), []));
}
test('the manifests fit together', () => assert.deepEqual(checkTogether(manifests()), []));
test('compose.yaml is as the specification wants it', () => assert.deepEqual(checkCompose(composed()), []));
test('its services, secrets, networks and files fit together', () => assert.deepEqual(parts(composed()), []));

// Each row breaks one thing; the check must say so in these words.
const BREAKS = [
  ['an unknown field', 'deployment.yaml', (d) => { d.spec.template.spec.containers[0].readinesProbe = {}; }, /readinesProbe is no field/],
  ['a field in the wrong place', 'deployment.yaml', (d) => { d.spec.template.spec.readOnlyRootFilesystem = true; }, /no field/],
  ['a wrong type', 'deployment.yaml', (d) => { d.spec.replicas = '3'; }, /replicas/],
  ['a missing selector', 'deployment.yaml', (d) => { delete d.spec.selector; }, /selector/],
  ['a port that is no port', 'service.yaml', (d) => { d.spec.ports[0].port = 'https'; }, /port/],
  ['a policy of another shape', 'network.yaml', (d) => { d.spec.egress[0].port = 53; }, /no field/],
];
for (const [name, file, change, says] of BREAKS) {
  test(`${name} is found in ${file}`, async () => {
    const document = manifests()[file];
    change(document);
    assert.match((await checkManifest(document)).join('\n'), says);
  });
}
const MISFITS = [
  ['a service that selects nothing', (m) => { m['service.yaml'].spec.selector = { app: 'x' }; }, /service selects other pods/],
  ['a secret that is not mounted', (m) => { m['deployment.yaml'].spec.template.spec.containers[0].volumeMounts.splice(1, 1); }, /mounted nowhere/],
  ['a budget that lets nobody go', (m) => { m['disruption.yaml'].spec.minAvailable = 3; }, /no pod may ever go/],
  ['a grace period that is too short', (m) => { m['deployment.yaml'].spec.template.spec.terminationGracePeriodSeconds = 30; }, /killed before/],
];
for (const [name, change, says] of MISFITS) {
  test(`${name} is found`, () => {
    const all = manifests();
    change(all);
    assert.match(checkTogether(all).join('\n'), says);
  });
}
test('an unknown key of a service is found', () => {
  const document = composed();
  document.services.node1.readonly = true;
  assert.match(checkCompose(document).join('\n'), /node1.*additional/);
});
test('a secret that is nowhere is found', () => {
  const document = composed();
  delete document.secrets.pgpass;
  assert.match(parts(document).join('\n'), /no secret pgpass/);
});

// The configurations, by the daemon itself; its files are others of the same kind.
function checkConfiguration(config, prefix, files) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'touchpointd-cluster-'));
  try {
    execFileSync(path.join(SOURCE, 'certs/make-dev.sh'), [path.join(folder, 'made'), 'receiver.example.org'], { stdio: 'ignore' });
    execFileSync('openssl', ['genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048', '-out', path.join(folder, 'made/org.key')], { stdio: 'ignore' });
    for (const [name, from] of Object.entries(files)) {
      fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
      fs.copyFileSync(path.join(folder, 'made', from), path.join(folder, name));
    }
    const file = path.join(folder, 'touchpointd.yaml');
    fs.writeFileSync(file, config.replaceAll(prefix, `${folder}/`));
    const done = spawnSync(DAEMON, ['--config', file, '--check'], { encoding: 'utf8' });
    assert.equal(done.status, 0, done.stdout + done.stderr);
    assert.doesNotMatch(done.stderr, /level=(warn|error)/);
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}
test('touchpointd takes the ConfigMap', () => checkConfiguration(manifests()['configuration.yaml'].data['touchpointd.yaml'], '/etc/touchpointd/', {
  'tls/tls.crt': 'server.pem', 'tls/tls.key': 'server.key', 'admin-tls/tls.crt': 'server.pem', 'admin-tls/tls.key': 'server.key', 'secrets/org.key': 'org.key', 'secrets/admin.token': 'ca.ext' }));
test('touchpointd takes the configuration of compose.yaml', () => checkConfiguration(text('compose-touchpointd.yaml'), '/run/secrets/', {
  'server.pem': 'server.pem', 'server.key': 'server.key', 'org.key': 'org.key', 'admin.token': 'ca.ext' }));

let failed = 0;
for (const { name, body } of tests) {
  try {
    await body();
    console.log(`ok      ${name}`);
  } catch (e) {
    failed += 1;
    console.log(`FAILED  ${name}\n${e.message}`);
  }
}
console.log(`${tests.length - failed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
