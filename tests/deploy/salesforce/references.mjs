// Everything that one file names in another is there.
import path from 'path';
import { checkFlow } from './flows.mjs';
import { customFields, fieldTypes, list, messages, objectOf, of } from './project.mjs';

const COLUMNS = ['NAME', 'CREATED_DATE']; // standard columns of list views
const names = (project, kind) => of(project, kind).map((d) => d.name);

function checks(project, types) {
  const problems = [];
  const say = (file, text) => problems.push(`${file}: ${text}`);
  const field = (file, object, name) => (types[object] && name in types[object]) || say(file, `${object}.${name} is no field`);
  return { problems, say, field, dotted: (file, text) => field(file, ...text.split('.')) };
}

function checkWorkflows(project, c) {
  for (const m of messages(project)) for (const name of list(m.fields)) c.field(m.file, m.object, name);
  const sent = messages(project).map((m) => `${m.object}.${m.fullName}`);
  for (const d of of(project, 'Workflow')) {
    for (const rule of list(d.body.rules)) {
      for (const action of list(rule.actions)) if (!sent.includes(`${d.name}.${action.name}`)) c.say(d.file, `${action.name} is no outbound message of ${d.name}`);
      for (const [, name] of rule.formula.matchAll(/ISCHANGED\((\w+)\)/g)) c.field(d.file, d.name, name);
    }
  }
}

function checkPermissionSets(project, types, c) {
  for (const { file, body } of of(project, 'PermissionSet')) {
    for (const p of list(body.fieldPermissions)) c.dotted(file, p.field);
    for (const p of list(body.objectPermissions)) if (!types[p.object]) c.say(file, `${p.object} is no object`);
    for (const p of list(body.tabSettings)) if (!names(project, 'CustomTab').includes(p.tab)) c.say(file, `${p.tab} has no tab`);
    for (const p of list(body.flowAccesses)) if (!names(project, 'Flow').includes(p.flow)) c.say(file, `${p.flow} is no flow`);
  }
}

function checkLayouts(project, c) {
  for (const { file, name, body } of of(project, 'Layout')) {
    const object = name.split('-')[0];
    for (const item of list(body.layoutSections).flatMap((s) => list(s.layoutColumns)).flatMap((x) => list(x.layoutItems))) c.field(file, object, item.field);
    for (const related of list(body.relatedLists)) {
      c.dotted(file, related.relatedList);
      for (const column of list(related.fields)) if (!COLUMNS.includes(column)) c.field(file, related.relatedList.split('.')[0], column);
    }
  }
  for (const { file, name, body } of of(project, 'QuickAction')) {
    if (body.flowDefinition && !names(project, 'Flow').includes(body.flowDefinition)) c.say(file, `${body.flowDefinition} is no flow`);
    for (const column of list(body.quickActionLayout?.quickActionLayoutColumns)) for (const item of list(column.quickActionLayoutItems)) c.field(file, name.split('.')[0], item.field);
  }
}

function checkObjects(project, types, c) {
  for (const { file, body, name } of of(project, 'ListView')) {
    if (body.fullName !== name) c.say(file, `is called ${body.fullName}`);
    for (const column of [...list(body.columns), ...list(body.filters).map((f) => f.field)]) if (!COLUMNS.includes(column)) c.field(file, objectOf(file), column);
  }
  for (const { file, body, name } of of(project, 'CustomField')) {
    if (body.fullName !== name) c.say(file, `is called ${body.fullName}`);
    if (body.type === 'Lookup' && !types[body.referenceTo]) c.say(file, `${body.referenceTo} is no object`);
  }
  for (const { file, name, body } of of(project, 'CustomObject')) {
    for (const column of Object.values(body.searchLayouts ?? {}).flatMap(list)) c.field(file, name, column);
  }
  for (const { file, name } of of(project, 'CustomTab')) if (!names(project, 'CustomObject').includes(name)) c.say(file, `${name} is no object`);
}

function checkReportTypes(project, c) {
  const lookups = Object.entries(customFields(project)).flatMap(([object, fields]) => Object.values(fields).filter((f) => f.type === 'Lookup').map((f) => ({ ...f, object })));
  for (const { file, body } of of(project, 'ReportType')) {
    const joined = lookups.find((f) => f.referenceTo === body.baseObject && `${f.relationshipName}__r` === body.join.relationship);
    if (!joined) c.say(file, `${body.baseObject} has no ${body.join.relationship}`);
    const tables = { [body.baseObject]: body.baseObject, [`${body.baseObject}.${body.join.relationship}`]: joined?.object };
    for (const column of list(body.sections).flatMap((s) => list(s.columns))) c.field(file, tables[column.table], column.field);
  }
}

function checkApp(project, c) {
  const apps = names(project, 'ExternalClientApplication'), sets = names(project, 'PermissionSet');
  for (const d of project.documents.filter((x) => x.body.externalClientApplication)) {
    if (!apps.includes(d.body.externalClientApplication)) c.say(d.file, `${d.body.externalClientApplication} is no app`);
    for (const set of (d.body.commaSeparatedPermissionSet ?? '').split(',').filter(Boolean)) if (!sets.includes(set.trim())) c.say(d.file, `${set} is no permission set`);
  }
}

// Apex: the objects of triggers, our classes, and each name of a custom object or field.
function checkApex(project, types, c) {
  const sources = project.files.filter((f) => /\.(cls|trigger)$/.test(f.name));
  const classes = sources.map((f) => path.basename(f.name, path.extname(f.name)));
  const custom = new Set(Object.entries(types).flatMap(([object, fields]) => [object, ...Object.keys(fields)]).filter((n) => n.endsWith('__c')));
  for (const { name: file, text } of sources) {
    if (!project.files.some((f) => f.name === `${file}-meta.xml`)) c.say(file, 'has no -meta.xml');
    const trigger = text.match(/^trigger (\w+) on (\w+)/m);
    if (trigger && !types[trigger[2]]) c.say(file, `${trigger[2]} is no object`);
    for (const [name] of text.matchAll(/\bTouchpoint[A-Z]\w+\b/g)) if (!classes.includes(name)) c.say(file, `${name} is no class`);
    for (const [name] of text.matchAll(/\b\w+__c\b/g)) if (!custom.has(name)) c.say(file, `${name} is no custom object or field`);
  }
}

export function checkReferences(project) {
  const types = fieldTypes(project), c = checks(project, types);
  checkWorkflows(project, c);
  checkPermissionSets(project, types, c);
  checkLayouts(project, c);
  checkObjects(project, types, c);
  checkReportTypes(project, c);
  checkApp(project, c);
  checkApex(project, types, c);
  return [...c.problems, ...of(project, 'Flow').flatMap((d) => checkFlow(project, types, d))];
}
