// The sf CLI, offline, in a copy of the project that a test may spoil.
import { spawnSync } from 'child_process';
import fs from 'fs';
import os from 'os';
import path from 'path';

export const DEPLOY = path.join(process.env.TP_SOURCE, 'deploy');
export const FOLDER = path.join(DEPLOY, 'salesforce');
export const CERTIFICATE = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----';

const CLI = path.join(import.meta.dirname, 'node_modules', '@salesforce', 'cli', 'bin', 'run.js');
const NOWHERE = 'http://127.0.0.1:9'; // discard: whoever asks the network all the same, fails at once

/** Files below the folder, names relative to it. */
export const filesOf = (folder) =>
  fs.readdirSync(folder, { withFileTypes: true, recursive: true }).filter((e) => e.isFile()).map((e) => path.relative(folder, path.join(e.parentPath, e.name)));

/** { status, answer: the JSON that it prints, or null, text: stdout and stderr } */
export function sf(folder, args, env) {
  const done = spawnSync(process.execPath, [CLI, ...args, '--json'], {
    cwd: folder,
    encoding: 'utf8',
    maxBuffer: 64 << 20,
    timeout: 120000,
    env: {
      PATH: process.env.PATH, HOME: folder, TMPDIR: folder, HTTP_PROXY: NOWHERE, HTTPS_PROXY: NOWHERE,
      SF_DISABLE_TELEMETRY: 'true', SF_DISABLE_AUTOUPDATE: 'true', SF_SKIP_NEW_VERSION_CHECK: 'true', SF_DISABLE_LOG_FILE: 'true',
      ...env,
    },
  });
  let answer = null;
  try {
    answer = JSON.parse(done.stdout);
  } catch {
    // its text says why
  }
  return { status: done.status, answer, text: `${done.stdout}${done.stderr}` };
}

/** Calls with a copy of the project, where the guide's steps put the certificate. */
export function inCopy(body) {
  const work = fs.mkdtempSync(path.join(os.tmpdir(), 'touchpointd-sf-'));
  try {
    fs.cpSync(FOLDER, work, { recursive: true });
    fs.writeFileSync(path.join(work, 'org.crt'), `${CERTIFICATE}\n`);
    return body(work);
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
}

/** Converts a package directory: what sf says, and files: name -> text of what it made. */
export function convert(work, directory, env) {
  const out = path.join(work, 'out');
  const said = sf(work, ['project', 'convert', 'source', '--source-dir', directory, '--output-dir', out], { SF_APPLY_REPLACEMENTS_ON_CONVERT: 'true', ...env }); // as a deployment does anyway
  const files = said.status === 0 ? Object.fromEntries(filesOf(out).map((f) => [f, fs.readFileSync(path.join(out, f), 'utf8')])) : {};
  return { ...said, files };
}
