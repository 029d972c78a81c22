import assert from 'assert';
import fs from 'fs';
import path from 'path';
import { COMMANDS, problems, VARIABLES } from './guide.mjs';
import { CERTIFICATE, convert, filesOf, FOLDER, inCopy, sf } from './sf.mjs';

const DIRECTORIES = JSON.parse(fs.readFileSync(path.join(FOLDER, 'sfdx-project.json'), 'utf8')).packageDirectories.map((d) => d.path);
const VALUES = { TOUCHPOINTD_ENDPOINT: 'https://hook.test/salesforce/outbound', TOUCHPOINTD_USER: 'touchpointd@org.test', TOUCHPOINTD_CONTACT: 'admin@org.test' };
const tests = [];
const test = (name, body) => tests.push({ name, body });

/** A component by its file: { type, name, file of the package that has it, what that contains } */
function component(directory, file) {
  const text = fs.readFileSync(path.join(FOLDER, directory, file), 'utf8');
  const [, type] = text.match(/<(\w+) xmlns/);
  const base = path.basename(file, '-meta.xml'), own = base.slice(0, base.lastIndexOf('.'));
  const parent = file.match(/objects\/(\w+)\/\w+\//)?.[1]; // fields and list views are parts of their object's file
  return parent ? { type, name: `${parent}.${own}`, file: `${parent}.object`, has: `<fullName>${own}</fullName>` } : { type, name: own, file: base, has: '' };
}

function packaged(text) {
  return [...text.matchAll(/<types>([^]*?)<\/types>/g)].flatMap(([, block]) => {
    const [, type] = block.match(/<name>(\w+)</);
    return [...block.matchAll(/<members>([^<]+)</g)].map((m) => `${type}:${m[1]}`);
  });
}

test('the guide has one export what the project wants to know, and nothing else', () => assert.deepEqual(VARIABLES.sort(), Object.keys(VALUES).sort()));

for (const directory of DIRECTORIES) {
  test(`sf converts ${directory} to a package: each component, with the endpoint, the user and the certificate of the deployment`, () => {
    const { status, text, files } = inCopy((work) => convert(work, directory, VALUES));
    assert.equal(status, 0, text);
    const components = filesOf(path.join(FOLDER, directory)).filter((f) => f.endsWith('-meta.xml')).map((f) => component(directory, f));
    assert.ok(components.length > 0);
    const inside = packaged(files['package.xml']);
    for (const c of components) {
      assert.ok(inside.includes(`${c.type}:${c.name}`), `${c.type} ${c.name} is not in package.xml: ${inside.join(' ')}`);
      const made = Object.keys(files).find((f) => path.basename(f) === c.file);
      assert.ok(made && files[made].includes(c.has), `${c.type} ${c.name} is not in ${c.file}`);
    }
    assert.match(files['package.xml'], /<version>64.0<\/version>/);
    // Apex names example addresses of its own
    const all = Object.keys(files).filter((name) => !name.endsWith('.cls')).map((name) => files[name]).join('\n');
    assert.equal(all.match(/.*(example\.com|CERTIFICATE<).*/)?.[0], undefined);
    if (all.includes('<outboundMessages>')) assert.ok(all.includes(`<endpointUrl>${VALUES.TOUCHPOINTD_ENDPOINT}<`) && all.includes(`<integrationUser>${VALUES.TOUCHPOINTD_USER}<`));
    if (directory === 'external-client-app') assert.ok(all.includes(CERTIFICATE) && all.includes(VALUES.TOUCHPOINTD_CONTACT));
  });
}

// What stops sf, and what it says of it: so that a conversion that ends well means something.
const TAB = 'force-app/main/default/tabs/Buyer_Touchpoint__c.tab';
const { TOUCHPOINTD_USER: _, ...NO_USER } = VALUES;
const MISTAKES = [
  ['without a variable', 'force-app', () => {}, NO_USER, /TOUCHPOINTD_USER/],
  ['without the certificate', 'external-client-app', (work) => fs.rmSync(path.join(work, 'org.crt')), VALUES, /org\.crt/],
  ['a file of no type that Salesforce knows', 'force-app', (work) => fs.renameSync(path.join(work, `${TAB}-meta.xml`), path.join(work, `${TAB}s-meta.xml`)), VALUES, /Buyer_Touchpoint__c\.tabs/],
];
for (const [name, directory, spoil, env, want] of MISTAKES) {
  test(`sf refuses: ${name}`, () => {
    const { status, answer, text } = inCopy((work) => (spoil(work), convert(work, directory, env)));
    assert.notEqual(status, 0, text);
    assert.match(answer?.message ?? text, want);
  });
}

test('sf knows the commands of the guide, their flags and choices; what they name is in the project', () => {
  const { status, answer, text } = inCopy((work) => sf(work, ['commands'], {}));
  assert.equal(status, 0, text);
  assert.ok(COMMANDS.length >= 8, `${COMMANDS.length} commands`);
  for (const words of COMMANDS) assert.deepEqual(problems(words, answer), [], words.join(' '));
  for (const [command, want] of [
    ['project deploys start -o org', /no project:deploys:start/],
    ['project deploy start -o org --source force-app', /has no --source/],
    ['project deploy start -o org --source-dir force', /there is no force/],
    ['project deploy start --test-level RunSome', /RunSome is no choice/],
    ['org assign permset -n Touchpoint_Marketing -b x', /needs --target-org/],
  ]) assert.match(problems(command.split(' '), answer).join('\n'), want, command);
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
