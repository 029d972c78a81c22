"""One random history: campaigns, people and members, and what an admin does to them, all from one seed.

What a history does depends on its seed alone, never on what the daemon has done by then; only whether the org
accepts a change may (a record can be gone already). So a seed means the same history in any world.
"""
import random

SYNC = "Enable_Buyer_Touchpoints__c"
SETTINGS = ("Include all Campaign Members", 'Include only "Responded" Campaign Members', "Exclude all Campaign Members", None)
LIKELY = SETTINGS[:2] * 3 + SETTINGS
TYPES = ("Trade Show", "Webinar Spring", "Online Ads", "Conference", "trade show", "Unmapped", None)
NAMES = ("Expo", "Café — Zürich", "展示会", "A & B <c> \"d\" 'e'", "x" * 80)
# around midnight and the changes of the clock in Europe/Berlin, where the org is
MOMENTS = ("2026-01-09T22:59:59Z", "2026-01-09T23:00:00Z", "2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z", "2026-10-25T00:30:00Z",
           "2026-10-25T01:30:00Z", "2026-02-14T10:00:00Z")
DAYS = ("2026-01-09", "2026-01-10", "2026-03-29", "2026-10-25", "2027-06-01", None, None)
EMAILS = (None, "   ", "a@x.example", "A@X.example", " b@x.example ", "c@x.example")


class History:
    """build() makes its records, step() carries out one change, as long as left() says so."""

    def __init__(self, seed, silent):
        self.seed, self.silent = seed, silent
        self.dice = random.Random(seed)
        self.steps = self.dice.randint(8, 24)
        self.campaigns, self.members, self.leads, self.contacts = [], [], [], []
        self.mine = set()  # every id that was ever ours: whose difference is it?
        self.unkeyed = {}  # touchpoints made by hand, never to be touched
        self.trace = []

    def left(self):
        return self.steps > 0

    # ---------------------------------------------------------------- making records

    def made(self, kind, ids):
        {"Campaign": self.campaigns, "CampaignMember": self.members, "Lead": self.leads, "Contact": self.contacts}[kind].extend(ids)
        self.mine.update(ids)
        return ids

    def build(self, org):
        dice = self.dice
        self.made("Lead", org.create("Lead", *(
            {"LastName": f"L{i}", "Company": "c", "Email": dice.choice((f"l{i}@x.example", *EMAILS))} for i in range(dice.randint(2, 4)))))
        self.made("Contact", org.create("Contact", *(
            {"LastName": f"C{i}", "Email": dice.choice((f"c{i}@x.example", *EMAILS))} for i in range(dice.randint(2, 4)))))
        self.made("Campaign", org.create("Campaign", *(
            {"Name": dice.choice(NAMES), "Type": dice.choice(TYPES), SYNC: dice.choice(LIKELY)} for _ in range(dice.randint(1, 3)))))
        people = [("LeadId", x) for x in self.leads] + [("ContactId", x) for x in self.contacts]
        rows = [{"CampaignId": campaign, field: person, "CreatedDate": dice.choice(MOMENTS)}
                for campaign in self.campaigns for field, person in people if dice.random() < 0.8]
        if rows:
            self.made("CampaignMember", org.create("CampaignMember", *rows))

    # ---------------------------------------------------------------- changes

    def step(self, org):
        """One change. A refusal by the org is part of the history; no die is thrown after one could have come."""
        self.steps -= 1
        names = [name for name, weight in CHANGES.items() for _ in range(weight)]
        if self.silent:
            names += [name for name, weight in SILENT.items() for _ in range(weight)]
        name = self.dice.choice(names)
        change = getattr(self, name)()
        if change is None:
            return
        what, act = change
        try:
            act(org)
        except AssertionError as refusal:
            what += f" (refused: {str(refusal)[:120]})"
        self.trace.append(what)

    def any(self, ids):
        return self.dice.choice(ids) if ids else None

    def update(self, kind, ids, **fields):
        record = self.any(ids)
        if record is None:
            return None
        return f"update {kind} {record} {fields}", lambda org: org.update(kind, {"Id": record, **fields})

    def setting(self):
        return self.update("Campaign", self.campaigns, **{SYNC: self.dice.choice(LIKELY)})

    def rename(self):
        return self.update("Campaign", self.campaigns, Name=self.dice.choice(NAMES))

    def retype(self):
        return self.update("Campaign", self.campaigns, Type=self.dice.choice(TYPES))

    def window(self):
        field = self.dice.choice(("Touchpoint_Start_Date__c", "Touchpoint_End_Date__c"))
        return self.update("Campaign", self.campaigns, **{field: self.dice.choice(DAYS)})

    def status(self):
        return self.update("CampaignMember", self.members, Status=self.dice.choice(("Sent", "Responded")))

    def date(self):
        return self.update("CampaignMember", self.members, Buyer_Touchpoint_Date__c=self.dice.choice((*MOMENTS, None, None)))

    def lead_email(self):
        return self.update("Lead", self.leads, Email=self.dice.choice(EMAILS))

    def contact_email(self):
        return self.update("Contact", self.contacts, Email=self.dice.choice(EMAILS))

    def join(self):
        """A person joins a campaign; refused where it is a member already."""
        campaign = self.any(self.campaigns)
        field = self.dice.choice(("LeadId", "ContactId"))
        person = self.any(self.leads if field == "LeadId" else self.contacts)
        row = {"CampaignId": campaign, field: person, "CreatedDate": self.dice.choice(MOMENTS)}
        if not campaign or not person:
            return None
        return f"create CampaignMember {row}", lambda org: self.made("CampaignMember", org.create("CampaignMember", row))

    def several(self):
        """One message about several members: an import."""
        ids = self.dice.sample(self.members, min(3, len(self.members)))
        value = self.dice.choice(("Sent", "Responded"))
        if not ids:
            return None
        return f"import {ids} {value}", lambda org: org.update("CampaignMember", *({"Id": x, "Status": value} for x in ids))

    def convert(self):
        lead, contact = self.any(self.leads), self.dice.choice((None, self.any(self.contacts)))
        if not lead:
            return None
        body = {"lead": lead} | ({"contact": contact} if contact else {})

        def act(org):
            self.leads.remove(lead)
            made = org.call("POST", "/sim/convert", body)["contact"]
            if made not in self.contacts:
                self.made("Contact", [made])
        return f"convert {body}", act

    def merge(self):
        kind = self.dice.choice(("Lead", "Contact"))
        ids = self.leads if kind == "Lead" else self.contacts
        if len(ids) < 2:
            return None
        winner, loser = self.dice.sample(ids, 2)

        def act(org):
            ids.remove(loser)
            org.call("POST", "/sim/merge", {"object": kind, "winner": winner, "loser": loser})
        return f"merge {kind} {loser} into {winner}", act

    def remove(self, kind, ids, keep):
        if len(ids) <= keep:
            return None
        record = self.any(ids)

        def act(org):
            ids.remove(record)
            org.delete(kind, record)
        return f"delete {kind} {record}", act

    def remove_member(self):
        return self.remove("CampaignMember", self.members, 1)

    def remove_lead(self):
        return self.remove("Lead", self.leads, 1)

    def remove_contact(self):
        return self.remove("Contact", self.contacts, 1)

    def remove_campaign(self):
        return self.remove("Campaign", self.campaigns, 1)

    # ---------------------------------------------------------------- by hand, at the touchpoints; nothing tells of it

    def by_hand(self, what, act):
        member = self.any(self.members)
        if member is None:
            return None

        def on_record(org):
            for record in org.records("Buyer_Touchpoint__c", f"Campaign_Member_Id__c = '{member}'"):
                act(org, record)
        return f"by hand: {what} {member}", on_record

    def hand_delete(self):
        return self.by_hand("delete", lambda org, r: org.delete("Buyer_Touchpoint__c", r["Id"]))

    def hand_edit(self):
        fields = self.dice.choice(({"Channel__c": "By hand"}, {"Email__c": None}, {"Touchpoint_Date__c": "2020-02-02T02:02:02Z"},
                                   {"Subchannel__c": "x", "Channel_Path__c": None}, {"Ad_Campaign_Name__c": "other"}, {"Rule__c": None}))
        return self.by_hand(f"{fields}", lambda org, r: org.update("Buyer_Touchpoint__c", {"Id": r["Id"], **fields}))

    def hand_move(self):
        campaign = self.any(self.campaigns)
        fields = {"Campaign__c": campaign, "Ad_Campaign_Id__c": campaign}
        return self.by_hand(f"{fields}", lambda org, r: org.update("Buyer_Touchpoint__c", {"Id": r["Id"], **fields}))

    def hand_made(self):
        campaign = self.any(self.campaigns)
        if not campaign:
            return None
        row = {"Campaign__c": campaign, "Ad_Campaign_Id__c": campaign, "Email__c": "hand@made.example"}

        def act(org):
            self.unkeyed[org.create("Buyer_Touchpoint__c", row)[0]] = row
        return f"by hand: create {row}", act


# What an admin does, and how often against the others. All of it is heard of: by a message, or by a helper record.
CHANGES = {"setting": 5, "rename": 1, "retype": 2, "window": 3, "status": 4, "date": 3, "lead_email": 3, "contact_email": 3, "join": 3,
           "several": 2, "convert": 2, "remove_member": 2, "remove_lead": 1, "remove_contact": 1, "remove_campaign": 1}
# What no message tells of: only the reconcile finds it.
SILENT = {"merge": 2, "hand_delete": 2, "hand_edit": 2, "hand_move": 1, "hand_made": 1}
