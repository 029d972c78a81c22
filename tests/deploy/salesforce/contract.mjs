// What the daemon and the metadata must agree on: names, types, messages, permissions, conditions.
import fs from 'fs';
import path from 'path';
import { XMLParser } from 'fast-xml-parser';
import { customFields, fieldTypes, FOLDER, list, messages, of, SOURCE } from './project.mjs';

const ROLES = { campaign: 'Campaign', member: 'CampaignMember', touchpoint: 'Buyer_Touchpoint__c', deletion: 'Campaign_Member_Deletion__c' };
const WRITTEN_BACK = ['Touchpoint_Status__c', 'Touchpoint_Status_Date__c'];
const SEND = 'EnableNotifications'; // labelled Send Outbound Messages
const WITH = { ViewSetup: 'ViewRoles' }; // Salesforce refuses a permission set with the one and not the other

const difference = (a, b) => [...a].filter((x) => !b.has(x));

/** The names of the preset `standard`, as Object.Field or Object. */
export function presetNames(header = fs.readFileSync(path.join(SOURCE, 'include', 'schema.h'), 'utf8')) {
  const rows = [...header.replace(/\\\n/g, ' ').matchAll(/X\(SCHEMA_\w+,\s*"([\w.]+)",\s*"(\w+)",\s*"\w+"\)/g)];
  return new Set(rows.map(([, key, name]) => (key.includes('.') ? `${ROLES[key.split('.')[0]]}.${name}` : name)));
}

export function checkNames(project) {
  const preset = presetNames();
  const ours = new Set([...of(project, 'CustomObject').map((d) => d.name), ...Object.entries(customFields(project)).flatMap(([o, fields]) => Object.keys(fields).map((f) => `${o}.${f}`))]);
  return [...difference(preset, ours).map((n) => `${n} of the preset is not shipped`), ...difference(ours, preset).map((n) => `${n} is shipped, but not in the preset`)];
}

const picklist = (field) => list(field.valueSet.valueSetDefinition.value).map((v) => v.fullName);

export function checkFields(project) {
  const problems = [], f = customFields(project), expect = (what, got, want) => JSON.stringify(got) === JSON.stringify(want) || problems.push(`${what}: ${JSON.stringify(got)}, not ${JSON.stringify(want)}`);
  const key = f.Buyer_Touchpoint__c.Campaign_Member_Id__c;
  expect('the key', [key.type, key.length, key.externalId, key.unique, key.caseSensitive], ['Text', '18', 'true', 'true', 'true']);
  for (const [name, to] of [['Campaign__c', 'Campaign'], ['Lead__c', 'Lead'], ['Contact__c', 'Contact']]) {
    const lookup = f.Buyer_Touchpoint__c[name];
    expect(name, [lookup.type, lookup.referenceTo, lookup.deleteConstraint], ['Lookup', to, 'SetNull']);
  }
  const sync = f.Campaign.Enable_Buyer_Touchpoints__c;
  expect('the picklist', [sync.valueSet.restricted, ...picklist(sync)], ['true', 'Include all Campaign Members', 'Include only "Responded" Campaign Members', 'Exclude all Campaign Members']);
  expect('its default', list(sync.valueSet.valueSetDefinition.value).map((v) => v.default), ['false', 'false', 'false']);
  // a required field can't be granted, and fails who leaves it out
  for (const [object, fields] of Object.entries(f)) for (const [name, body] of Object.entries(fields)) expect(`${object}.${name}: required`, body.required, 'false');
  return problems;
}

/** file -> { object, fields: { name: type } } of each WSDL */
function readWsdls() {
  const parser = new XMLParser({ ignoreAttributes: false, removeNSPrefix: true, isArray: (name) => name === 'schema' || name === 'element' });
  const folder = path.join(SOURCE, 'soap', 'wsdl');
  return fs.readdirSync(folder).map((file) => {
    const wsdl = parser.parse(fs.readFileSync(path.join(folder, file), 'utf8'));
    const type = wsdl.definitions.types.schema.flatMap((s) => list(s.complexType)).find((t) => t.complexContent);
    const fields = list(type.complexContent.extension.sequence?.element);
    return { file, object: type['@_name'], fields: Object.fromEntries(fields.map((x) => [x['@_name'], x['@_type'].split(':')[1]])) };
  });
}

export function checkWsdls(project) {
  const problems = [], types = fieldTypes(project), wsdls = readWsdls();
  for (const m of messages(project)) {
    const wsdl = wsdls.find((w) => w.object === m.object);
    const want = Object.fromEntries(list(m.fields).filter((n) => n !== 'Id').sort().map((n) => [n, types[m.object][n]]));
    if (!wsdl) problems.push(`${m.object} has no WSDL`);
    else if (JSON.stringify(wsdl.fields) !== JSON.stringify(want)) problems.push(`soap/wsdl/${wsdl.file}: ${JSON.stringify(wsdl.fields)}, but the message has ${JSON.stringify(want)}`);
    if (!list(m.fields).includes('Id')) problems.push(`${m.file}: no Id`);
    if (m.includeSessionId !== 'false') problems.push(`${m.file}: sends a session id`);
  }
  const told = messages(project).map((m) => m.object);
  for (const w of wsdls) if (!told.includes(w.object)) problems.push(`soap/wsdl/${w.file} is of no message`);
  return problems;
}

const named = (formula) => new Set([...formula.matchAll(/ISCHANGED\((?:\{!\$Record\.)?(\w+)\}?\)/g)].map((m) => m[1]));

/** Flows run on creation or on a change of what decides, never on what the daemon writes; the rules ask for the same. */
export function checkConditions(project) {
  const problems = [], asked = {};
  for (const { file, body } of of(project, 'Flow').filter((d) => d.body.start.object)) {
    const { recordTriggerType: trigger, filterFormula: formula, object } = body.start;
    if (trigger === 'Create') continue;
    if (trigger !== 'Update') problems.push(`${file}: ${trigger} can't tell a change`);
    asked[object] = named(formula ?? '');
    if (asked[object].size === 0) problems.push(`${file}: runs on every update`);
  }
  for (const [object, fields] of Object.entries(asked)) {
    for (const name of WRITTEN_BACK) if (fields.has(name)) problems.push(`${object}: ${name} is written back, so its change must tell nothing`);
  }
  for (const { file, name, body } of of(project, 'Workflow')) {
    for (const rule of list(body.rules)) {
      const differs = rule.triggerType === 'onAllChanges' && (difference(named(rule.formula), asked[name]).length || difference(asked[name], named(rule.formula)).length);
      if (differs) problems.push(`${file}: asks for other fields than the flow`);
      if (rule.active !== 'false') problems.push(`${file}: a rule beside an active flow sends everything twice`);
    }
  }
  return problems;
}

const permissions = (project, name) => of(project, 'PermissionSet').find((d) => d.name === name).body;
const rights = (set) => list(set.userPermissions).filter((p) => p.enabled === 'true').map((p) => p.name);
const granted = (set, how) => new Set(list(set.fieldPermissions).filter((p) => p[how] === 'true').map((p) => p.field));

export function checkPermissions(project) {
  const problems = [], say = (text) => problems.push(text);
  const integration = permissions(project, 'Touchpoint_Integration'), writing = permissions(project, 'Touchpoint_Member_Writing'), marketing = permissions(project, 'Touchpoint_Marketing');
  for (const set of [integration, writing]) if (rights(set).includes(SEND)) say(`${set.label}: its own writes would be sent back`);
  if (!rights(marketing).includes(SEND)) say('marketing users would send nothing');
  for (const right of ['ApiEnabled', 'ViewSetup', 'AllowViewEditConvertedLeads']) if (!rights(integration).includes(right)) say(`the integration user lacks ${right}`);
  for (const object of ['Campaign', 'Lead', 'Contact', 'Buyer_Touchpoint__c', 'Campaign_Member_Deletion__c']) {
    const p = list(integration.objectPermissions).find((x) => x.object === object);
    if (p?.allowRead !== 'true' || p?.viewAllRecords !== 'true') say(`the integration user does not see every ${object}`);
  }
  for (const { file, body } of of(project, 'PermissionSet')) for (const [one, other] of Object.entries(WITH)) if (rights(body).includes(one) && !rights(body).includes(other)) say(`${file}: ${one} needs ${other}`);
  const fields = Object.entries(customFields(project)).flatMap(([o, x]) => Object.keys(x).map((f) => `${o}.${f}`));
  for (const field of fields) {
    const isWrittenBack = field.startsWith('CampaignMember.');
    if (![integration, writing].some((set) => granted(set, 'readable').has(field))) say(`the integration user does not see ${field}`);
    if (field.startsWith('Buyer_Touchpoint__c.') && !granted(integration, 'editable').has(field)) say(`the integration user can't write ${field}`);
    if (isWrittenBack && !granted(writing, 'editable').has(field)) say(`${field} can't be written back`);
    if (!field.startsWith('Campaign_Member_Deletion__c.') && !granted(marketing, 'readable').has(field)) say(`marketing does not see ${field}`);
  }
  return problems;
}

const matcher = (r) => (r.filename ? (name) => name === r.filename : (name) => new RegExp(`^${r.glob.replace(/[.+]/g, '\\$&').replace(/\*/g, '[^/]*')}$`).test(name));

/** Each replacement finds what it replaces, and every example value is replaced. */
export function checkReplacements(project) {
  const problems = [];
  const { replacements, packageDirectories } = JSON.parse(fs.readFileSync(path.join(FOLDER, 'sfdx-project.json'), 'utf8'));
  for (const { path: folder } of packageDirectories) if (!project.files.some((f) => f.name.startsWith(`${folder}/`))) problems.push(`sfdx-project.json: ${folder} is empty`);
  for (const r of replacements) {
    const files = project.files.filter((f) => matcher(r)(f.name));
    if (files.length === 0) problems.push(`sfdx-project.json: ${r.glob ?? r.filename} is no file`);
    for (const f of files) if (!f.text.includes(r.stringToReplace)) problems.push(`${f.name}: ${r.stringToReplace} is not in it`);
  }
  for (const f of project.files.filter((x) => x.name.endsWith('-meta.xml'))) {
    for (const [example] of f.text.matchAll(/[\w.@:/-]*example\.com[^<]*/g)) {
      if (!replacements.some((r) => matcher(r)(f.name) && r.stringToReplace === example)) problems.push(`${f.name}: nothing replaces ${example}`);
    }
  }
  return problems;
}
