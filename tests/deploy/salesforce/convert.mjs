// The library that the sf CLI converts and deploys with makes the package of it, replacements included. (The CLI itself wants a newer
// Node than Debian's, and 290 MB.)
import fs from 'fs';
import os from 'os';
import path from 'path';
import { ComponentSet, MetadataConverter } from '@salesforce/source-deploy-retrieve';
import { FOLDER } from './project.mjs';

export const VALUES = { TOUCHPOINTD_ENDPOINT: 'https://hook.test/salesforce/outbound', TOUCHPOINTD_USER: 'touchpointd@org.test', TOUCHPOINTD_CONTACT: 'admin@org.test' };
export const CERTIFICATE = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----';

const read = (folder) => fs.readdirSync(folder, { withFileTypes: true, recursive: true }).filter((e) => e.isFile()).map((e) => path.join(e.parentPath ?? e.path, e.name));

/** Converts one package directory in a copy of the project: { components, text: name -> text } */
export async function convert(directory) {
  const work = fs.mkdtempSync(path.join(os.tmpdir(), 'metadata-'));
  const back = process.cwd();
  try {
    fs.cpSync(FOLDER, work, { recursive: true });
    fs.writeFileSync(path.join(work, 'org.crt'), `${CERTIFICATE}\n`);
    process.chdir(work);
    Object.assign(process.env, VALUES, { SF_APPLY_REPLACEMENTS_ON_CONVERT: 'true' }); // as a deployment does anyway
    const set = ComponentSet.fromSource(path.join(work, directory));
    set.projectDirectory = work;
    const { packagePath } = await new MetadataConverter().convert(set, 'metadata', { type: 'directory', outputDirectory: path.join(work, 'out') });
    const text = Object.fromEntries(read(packagePath).map((f) => [path.relative(packagePath, f), fs.readFileSync(f, 'utf8')]));
    return { components: set.getSourceComponents().toArray().map((c) => `${c.type.name}:${c.fullName}`), text };
  } finally {
    process.chdir(back);
    fs.rmSync(work, { recursive: true, force: true });
  }
}
