// The simulated org's control routes.
const ORG = process.env.ORG;

async function call(method, path, body) {
  const reply = await fetch(ORG + path, { method, headers: { 'Content-Type': 'application/json' }, body: body && JSON.stringify(body) });
  const text = await reply.text();
  if (!reply.ok) throw new Error(`${method} ${path}: ${reply.status} ${text.slice(0, 300)}`);
  return text ? JSON.parse(text) : null;
}

export const create = async (object, ...records) => (await call('POST', '/sim/records', { object, records })).ids;
export const update = (object, ...records) => call('PATCH', '/sim/records', { object, records });
export const records = async (object, where) => (await call('GET', `/sim/records?${new URLSearchParams(where ? { object, where } : { object })}`)).records;
export const touchpoints = async (id) => (await call('GET', `/sim/touchpoints?campaign=${id}`)).records;
export const refuse = (row, statusCode, message) => call('POST', '/sim/faults', { match: { operation: 'collections_upsert', count: -1, row }, kind: 'row_error', value: { statusCode, message, fields: [] } });
export const heal = () => call('DELETE', '/sim/faults');
export const ALL = 'Include all Campaign Members';

/** A campaign with members, one of them without an email: {campaign, members}. */
export async function campaign(name, size, fields = {}) {
  const [id] = await create('Campaign', { Name: name, Type: 'Trade Show', ...fields });
  const leads = await create('Lead', ...Array.from({ length: size }, (_, i) => ({
    LastName: `${name} ${i}`, Company: 'Example', Email: i === 0 && size > 1 ? null : `${name.replace(/\W+/g, '-').toLowerCase()}-${i}@example.com`,
  })));
  const members = await create('CampaignMember', ...leads.map((lead) => ({ CampaignId: id, LeadId: lead, Status: 'Sent' })));
  return { campaign: id, members };
}

export async function until(what, probe, limitMs = 30000) {
  const end = Date.now() + limitMs;
  for (;;) {
    const value = await probe();
    if (value) return value;
    if (Date.now() > end) throw new Error(`timed out waiting for ${what}`);
    await new Promise((resolve) => { setTimeout(resolve, 50); });
  }
}

/** A campaign of so many members that each get a touchpoint, made without messages. */
export async function load(members) {
  const { campaigns: [id] } = await call('POST', '/sim/load', { campaigns: 1, members, emails: 1, sync_type: ALL, type: 'Trade Show' });
  await update('Campaign', { Id: id, Touchpoint_Start_Date__c: '2000-01-01' });
  await until('its touchpoints', async () => (await touchpoints(id)).length === members);
  return id;
}
export const permit = (what) => call('POST', '/sim/permissions', what);
