// Each element of a file against the typed Metadata WSDL (@salesforce/types): known, as often as allowed, not missing, of its type.
import fs from 'fs';
import { list } from './project.mjs';

const SIMPLE = { boolean: /^(true|false)$/, number: /^-?\d+(\.\d+)?$/, Date: /^\d{4}-\d{2}-\d{2}/ };

/** name -> { parents, elements: name -> { type, many, needed } } or { values } */
function readTypes() {
  const file = new URL('node_modules/@salesforce/types/lib/metadata.d.ts', import.meta.url);
  const types = new Map();
  let open = null;
  for (const line of fs.readFileSync(file, 'utf8').split('\n')) {
    const head = line.match(/^export type (\w+) = (.*)$/);
    const element = line.match(/^\s+(\w+)(\??): (.+);$/);
    if (head && head[2].endsWith('{')) {
      open = { parents: head[2].split('&').map((s) => s.trim()).filter((s) => s !== '{'), elements: {} };
      types.set(head[1], open);
    } else if (head && head[2].startsWith("'")) {
      types.set(head[1], { values: new Set([...head[2].matchAll(/'([^']*)'/g)].map((m) => m[1])) });
    } else if (head && /^\w+;$/.test(head[2])) {
      types.set(head[1], { parents: [head[2].slice(0, -1)], elements: {} });
    } else if (line.startsWith('}')) {
      open = null;
    } else if (open && element) {
      const many = element[3].endsWith('[]');
      open.elements[element[1]] = { type: element[3].replace('[]', ''), many, needed: !many && element[2] === '' };
    }
  }
  return types;
}

const types = readTypes();

function elementsOf(name) {
  const type = types.get(name);
  return Object.assign({}, ...type.parents.filter((p) => types.has(p)).map(elementsOf), type.elements);
}

function checkValue(at, value, type, problems) {
  const known = types.get(type);
  if (known?.elements) checkElement(at, value === '' ? {} : value, type, problems);
  else if (typeof value === 'object') problems.push(`${at}: holds elements, but is a ${type}`);
  else if (known?.values && !known.values.has(value)) problems.push(`${at}: "${value}" is no ${type}`);
  else if (SIMPLE[type] && !SIMPLE[type].test(value)) problems.push(`${at}: "${value}" is no ${type}`);
}

function checkElement(at, element, type, problems) {
  if (typeof element !== 'object') {
    problems.push(`${at}: text where a ${type} belongs`);
    return;
  }
  const allowed = elementsOf(type);
  for (const [name, value] of Object.entries(element)) {
    const rule = allowed[name];
    if (!rule) problems.push(`${at}/${name}: a ${type} has no such element`);
    else if (list(value).length > 1 && !rule.many) problems.push(`${at}/${name}: more than once`);
    else for (const one of Array.isArray(value) ? value : [value]) checkValue(`${at}/${name}`, one, rule.type, problems);
  }
  for (const [name, rule] of Object.entries(allowed)) if (rule.needed && !(name in element)) problems.push(`${at}: a ${type} needs ${name}`);
}

/** How many types are known: a change of the package's layout must not make the check empty. */
export const typeCount = () => types.size;

export function checkElements(project) {
  const problems = [...project.problems];
  for (const { file, kind, body } of project.documents) {
    if (types.get(kind)?.elements) checkElement(`${file}: ${kind}`, body, kind, problems);
    else problems.push(`${file}: ${kind} is no type of metadata`);
  }
  return problems;
}
