// What a flow names: its own elements and variables, objects, fields, outbound messages.
import { list, messages } from './project.mjs';

const NODES = ['actionCalls', 'assignments', 'decisions', 'loops', 'recordLookups', 'recordUpdates', 'screens'];
const OTHERS = ['variables', 'choices', 'formulas', 'constants'];
const SYSTEM = /^\$(Record|Flow)(\.|$)/;

/** visit(key, text) for each text below */
function walk(value, visit, key = '') {
  if (Array.isArray(value)) for (const v of value) walk(v, visit, key);
  else if (value && typeof value === 'object') for (const [k, v] of Object.entries(value)) walk(v, visit, k);
  else visit(key, String(value));
}

const named = (flow, kinds) => kinds.flatMap((kind) => list(flow[kind]));

/** The variables that hold records, with their object: collections, and the loops over them. */
function recordsOf(flow) {
  const records = {};
  for (const v of list(flow.variables)) if (v.objectType) records[v.name] = v.objectType;
  for (const loop of list(flow.loops)) records[loop.name] = records[loop.collectionReference];
  return records;
}

function checkFields(flow, types, say) {
  const has = (object, field) => (types[object] && field in types[object]) || say(`${object}.${field} is no field`);
  for (const node of [...named(flow, ['recordLookups', 'recordUpdates']), ...list(flow.start)].filter((n) => n.object)) {
    if (!types[node.object]) say(`${node.object} is no object`);
    for (const filter of list(node.filters)) has(node.object, filter.field);
    for (const field of [...list(node.queriedFields), ...list(node.sortField)]) has(node.object, field);
    for (const input of list(node.inputAssignments)) has(node.object, input.field);
  }
  for (const [, field] of (flow.start.filterFormula ?? '').matchAll(/\{!\$Record\.(\w+)\}/g)) has(flow.start.object, field);
}

function checkNames(flow, types, say) {
  const nodes = new Set(named(flow, NODES).map((n) => n.name));
  const names = new Set([...nodes, ...named(flow, OTHERS).map((n) => n.name), ...list(flow.screens).flatMap((s) => list(s.fields).map((f) => f.name))]);
  const records = recordsOf(flow);
  const reached = new Set();
  const known = (text) => {
    const [name, field] = text.split('.');
    if (SYSTEM.test(text)) return;
    if (!names.has(name)) say(`${text} is no name in it`);
    else if (field && !(records[name] && types[records[name]] && field in types[records[name]])) say(`${text}: ${records[name]} has no such field`);
  };
  walk(flow, (key, text) => {
    if (key === 'targetReference') {
      reached.add(text);
      if (!nodes.has(text)) say(`a connector leads to ${text}, which is no element`);
    } else if (['elementReference', 'leftValueReference', 'assignToReference', 'collectionReference', 'inputReference', 'outputReference', 'choiceReferences', 'defaultSelectedChoiceReference'].includes(key)) {
      known(text);
    } else if (key !== 'filterFormula') {
      for (const [, name] of text.matchAll(/\{!([^}]+)\}/g)) known(name);
    }
  });
  for (const node of nodes) if (!reached.has(node)) say(`no connector leads to ${node}`);
}

export function checkFlow(project, types, { name, body: flow, file }) {
  const problems = [], say = (text) => problems.push(`${file}: ${text}`);
  const sent = messages(project).map((m) => `${m.object}.${m.fullName}`);
  for (const call of list(flow.actionCalls)) {
    if (!sent.includes(call.actionName)) say(`${call.actionName} is no outbound message`);
    if (call.nameSegment !== call.actionName) say(`nameSegment is not ${call.actionName}`);
    if (!call.actionName.startsWith(`${flow.start.object}.`)) say(`${call.actionName} is not of ${flow.start.object}`);
  }
  if (flow.status !== 'Active') say(`${name} is not active`);
  checkFields(flow, types, say);
  checkNames(flow, types, say);
  return problems;
}
