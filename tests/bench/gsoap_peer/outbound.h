// clang-format off
// The outbound-message service as soapcpp2 wants it described: the WSDL that Salesforce makes for a
// message about CampaignMember, with the elements that the peer stores; gSOAP skips the others.
// bench.sh generates outboundH.h, outboundC.c and so on from it into build/bench/.

//gsoap om service name: Outbound
//gsoap om service namespace: http://soap.sforce.com/2005/09/outbound
//gsoap om schema namespace: http://soap.sforce.com/2005/09/outbound
//gsoap om schema form: qualified
//gsoap om service style: document
//gsoap om service encoding: literal
//gsoap sf schema namespace: urn:sobject.enterprise.soap.sforce.com
//gsoap sf schema form: qualified

enum xsd__boolean { false_, true_ };

struct sf__CampaignMember {
    char *Id;
    char *CampaignId;
};

struct om__CampaignMemberNotification {
    char *Id;
    struct sf__CampaignMember *sObject;
};

struct om__notificationsResponse {
    enum xsd__boolean Ack;
};

int om__notifications(char *OrganizationId, char *ActionId, char *SessionId, char *EnterpriseUrl, char *PartnerUrl,
                      int __sizeNotification, struct om__CampaignMemberNotification *Notification,
                      struct om__notificationsResponse *response);
