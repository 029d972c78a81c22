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

    def outside(self, campaign, member, at):
        seen = at if self.window == "touchpoint_date" else parse(member["CreatedDate"])
        day = seen.astimezone(self.zone).date()
        start, end = campaign.get("Touchpoint_Start_Date__c"), campaign.get("Touchpoint_End_Date__c")
        if start and day < date.fromisoformat(start):
            return "the date is before the Touchpoint Start Date"
        if end and (day > date.fromisoformat(end) or (self.end == "exclusive" and day == date.fromisoformat(end))):
            return "the date is too late for the Touchpoint End Date"
        return None

    def verdict(self, campaign, member, leads, contacts):
        """Why the member has no touchpoint, in the words of the write-back; None: it has one."""
        setting = (campaign.get("Enable_Buyer_Touchpoints__c") or "").strip().casefold()
        responded_only = setting in RESPONDED
        if setting != ALL and not responded_only:
            return {
                "": "Enable Buyer Touchpoints is blank on the campaign",
                EXCLUDE: "the campaign excludes all its members",
            }.get(setting, "the value of Enable Buyer Touchpoints is not known")
        if responded_only and not member.get("HasResponded"):
            return "only responded members are included, and this one has not responded"
        lookup, _, email = self.person(member, leads, contacts)
        if not lookup:
            return "the member is an account, not a lead or contact"
        if not (email or "").strip():
            return "the person has no email address"
        return self.outside(campaign, member, self.when(member, responded_only))

    def touchpoint(self, campaign, member, leads, contacts):
        """The record that must exist, or None."""
        if self.verdict(campaign, member, leads, contacts):
            return None
        responded_only = campaign["Enable_Buyer_Touchpoints__c"].strip().casefold() in RESPONDED
        lookup, person, email = self.person(member, leads, contacts)
        email = email.strip()
        at = self.when(member, responded_only)
        channel, sub = channel_of(self.channels, self.default_channel, campaign.get("Type"), member.get("Status"))
        return {
            "Campaign_Member_Id__c": member["Id"], "Campaign__c": campaign["Id"], "Lead__c": None, "Contact__c": None,
            lookup: person, "Email__c": email, "Touchpoint_Date__c": at, "Channel__c": channel,
            "Subchannel__c": sub, "Channel_Path__c": f"{channel}.{sub}" if sub else channel,
            "Medium__c": campaign.get("Type"), "Touchpoint_Source__c": "CRM Campaign", "Touchpoint_Type__c": "CRM",
            "Ad_Campaign_Id__c": campaign["Id"], "Ad_Campaign_Name__c": campaign["Name"],
            "Rule__c": "picklist:responded" if responded_only else "picklist:all",
        }

    @staticmethod
    def members(org, campaign_id):
        """(campaign, member, all leads, all contacts) of each member of the org, or of one campaign."""
        where = f"CampaignId = '{campaign_id}'" if campaign_id else None
        campaigns = {c["Id"]: c for c in org.records("Campaign", f"Id = '{campaign_id}'" if campaign_id else None)}
        leads = {x["Id"]: x for x in org.records("Lead")}
        contacts = {x["Id"]: x for x in org.records("Contact")}
        return [(campaigns[m["CampaignId"]], m, leads, contacts) for m in org.records("CampaignMember", where)]

    def decided(self, members):
        found = {}
        for case in members:
            row = self.touchpoint(*case)
            if row:
                found[case[1]["Id"]] = row
        return self.without_duplicates(found) if self.dedupe == "email" else found

    def wanted(self, org, campaign_id=None):
        """All touchpoints that must exist in the org (or in one campaign), by key."""
        return self.decided(self.members(org, campaign_id))

    def status_differences(self, org, campaign_id):
        """Sentences, one for each member of the campaign whose written-back status is not what it must be."""
        members, wrong = self.members(org, campaign_id), []
        wanted = self.decided(members)
        for case in members:
            key, have = case[1]["Id"], case[1].get("Touchpoint_Status__c")
            why = self.verdict(*case) or "another member of the campaign with the same email has an earlier date"
            want = "Touchpoint Created" if key in wanted else f"No Touchpoint: {why}"
            if have != want:
                wrong.append(f"{key} is told {have!r}, must be {want!r}")
            if have and not case[1].get("Touchpoint_Status_Date__c"):
                wrong.append(f"{key} has a status without a date")
        return wrong

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
