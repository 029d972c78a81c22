// The admin API. Errors are Problem with the server's own sentence.
import { token, signIn, refuse } from './session.js';

export class Problem extends Error {
  constructor(status, title, detail) {
    super(detail || title);
    this.name = 'Problem';
    this.status = status;
    this.title = title;
  }
}

function query(params) {
  const pairs = Object.entries(params ?? {}).filter(([, v]) => v !== undefined && v !== null && v !== '');
  return pairs.length === 0 ? '' : `?${new URLSearchParams(pairs)}`;
}

async function problemOf(reply) {
  let body = {};
  try {
    body = await reply.json();
  } catch {
    // a proxy's page, or none: the status says what there is to say
  }
  return new Problem(reply.status, body.title ?? 'The request failed', body.detail ?? `The daemon answered ${reply.status} ${reply.statusText}.`);
}

async function call(method, path, body, signal) {
  for (;;) {
    if (!token()) await signIn();
    const used = token();
    let reply;
    try {
      reply = await fetch(`api/v1/${path}`, {
        method,
        signal,
        cache: 'no-store',
        credentials: 'omit',
        headers: { Authorization: `Bearer ${used}`, ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
    } catch (error) {
      if (error.name === 'AbortError') throw error;
      throw new Problem(0, 'No answer', 'The daemon does not answer. Is it running, and can this browser reach it?');
    }
    if (reply.status === 401) {
      refuse(used);
      continue;
    }
    if (!reply.ok) throw await problemOf(reply);
    return reply.json();
  }
}

export const get = (path, params, signal) => call('GET', path + query(params), undefined, signal);
export const post = (path, body, signal) => call('POST', path, body ?? {}, signal);

let known = null;
/** The orgs, as the last status told them: [{id, name, …}]. */
export async function orgs(signal) {
  known ??= (await get('status', {}, signal)).orgs ?? [];
  return known;
}
export function rememberOrgs(list) {
  known = list;
}
