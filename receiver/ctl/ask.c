/*
 * Questions before something that is hard to take back, and waiting for a job. Both mind whether a
 * person is there: without a terminal nothing is asked, and no bar is drawn.
 */
#include "ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mem.h"

enum { BAR_WIDTH = 40, POLL_FIRST_MS = 50, POLL_MAX_MS = 1000 };

bool ctl_confirm(bool yes, const char *question)
{
    char line[16] = "";
    if (yes)
        return true;
    if (isatty(STDIN_FILENO) != 1) {
        (void)fprintf(stderr, "touchpointctl: %s Nobody can be asked here: --yes does it.\n",
                      question);
        return false;
    }
    (void)fprintf(stderr, "%s [y/N] ", question);
    if (fgets(line, sizeof line, stdin) != NULL &&
        (strcmp(line, "y\n") == 0 || strcmp(line, "yes\n") == 0))
        return true;
    (void)fputs("touchpointctl: not done\n", stderr);
    return false;
}

/* ------------------------------------------------------------------ waiting */

static void draw(const json_t *job, bool last)
{
    char bar[BAR_WIDTH + 1];
    if (isatty(STDERR_FILENO) != 1)
        return;
    double total = (double)json_integer_value(json_object_get(job, "total"));
    double done = (double)json_integer_value(json_object_get(job, "done"));
    double part = total > 0 ? done / total : 0;
    size_t full = (size_t)((part > 1 ? 1 : part) * BAR_WIDTH);
    memset(bar, ' ', BAR_WIDTH);
    memset(bar, '#', full);
    bar[BAR_WIDTH] = '\0';
    (void)fprintf(stderr, "\r[%s] %.0f of %.0f, %s   %s", bar, done, total, ctl_text(job, "state"),
                  last ? "\n" : "");
    (void)fflush(stderr);
}

enum err ctl_wait(struct ctl *c, json_int_t job, struct ctl_answer *out, struct error *e)
{
    char *path = mem_printf("/api/v1/jobs/%lld", (long long)job);
    long pause_ms = POLL_FIRST_MS;
    enum err err = ctl_call(c, "GET", path, NULL, out, e);
    while (err == ERR_NONE && ctl_text(out->json, "ended_at")[0] == '\0') {
        draw(out->json, false);
        nanosleep(
            &(struct timespec){.tv_sec = pause_ms / 1000, .tv_nsec = pause_ms % 1000 * 1000000},
            NULL);
        pause_ms = pause_ms * 2 < POLL_MAX_MS ? pause_ms * 2 : POLL_MAX_MS;
        ctl_answer_release(out);
        err = ctl_call(c, "GET", path, NULL, out, e);
    }
    if (err == ERR_NONE)
        draw(out->json, true);
    free(path);
    return err;
}

static void tell(const json_t *job)
{
    const char *message = ctl_text(job, "message");
    (void)printf("job %s: %s %s", number_text(job, "id"), ctl_text(job, "kind"),
                 ctl_text(job, "state"));
    if (ctl_text(job, "ended_at")[0] != '\0')
        (void)printf(", %s done, %s changed, %s skipped, %s failed", number_text(job, "done"),
                     number_text(job, "changed"), number_text(job, "skipped"),
                     number_text(job, "failed"));
    (void)printf("%s%s\n", message[0] == '\0' ? "" : ": ", message);
}

int ctl_follow(struct ctl *c, struct ctl_answer *made, bool wait)
{
    struct ctl_answer a = *made;
    struct error e;
    if (wait) {
        json_int_t job = json_integer_value(json_object_get(made->json, "id"));
        ctl_answer_release(made);
        if (ctl_wait(c, job, &a, &e) != ERR_NONE) {
            ctl_answer_release(&a);
            return ctl_fail(&e);
        }
    }
    bool well = !wait || (strcmp(ctl_text(a.json, "state"), "done") == 0 &&
                          json_integer_value(json_object_get(a.json, "failed")) == 0);
    int status = well ? CTL_WELL : CTL_FAILED;
    if (c->json)
        return print_json(&a, status);
    tell(a.json);
    ctl_answer_release(&a);
    return status;
}
