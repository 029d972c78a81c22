import assert from 'assert';
import { checkApex } from './apex.mjs';
import { checkConditions, checkFields, checkNames, checkPermissions, checkReplacements, checkWsdls, presetNames } from './contract.mjs';
import { checkElements, typeCount } from './elements.mjs';
import { parse, read } from './project.mjs';
import { checkReferences } from './references.mjs';

const FILES = read();
const PROJECT = parse(FILES);
const tests = [];
const test = (name, body) => tests.push({ name, body });
const finds = (name, check) => test(name, () => assert.deepEqual(check(PROJECT), []));

finds('each file is well-formed, and the Metadata WSDL knows each element', checkElements);
finds('what one file names in another is there', checkReferences);
finds('Apex is Apex (parsed, not run)', checkApex);
finds('the names are those of the preset `standard`', checkNames);
finds('key, lookups and picklist are what the daemon needs', checkFields);
finds('the WSDLs are of these messages, field by field', checkWsdls);
finds('flows tell a change of what decides, and nothing of what is written back', checkConditions);
finds('marketing may send messages, the integration user not, and sees everything', checkPermissions);
finds('replacements find what they replace', checkReplacements);

test('the checks have something to check', () => {
  assert.ok(typeCount() > 1500, `${typeCount()} types`);
  assert.equal(presetNames().size, 25);
  assert.ok(PROJECT.documents.length > 60);
  assert.ok(FILES.filter((f) => /\.(cls|trigger)$/.test(f.name)).length >= 7);
});

// Each row breaks one file; the check must say so in these words.
const MAIN = 'force-app/main/default';
const MEMBER_FLOW = `${MAIN}/flows/Touchpoint_Member_Updated.flow-meta.xml`;
const BULK_FLOW = `${MAIN}/flows/Touchpoint_Dates_in_Bulk.flow-meta.xml`;
const CAMPAIGN = `${MAIN}/workflows/Campaign.workflow-meta.xml`;
const KEY = `${MAIN}/objects/Buyer_Touchpoint__c/fields/Campaign_Member_Id__c.field-meta.xml`;
const INTEGRATION = `${MAIN}/permissionsets/Touchpoint_Integration.permissionset-meta.xml`;
const HANDLER = `${MAIN}/classes/TouchpointDeletions.cls`;
const MISTAKES = [
  [checkElements, CAMPAIGN, '</outboundMessages>', '', /Campaign\.workflow/],
  [checkElements, CAMPAIGN, /endpointUrl>/g, 'endpointURL>', /endpointURL: a WorkflowOutboundMessage has no such element/],
  [checkElements, CAMPAIGN, /<integrationUser>.*<\/integrationUser>/, '', /needs integrationUser/],
  [checkElements, CAMPAIGN, '<protected>false', '<protected>no', /"no" is no boolean/],
  [checkElements, MEMBER_FLOW, 'RecordAfterSave', 'AfterSave', /"AfterSave" is no FlowTriggerType/],
  [checkElements, MEMBER_FLOW, '<status>Active</status>', '<status>Active</status><status>Draft</status>', /status: more than once/],
  [checkReferences, CAMPAIGN, '<fields>Type<', '<fields>Typo<', /Campaign\.Typo is no field/],
  [checkReferences, CAMPAIGN, '<fullName>Touchpoint_Campaign<', '<fullName>Touchpoint_Campaigns<', /Campaign\.Touchpoint_Campaign is no outbound message/],
  [checkReferences, MEMBER_FLOW, '<targetReference>Send<', '<targetReference>Sent<', /leads to Sent/],
  [checkReferences, MEMBER_FLOW, '$Record.Status', '$Record.State', /CampaignMember\.State is no field/],
  [checkReferences, BULK_FLOW, 'Each_Member.Buyer_Touchpoint_Date__c', 'Each_Member.Buyer_Date__c', /CampaignMember has no such field/],
  [checkReferences, BULK_FLOW, '<outputReference>Slice<', '<outputReference>Slices<', /Slices is no name/],
  [checkReferences, INTEGRATION, 'Buyer_Touchpoint__c.Rule__c', 'Buyer_Touchpoint__c.Rules__c', /Buyer_Touchpoint__c\.Rules__c is no field/],
  [checkReferences, HANDLER, 'TouchpointDeletionJob(', 'TouchpointDeletionsJob(', /TouchpointDeletionsJob is no class/],
  [checkReferences, HANDLER, 'Campaign_Id__c =', 'Campaign__Id__c =', /Campaign__Id__c is no custom object or field/],
  [checkApex, HANDLER, 'write(records);', 'write(records;', /TouchpointDeletions\.cls:\d+/],
  [checkApex, HANDLER, 'Integer room', 'Integer join', /"join" is a reserved word/],
  [checkNames, KEY, '<fullName>Campaign_Member_Id__c', '<fullName>Member_Id__c', /of the preset is not shipped/],
  [checkFields, KEY, '<caseSensitive>true', '<caseSensitive>false', /the key/],
  [checkWsdls, CAMPAIGN, '<fields>Type</fields>', '', /campaign\.wsdl/],
  [checkConditions, MEMBER_FLOW, '$Record.Status}', '$Record.Touchpoint_Status__c}', /written back/],
  [checkConditions, MEMBER_FLOW, /<filterFormula>.*<\/filterFormula>/, '', /runs on every update/],
  [checkPermissions, INTEGRATION, '<name>ApiEnabled', '<name>EnableNotifications', /sent back/],
  [checkPermissions, INTEGRATION, '<name>ViewRoles', '<name>RunFlow', /ViewSetup needs ViewRoles/],
  [checkReplacements, CAMPAIGN, 'touchpoints.example.com', 'other.example.com', /nothing replaces https:\/\/other/],
];
test('each check finds what it is there for', () => {
  for (const [check, file, from, to, want] of MISTAKES) {
    const files = FILES.map((f) => (f.name === file ? { ...f, text: f.text.replace(from, to) } : f));
    assert.notDeepEqual(files, FILES, `${from} is not in ${file}`);
    assert.match(check(parse(files)).join('\n'), want, `${check.name}, ${from}`);
  }
});

let failed = 0;
for (const { name, body } of tests) {
  try {
    await body();
    console.log(`ok      ${name}`);
  } catch (error) {
    failed++;
    console.log(`FAILED  ${name}\n${error.stack}`);
  }
}
console.log(`${tests.length - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
