"""What the org's touchpoints must be: an independent reading of the rules, over the org's own records.

Written from the rules' text and apart from receiver/rules; the system tests compare the org with it.
"""
import fnmatch
import re
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

ALL = "include all campaign members"
RESPONDED = ('include only "responded" campaign members', 'include "responded" campaign members')
EXCLUDE = "exclude all campaign members"


def parse(text):
    """A date-time as the org writes it, in UTC."""
    text = re.sub(r"\.\d+", "", text).replace("Z", "+00:00")
    text = re.sub(r"([+-]\d\d)(\d\d)$", r"\1:\2", text)
    return datetime.fromisoformat(text).astimezone(timezone.utc)


def midnight(day, zone):
    """First instant of the day in the zone (the gap's end where midnight does not exist)."""
    naive = datetime(day.year, day.month, day.day, tzinfo=zone)
    at = naive.astimezone(timezone.utc)
    while at.astimezone(zone).date() < day:
        at += timedelta(minutes=15)
    return at


def matches(pattern, text):
    escaped = re.sub(r"([\[?])", r"[\1]", pattern.casefold())
    return fnmatch.fnmatchcase((text or "").casefold(), escaped)


def channel_of(channels, default, kind, status):
    for row in channels:
        if kind and matches(row["type"], kind) and ("status" not in row or matches(row["status"], status)):
            return row["channel"], row.get("subchannel")
    return default, None


class Oracle:
    def __init__(self, channels, zone="Europe/Berlin", default_channel="Other", end="exclusive",
                 window="touchpoint_date", dedupe="none"):
        self.channels, self.zone, self.default_channel = channels, ZoneInfo(zone), default_channel
        self.end, self.window, self.dedupe = end, window, dedupe

    def person(self, member, leads, contacts):
        """(lookup field, id, email)"""
        contact = member.get("ContactId")
        lead = leads.get(member.get("LeadId"))
        if not contact and lead and lead.get("IsConverted"):
            contact = lead.get("ConvertedContactId")
        if contact:
            return "Contact__c", contact, (contacts.get(contact) or {}).get("Email")
        if lead:
            return "Lead__c", lead["Id"], lead.get("Email")
        return None, None, None

    def when(self, member, responded_only):
        if member.get("Buyer_Touchpoint_Date__c"):
            return parse(member["Buyer_Touchpoint_Date__c"])
        if responded_only and member.get("FirstRespondedDate"):
            return midnight(date.fromisoformat(member["FirstRespondedDate"]), self.zone)
        return parse(member["CreatedDate"])

    def inside(self, campaign, member, at):
        seen = at if self.window == "touchpoint_date" else parse(member["CreatedDate"])
        day = seen.astimezone(self.zone).date()
        start, end = campaign.get("Touchpoint_Start_Date__c"), campaign.get("Touchpoint_End_Date__c")
        if start and day < date.fromisoformat(start):
            return False
        if end and (day > date.fromisoformat(end) or (self.end == "exclusive" and day == date.fromisoformat(end))):
            return False
        return True

    def touchpoint(self, campaign, member, leads, contacts):
        """The record that must exist, or None."""
        setting = (campaign.get("Enable_Buyer_Touchpoints__c") or "").strip().casefold()
        responded_only = setting in RESPONDED
        if setting != ALL and not responded_only:
            return None
        if responded_only and not member.get("HasResponded"):
            return None
        lookup, person, email = self.person(member, leads, contacts)
        email = (email or "").strip()
        if not lookup or not email:
            return None
        at = self.when(member, responded_only)
        if not self.inside(campaign, member, at):
            return None
        channel, sub = channel_of(self.channels, self.default_channel, campaign.get("Type"), member.get("Status"))
        return {
            "Campaign_Member_Id__c": member["Id"], "Campaign__c": campaign["Id"], "Lead__c": None, "Contact__c": None,
            lookup: person, "Email__c": email, "Touchpoint_Date__c": at, "Channel__c": channel,
            "Subchannel__c": sub, "Channel_Path__c": f"{channel}.{sub}" if sub else channel,
            "Medium__c": campaign.get("Type"), "Touchpoint_Source__c": "CRM Campaign", "Touchpoint_Type__c": "CRM",
            "Ad_Campaign_Id__c": campaign["Id"], "Ad_Campaign_Name__c": campaign["Name"],
            "Rule__c": "picklist:responded" if responded_only else "picklist:all",
        }

    def wanted(self, org, campaign_id=None):
        """All touchpoints that must exist in the org (or in one campaign), by key."""
        where = f"CampaignId = '{campaign_id}'" if campaign_id else None
        campaigns = {c["Id"]: c for c in org.records("Campaign", f"Id = '{campaign_id}'" if campaign_id else None)}
        leads = {x["Id"]: x for x in org.records("Lead")}
        contacts = {x["Id"]: x for x in org.records("Contact")}
        found = {}
        for member in org.records("CampaignMember", where):
            row = self.touchpoint(campaigns[member["CampaignId"]], member, leads, contacts)
            if row:
                found[member["Id"]] = row
        return self.without_duplicates(found) if self.dedupe == "email" else found

    @staticmethod
    def without_duplicates(found):
        best = {}
        for key, row in found.items():
            group = (row["Campaign__c"], row["Email__c"].casefold())
            rank = (row["Touchpoint_Date__c"], key)
            if group not in best or rank < best[group][0]:
                best[group] = (rank, key)
        keep = {key for _, key in best.values()}
        return {key: row for key, row in found.items() if key in keep}

    def differences(self, org, campaign_id=None):
        """Sentences, one for each touchpoint that is missing, too many, doubled or wrong; empty when all is well."""
        wanted, seen, wrong = self.wanted(org, campaign_id), {}, []
        for record in org.touchpoints(campaign_id):
            key = record.get("Campaign_Member_Id__c")
            if not key:
                continue
            if key in seen:
                wrong.append(f"two touchpoints for {key}")
            seen[key] = record
        for key, row in wanted.items():
            if key not in seen:
                wrong.append(f"missing: {key} {row['Email__c']}")
                continue
            for field, value in row.items():
                have = seen[key].get(field)
                if field == "Touchpoint_Date__c":
                    have = parse(have) if have else None
                if have != value:
                    wrong.append(f"{key}.{field} is {have!r}, must be {value!r}")
        wrong += [f"too many: {key}" for key in seen if key not in wanted]
        return wrong
