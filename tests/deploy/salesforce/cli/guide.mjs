// What the guide tells an admin to type for sf.
import fs from 'fs';
import path from 'path';
import { DEPLOY, FOLDER, filesOf } from './sf.mjs';

const TEXT = fs.readFileSync(path.join(DEPLOY, 'README.md'), 'utf8');

/** The variables that it has one export. */
export const VARIABLES = [...TEXT.matchAll(/^ *export (\w+)=/gm)].map((m) => m[1]);

/** Its commands, as words. */
export const COMMANDS = [...TEXT.matchAll(/^ *sf (.*)$/gm)].map((m) => m[1].replace(/#.*/, '').trim().split(/\s+/));

// flag -> of what files in the project its value is the name
const NAMES = {
  'source-dir': () => JSON.parse(fs.readFileSync(path.join(FOLDER, 'sfdx-project.json'), 'utf8')).packageDirectories.map((d) => d.path),
  tests: () => namesOf('.cls'),
  name: () => namesOf('.permissionset-meta.xml'),
};
const namesOf = (end) => filesOf(FOLDER).filter((f) => f.endsWith(end)).map((f) => path.basename(f, end));

/** What is wrong with a command, given those that sf has. */
export function problems(words, known) {
  const first = words.findIndex((w) => w.startsWith('-'));
  const id = words.slice(0, first < 0 ? undefined : first).join(':');
  const command = known.find((c) => c.id === id);
  if (!command) return [`sf has no ${id}`];
  const flags = Object.entries(command.flags), found = [];
  for (let rest = words.slice(id.split(':').length); rest.length > 0; ) {
    const [word, value] = rest;
    const [name, flag] = flags.find(([n, f]) => word === `--${n}` || word === `-${f.char}`) ?? [];
    const takes = flag?.type === 'option';
    if (!flag) found.push(`${id} has no ${word}`);
    else if (takes && flag.options && !flag.options.includes(value)) found.push(`${id} ${word}: ${value} is no choice`);
    else if (takes && NAMES[name] && !NAMES[name]().includes(value)) found.push(`${id} ${word}: there is no ${value}`);
    rest = rest.slice(takes ? 2 : 1);
  }
  for (const [name, flag] of flags) if (flag.required && !words.some((w) => w === `--${name}` || w === `-${flag.char}`)) found.push(`${id} needs --${name}`);
  return found;
}
