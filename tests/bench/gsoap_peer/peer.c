/*
 * peer - an outbound-message receiver as one writes it with gSOAP: the yardstick of the bench
 *
 *     peer PORT CERTIFICATE_AND_KEY DATABASE THREADS
 *
 * Each thread accepts on the shared socket and serves one kept-alive connection at a time, so it
 * takes as many threads as there are connections. Ends on SIGTERM. What gSOAP would do by default
 * and what would make it slower than it need be is turned off: the limit of 100 calls a connection,
 * time-outs (each costs a poll before every read).
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "outboundH.h"

#include "Outbound.nsmap"

#include "store.h"

enum { THREADS_MAX = 1024, BACKLOG = 1024, NOTIFICATIONS_MAX = 100 };

static struct peer_store *store;

/* The operation that soapcpp2's code calls for each message. */
int om__notifications(struct soap *soap, char *OrganizationId, char *ActionId, char *SessionId,
                      char *EnterpriseUrl, char *PartnerUrl, int __sizeNotification,
                      struct om__CampaignMemberNotification *Notification,
                      struct om__notificationsResponse *response)
{
    (void)ActionId;
    (void)SessionId;
    (void)EnterpriseUrl;
    (void)PartnerUrl;
    struct peer_row rows[NOTIFICATIONS_MAX];
    if (OrganizationId == NULL || __sizeNotification < 1 || __sizeNotification > NOTIFICATIONS_MAX)
        return soap_sender_fault(soap, "not a message of 1 to 100 notifications", NULL);
    size_t count = (size_t)__sizeNotification;
    for (size_t i = 0; i < count; i++) {
        const struct om__CampaignMemberNotification *n = &Notification[i];
        if (n->Id == NULL || n->sObject == NULL || n->sObject->Id == NULL)
            return soap_sender_fault(soap, "a notification without its ids", NULL);
        rows[i] = (struct peer_row){n->Id, "CampaignMember", n->sObject->Id};
    }
    if (!peer_store_message(store, OrganizationId, rows, count))
        return soap_receiver_fault(soap, "not stored", NULL);
    response->Ack = true_;
    return SOAP_OK;
}

static void *serve(void *argument)
{
    struct soap *soap = argument;
    for (;;) {
        if (!soap_valid_socket(soap_accept(soap))) {
            soap_print_fault(soap, stderr);
            continue;
        }
        /* A peer that gives up during the handshake or closes is no news. */
        if (soap_ssl_accept(soap) == SOAP_OK)
            soap_serve(soap);
        soap_destroy(soap);
        soap_end(soap);
        soap_closesock(soap);
    }
    return NULL;
}

static struct soap *listen_on(int port, const char *pem)
{
    struct soap *soap = soap_new2(SOAP_IO_KEEPALIVE | SOAP_C_UTFSTRING, SOAP_IO_KEEPALIVE);
    soap->max_keep_alive = 0;
    soap->bind_flags = SO_REUSEADDR;
    if (soap_ssl_server_context(soap, SOAP_TLSv1_2 | SOAP_TLSv1_3, pem, NULL, NULL, NULL, NULL,
                                NULL, "outbound") != SOAP_OK ||
        !soap_valid_socket(soap_bind(soap, "127.0.0.1", port, BACKLOG))) {
        soap_print_fault(soap, stderr);
        return NULL;
    }
    return soap;
}

static void block_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    pthread_sigmask(SIG_BLOCK, set, NULL); /* inherited by the threads */
    signal(SIGPIPE, SIG_IGN);
}

int main(int argc, char **argv)
{
    int threads = argc == 5 ? (int)strtol(argv[4], NULL, 10) : 0;
    if (threads < 1 || threads > THREADS_MAX) {
        fprintf(stderr, "usage: %s PORT CERTIFICATE_AND_KEY DATABASE THREADS\n", argv[0]);
        return 2;
    }
    sigset_t set;
    block_signals(&set);
    soap_ssl_init();
    store = peer_store_open(argv[3]);
    struct soap *master = listen_on((int)strtol(argv[1], NULL, 10), argv[2]);
    if (store == NULL || master == NULL)
        return 1;
    for (int i = 0; i < threads; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, serve, soap_copy(master)) != 0) {
            fprintf(stderr, "can't start thread %d of %d\n", i + 1, threads);
            return 1;
        }
        pthread_detach(thread);
    }
    int signal_number;
    sigwait(&set, &signal_number);
    peer_store_close(&store);
    _exit(0); /* the threads wait in accept or for a client */
}
