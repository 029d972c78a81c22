/* A thread takes a job, posts it and looks at the answer; only a valid Ack in a 200 counts. */
#include "outbound_send.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"
#include "soap.h"

enum { REPLY_MAX = 1 << 20, TIMEOUT_MS = 60000 };

struct senders {
    const struct sim_options *options;
    pthread_t *threads;
    size_t thread_count;
    int notify_fd;
    atomic_bool stopping;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t work;
    struct sender_job *todo, **todo_end, *done;
};

void sender_job_free(struct sender_job *job)
{
    free(job->url);
    buf_release(&job->body);
    free(job);
}

static size_t take_reply(char *bytes, size_t size, size_t n, void *arg)
{
    buf_put(arg, bytes, size * n);
    return size * n;
}

static int still_wanted(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void)a, (void)b, (void)c, (void)d;
    struct senders *s = arg;
    return atomic_load(&s->stopping) ? 1 : 0;
}

static void set_tls(CURL *curl, const struct sim_options *o)
{
    if (o->outbound_ca != NULL)
        curl_easy_setopt(curl, CURLOPT_CAINFO, o->outbound_ca);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (o->outbound_cert != NULL) {
        curl_easy_setopt(curl, CURLOPT_SSLCERT, o->outbound_cert);
        curl_easy_setopt(curl, CURLOPT_SSLKEY, o->outbound_key);
    }
}

static struct curl_slist *set_request(CURL *curl)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: text/xml; charset=UTF-8");
    headers = curl_slist_append(headers, "SOAPAction: \"\"");
    headers = curl_slist_append(headers, "Expect:");
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)TIMEOUT_MS);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "orgsim");
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_reply);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, still_wanted);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    return headers;
}

static void post(CURL *curl, struct sender_job *job)
{
    struct buf reply;
    char problem[CURL_ERROR_SIZE] = "";
    long status = 0;
    buf_init(&reply, REPLY_MAX);
    curl_easy_setopt(curl, CURLOPT_URL, job->url);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, job->body.data);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)job->body.len);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &reply);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, problem);
    curl_easy_setopt(curl, CURLOPT_MAX_SEND_SPEED_LARGE, (curl_off_t)job->bytes_per_second);
    CURLcode rc = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
    if (rc != CURLE_OK)
        snprintf(job->why, sizeof job->why, "%.150s",
                 problem[0] != '\0' ? problem : curl_easy_strerror(rc));
    else if (status != 200)
        snprintf(job->why, sizeof job->why, "HTTP %ld", status);
    else if (!soap_is_ack_true(reply.data, reply.len))
        snprintf(job->why, sizeof job->why, "the answer holds no Ack true");
    else
        job->acked = true;
    buf_release(&reply);
}

static struct sender_job *next_job(struct senders *s)
{
    pthread_mutex_lock(&s->lock);
    while (s->todo == NULL && !atomic_load(&s->stopping))
        pthread_cond_wait(&s->work, &s->lock);
    struct sender_job *job = atomic_load(&s->stopping) ? NULL : s->todo;
    if (job != NULL) {
        s->todo = job->next;
        if (s->todo == NULL)
            s->todo_end = &s->todo;
    }
    pthread_mutex_unlock(&s->lock);
    return job;
}

static void give_back(struct senders *s, struct sender_job *job)
{
    pthread_mutex_lock(&s->lock);
    job->next = s->done;
    s->done = job;
    pthread_mutex_unlock(&s->lock);
    /* A full pipe has wake-ups enough in it. */
    while (write(s->notify_fd, "j", 1) < 0 && errno == EINTR)
        continue;
}

static void *sender(void *arg)
{
    struct senders *s = arg;
    CURL *curl = curl_easy_init();
    if (curl == NULL)
        abort();
    struct curl_slist *headers = set_request(curl);
    set_tls(curl, s->options);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, s);
    for (struct sender_job *job; (job = next_job(s)) != NULL;) {
        post(curl, job);
        give_back(s, job);
    }
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    return NULL;
}

struct senders *senders_start(const struct sim_options *options, int notify_fd)
{
    struct senders *s = mem_alloc(sizeof *s);
    s->options = options;
    s->notify_fd = notify_fd;
    s->todo_end = &s->todo;
    atomic_init(&s->stopping, false);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->work, NULL);
    s->threads = mem_array((size_t)options->outbound_senders, sizeof *s->threads);
    for (int64_t i = 0; i < options->outbound_senders; i++) {
        if (pthread_create(&s->threads[s->thread_count], NULL, sender, s) != 0)
            abort(); /* at start, on the command line's own number */
        s->thread_count++;
    }
    return s;
}

void senders_finish(struct senders *s)
{
    pthread_mutex_lock(&s->lock);
    atomic_store(&s->stopping, true);
    pthread_cond_broadcast(&s->work);
    pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < s->thread_count; i++)
        pthread_join(s->threads[i], NULL);
    s->thread_count = 0;
    *s->todo_end = s->done;
    s->done = s->todo;
    s->todo = NULL;
    s->todo_end = &s->todo;
}

void senders_stop(struct senders **sp)
{
    struct senders *s = *sp;
    if (s == NULL)
        return;
    senders_finish(s);
    for (struct sender_job *job; (job = senders_take(s)) != NULL;)
        sender_job_free(job);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->work);
    free(s->threads);
    free(s);
    *sp = NULL;
}

void senders_put(struct senders *s, struct sender_job *job)
{
    pthread_mutex_lock(&s->lock);
    job->next = NULL;
    *s->todo_end = job;
    s->todo_end = &job->next;
    pthread_cond_signal(&s->work);
    pthread_mutex_unlock(&s->lock);
}

struct sender_job *senders_take(struct senders *s)
{
    pthread_mutex_lock(&s->lock);
    struct sender_job *job = s->done;
    if (job != NULL)
        s->done = job->next;
    pthread_mutex_unlock(&s->lock);
    return job;
}
