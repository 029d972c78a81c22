// The manifests against the API's schemas, as the package kubernetes-models has them compiled: wrong types and what is missing, and
// what the schema does not know. The compiled checks pass over unknown fields, so what they never looked at is found by watching them.
import fs from 'fs';
import path from 'path';
import YAML from 'yaml';

const SCHEMAS = {
  'v1/ConfigMap': 'CoreV1ConfigMap', 'v1/Service': 'CoreV1Service', 'apps/v1/Deployment': 'AppsV1Deployment',
  'policy/v1/PodDisruptionBudget': 'PolicyV1PodDisruptionBudget', 'networking.k8s.io/v1/NetworkPolicy': 'NetworkingV1NetworkPolicy',
};

export function readManifests(folder) {
  const files = fs.readdirSync(folder).filter((f) => f.endsWith('.yaml'));
  return Object.fromEntries(files.map((f) => [f, YAML.parse(fs.readFileSync(path.join(folder, f), 'utf8'), { strict: true })]));
}

// A view of a document that remembers which members were asked for.
function watched(value, seen, at) {
  if (value === null || typeof value !== 'object') return value;
  return new Proxy(value, {
    get: (target, key) => {
      if (typeof key === 'string') seen.add(`${at}/${key}`);
      return watched(target[key], seen, `${at}/${String(key)}`);
    },
  });
}

function members(value, at) {
  if (value === null || typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([key, inner]) => [`${at}/${key}`, ...members(inner, `${at}/${key}`)]);
}

export async function checkManifest(document) {
  const name = SCHEMAS[`${document.apiVersion}/${document.kind}`];
  if (!name) return [`no schema is known for ${document.apiVersion}/${document.kind}`];
  const file = new URL(`node_modules/kubernetes-models/_schemas/IoK8sApi${name}.mjs`, import.meta.url); // beside this file, see run.sh
  const { validate } = await import(file);
  const seen = new Set();
  const good = validate(watched(document, seen, ''));
  const faults = good ? [] : validate.errors.map((e) => `${e.instancePath} ${e.message ?? e.keyword} ${JSON.stringify(e.params)}`);
  // the schema of labels and the like looks at each value, whatever its name
  return [...faults, ...members(document, '').filter((m) => !seen.has(m)).map((m) => `${m} is no field of ${document.kind}`)];
}

// What no schema sees: whether the parts fit each other.
export function checkTogether(manifests) {
  const faults = [];
  const expect = (good, text) => good || faults.push(text);
  const deployment = manifests['deployment.yaml'].spec;
  const pod = deployment.template.spec;
  const [container] = pod.containers;
  const labels = deployment.template.metadata.labels;
  const selects = (selector, what) => expect(
    Object.keys(selector).length > 0 && Object.entries(selector).every(([k, v]) => labels[k] === v), `${what} selects other pods`);
  selects(deployment.selector.matchLabels, 'the deployment');
  selects(manifests['service.yaml'].spec.selector, 'the service');
  selects(manifests['disruption.yaml'].spec.selector.matchLabels, 'the disruption budget');
  selects(manifests['network.yaml'].spec.podSelector.matchLabels, 'the network policy');
  pod.topologySpreadConstraints.forEach((c) => selects(c.labelSelector.matchLabels, `spread over ${c.topologyKey}`));
  const ports = container.ports.map((p) => p.name);
  for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe']) expect(ports.includes(container[probe].httpGet.port), `${probe}: no such port`);
  manifests['service.yaml'].spec.ports.forEach((p) => expect(ports.includes(p.targetPort), `service: no port ${p.targetPort}`));
  manifests['network.yaml'].spec.ingress.flatMap((r) => r.ports).forEach((p) => expect(ports.includes(p.port), `network policy: no port ${p.port}`));
  const volumes = pod.volumes.map((v) => v.name);
  const mounts = container.volumeMounts.map((m) => m.name);
  expect(JSON.stringify([...volumes].sort()) === JSON.stringify([...mounts].sort()), 'volumes and mounts are not the same');
  expect(pod.volumes.find((v) => v.configMap).configMap.name === manifests['configuration.yaml'].metadata.name, 'no such ConfigMap');
  expect(manifests['disruption.yaml'].spec.minAvailable < deployment.replicas, 'no pod may ever go');
  const config = YAML.parse(manifests['configuration.yaml'].data['touchpointd.yaml']);
  const end = Number(container.lifecycle.preStop.exec.command[1]) + parseInt(config.shutdown_timeout, 10);
  expect(pod.terminationGracePeriodSeconds > end, `killed before the end of its ${end} s`);
  for (const [name, section] of [['messages', 'listen'], ['admin', 'admin']]) {
    const port = container.ports.find((p) => p.name === name).containerPort;
    expect(config[section].address.endsWith(`:${port}`), `${section}.address is not port ${port}`);
  }
  const files = JSON.stringify(config).match(/\/etc\/touchpointd\/[^"&]*/g);
  files.forEach((f) => expect(container.volumeMounts.some((m) => path.dirname(f) === m.mountPath), `${f} is mounted nowhere`));
  const { securityContext: user } = pod;
  const { securityContext: rights } = container;
  expect(user.runAsNonRoot && user.runAsUser > 0 && rights.readOnlyRootFilesystem && !rights.allowPrivilegeEscalation && rights.capabilities.drop[0] === 'ALL', 'too many rights');
  const listed = manifests['kustomization.yaml'].resources;
  expect(JSON.stringify(listed.slice().sort()) === JSON.stringify(Object.keys(manifests).filter((f) => f !== 'kustomization.yaml').sort()), 'kustomization.yaml lists other files');
  return faults;
}
