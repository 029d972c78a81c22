// What the API's words mean to people. A word that is not here is shown as it is.

const STATES = {
  ready: 'Waiting',
  leased: 'In work',
  done: 'Done',
  failed: 'Failed',
};

const JOB_STATES = {
  queued: 'Waiting to start',
  running: 'Running',
  done: 'Done',
  cancelled: 'Cancelled',
  failed: 'Failed',
  held: 'Waiting for your approval',
  approved: 'Approved',
};

const JOB_KINDS = {
  replay: 'Replay of messages',
  discard: 'Discard of messages',
  reconcile: 'Reconcile',
  dates: 'Touchpoint dates',
  undo: 'Undo',
  held_deletions: 'Held deletions',
};

const SETTINGS = {
  all: 'Include all members',
  responded: 'Include only responded members',
  exclude: 'Exclude all members',
  blank: 'Not enabled (blank)',
};

const ACTIONS = {
  get: 'Gets a touchpoint',
  keep: 'Keeps its touchpoint',
  change: 'Its touchpoint changes',
  lose: 'Loses its touchpoint',
  none: 'Has no touchpoint',
  create: 'A touchpoint will be created',
  update: 'The touchpoint will be updated',
  delete: 'The touchpoint will be deleted',
  created: 'Created',
  updated: 'Updated',
  deleted: 'Deleted',
};

const KINDS = {
  campaign: 'A campaign changed',
  member: 'A campaign member changed',
  deletion: 'A campaign member was deleted',
  campaign_gone: 'A campaign was deleted',
  lead: 'A lead changed',
  contact: 'A contact changed',
  account: 'A person account changed',
  helper: 'Something was deleted',
  gap: 'A record vanished',
  echo: 'A second look after an uncertain write',
  ignored: 'Nothing to do with campaigns',
  reconcile: 'Reconcile',
  job: 'Part of a job',
};

const CODES = {
  FIELD_CUSTOM_VALIDATION_EXCEPTION: 'A validation rule of the org refused the record',
  REQUIRED_FIELD_MISSING: 'The org wants a field that touchpoints don’t have',
  STRING_TOO_LONG: 'A text is longer than the org’s field',
  INSUFFICIENT_ACCESS_OR_READONLY: 'The integration user may not write here',
  INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY: 'The integration user may not see a related record',
  INVALID_FIELD_FOR_INSERT_UPDATE: 'The integration user may not write a field',
  CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY: 'A trigger or flow of the org failed',
  DUPLICATES_DETECTED: 'A duplicate rule of the org refused the record',
  DUPLICATE_VALUE: 'Another record has the same key',
  UNABLE_TO_LOCK_ROW: 'Somebody else held the record for too long',
  ENTITY_IS_DELETED: 'The record was deleted meanwhile',
  INVALID_CROSS_REFERENCE_KEY: 'A related record does not exist any more',
  REQUEST_LIMIT_EXCEEDED: 'The org’s API calls of the day are used up',
  STORAGE_LIMIT_EXCEEDED: 'The org’s storage is full',
  poison: 'The work on it never came to an end',
  failed_rows: 'Some rows of the campaign were refused',
  api_budget: 'Waits for API calls',
  discarded: 'Discarded by an admin',
};

const REASONS = {
  '': 'has a touchpoint',
  none: 'has a touchpoint',
  member_deleted: 'the member was deleted',
  campaign_deleted: 'the campaign was deleted',
  rule_excluded: 'a custom rule excludes the member',
  not_responded: 'has not responded',
  campaign_excluded: 'the campaign excludes all members',
  campaign_not_enabled: 'touchpoints are not enabled on the campaign',
  unknown_sync_type: 'the campaign’s setting is not known',
  no_email: 'has no email address',
  not_a_person: 'is an account, not a person',
  no_date: 'has no date that the rule names',
  before_start_date: 'is dated before the start date',
  after_end_date: 'is dated too late for the end date',
  duplicate_email: 'shares its email with an earlier member',
};

const VALUES = {
  key: 'Campaign member',
  campaign: 'Campaign',
  lead: 'Lead',
  contact: 'Contact',
  email: 'Email',
  date: 'Touchpoint date',
  channel: 'Channel',
  subchannel: 'Subchannel',
  channel_path: 'Channel path',
  medium: 'Medium',
  source: 'Source',
  type: 'Type',
  ad_campaign_id: 'Ad campaign id',
  ad_campaign_name: 'Ad campaign name',
  rule: 'Decided by',
};

/** The picklist's text, as it stands in the org, to the API's word; null: a text that is not known. */
export function settingKey(text) {
  const plain = (text ?? '').trim().toLowerCase();
  if (plain in SETTINGS) return plain;
  if (plain === '') return 'blank';
  if (plain === 'include all campaign members') return 'all';
  if (plain === 'include only "responded" campaign members' || plain === 'include "responded" campaign members') return 'responded';
  return plain === 'exclude all campaign members' ? 'exclude' : null;
}

const lookUp = (table) => (word) => table[word] ?? word ?? '';

export const stateWord = lookUp(STATES);
export const jobStateWord = lookUp(JOB_STATES);
export const jobKindWord = lookUp(JOB_KINDS);
export const settingWord = (text) => SETTINGS[settingKey(text)] ?? text;
export const actionWord = lookUp(ACTIONS);
export const kindWord = lookUp(KINDS);
export const reasonWord = (code) => REASONS[code] ?? code ?? '';
export const codeWord = lookUp(CODES);
export const valueWord = lookUp(VALUES);
export const jobKinds = Object.entries(JOB_KINDS);
export const jobStates = Object.entries(JOB_STATES);
export const messageStates = Object.entries(STATES);
export const settings = Object.entries(SETTINGS);
export const hasWordFor = (code) => code in CODES;

const TONES = {
  failed: 'bad', held: 'warn', cancelled: 'quiet', done: 'good', approved: 'good', running: 'busy', leased: 'busy',
  ready: 'quiet', queued: 'quiet', ok: 'good', degraded: 'warn', unavailable: 'bad',
  get: 'good', created: 'good', create: 'good', keep: 'quiet', change: 'busy', updated: 'busy', update: 'busy',
  lose: 'bad', deleted: 'bad', delete: 'bad', none: 'quiet', pass: 'good', stop: 'bad', skipped: 'quiet',
};
/** The colour of a word: good, warn, bad, busy, quiet. Never its only sign. */
export const tone = (word) => TONES[word] ?? 'quiet';

/** "Triggered by" in words: cause is of the ledger. */
export function causeWord(cause) {
  const [head, job] = String(cause ?? '').split(':');
  const words = {
    replay: `replay by job ${job}`, dates: `dates of job ${job}`, undo: `undo of job ${job}`,
    echo: 'a second look after an uncertain write', reconcile: 'the reconcile', hint: 'a follow-up', '': 'unknown',
  };
  return words[head] ?? `message ${cause}`;
}
