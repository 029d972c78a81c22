// The sfdx project as data: each metadata file parsed, the custom fields by object, and the standard ones that we name.
import fs from 'fs';
import path from 'path';
import { XMLParser, XMLValidator } from 'fast-xml-parser';

export const SOURCE = process.env.TP_SOURCE;
export const FOLDER = path.join(SOURCE, 'deploy', 'salesforce');

// Standard fields that our files may name, by object, with their type in a WSDL. The Object Reference has them all.
const NUMBER = 'double';
export const STANDARD = {
  Campaign: {
    Id: 'ID', Name: 'string', Type: 'string', Status: 'string', IsActive: 'boolean', StartDate: 'date', EndDate: 'date', OwnerId: 'ID', ParentId: 'ID', Description: 'string',
    ExpectedRevenue: NUMBER, BudgetedCost: NUMBER, ActualCost: NUMBER, ExpectedResponse: NUMBER, NumberSent: NUMBER,
  },
  CampaignMember: { Id: 'ID', CampaignId: 'ID', LeadId: 'ID', ContactId: 'ID', Status: 'string', HasResponded: 'boolean', FirstRespondedDate: 'date' },
  Lead: { Id: 'ID', Email: 'string', IsConverted: 'boolean', LastName: 'string', Company: 'string' },
  Contact: { Id: 'ID', Email: 'string', LastName: 'string' },
  Account: { Id: 'ID', IsPersonAccount: 'boolean', PersonContactId: 'ID', PersonEmail: 'string' },
};
const OF_ALL = { Id: 'ID', Name: 'string', OwnerId: 'ID', CreatedById: 'ID', LastModifiedById: 'ID', CreatedDate: 'dateTime' };
const WIRE = { Text: 'string', Email: 'string', Picklist: 'string', Lookup: 'ID', Date: 'date', DateTime: 'dateTime' };

const parser = new XMLParser({ ignoreAttributes: false, parseTagValue: false, ignoreDeclaration: true });
export const list = (x) => (x === undefined || x === '' ? [] : Array.isArray(x) ? x : [x]);

/** All files below the folder: [{ name, text }], names relative to it. */
export function read(folder = FOLDER) {
  return fs
    .readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath ?? entry.path, entry.name)))
    .sort()
    .map((name) => ({ name, text: fs.readFileSync(path.join(folder, name), 'utf8') }));
}

/** { files, documents: [{ file, kind, name, body }], problems } */
export function parse(files) {
  const documents = [], problems = [];
  for (const { name: file, text } of files.filter((f) => f.name.endsWith('-meta.xml'))) {
    const valid = XMLValidator.validate(text);
    if (valid !== true) {
      problems.push(`${file}:${valid.err.line}: ${valid.err.msg}`);
      continue;
    }
    const document = parser.parse(text);
    const [kind] = Object.keys(document);
    const body = document[kind];
    if (body['@_xmlns'] !== 'http://soap.sforce.com/2006/04/metadata') problems.push(`${file}: its namespace is not the Metadata API's`);
    delete body['@_xmlns'];
    documents.push({ file, kind, name: path.basename(file).replace(/\.[^.]+-meta\.xml$/, ''), body });
  }
  return { files, documents, problems };
}

export const of = (project, kind) => project.documents.filter((d) => d.kind === kind);
const objectOf = (file) => file.match(/\/objects\/([^/]+)\//)[1];

/** object -> field -> the CustomField's body */
export function customFields(project) {
  const fields = {};
  for (const d of of(project, 'CustomField')) (fields[objectOf(d.file)] ??= {})[d.body.fullName] = d.body;
  return fields;
}

/** object -> field -> type in a WSDL */
export function fieldTypes(project) {
  const types = {};
  for (const object of [...Object.keys(STANDARD), ...of(project, 'CustomObject').map((d) => d.name)]) types[object] = { ...OF_ALL, ...STANDARD[object] };
  for (const [object, fields] of Object.entries(customFields(project))) {
    for (const [name, body] of Object.entries(fields)) (types[object] ??= {})[name] = WIRE[body.type];
  }
  return types;
}

/** [{ object, file, ...message }] */
export const messages = (project) => of(project, 'Workflow').flatMap((d) => list(d.body.outboundMessages).map((m) => ({ ...m, object: d.name, file: d.file })));
export { objectOf };
