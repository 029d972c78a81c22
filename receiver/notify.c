/*
 * sd_notify, where libsystemd is there and the daemon runs under systemd.
 */
#include "daemon.h"

#include <inttypes.h>
#include <time.h>

#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>

void notify_ready(void)
{
    (void)sd_notify(0, "READY=1\nSTATUS=receiving");
}

/* systemd wants to know when the reload began, on its monotonic clock (sd_notify(3)). */
void notify_reloading(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    (void)sd_notifyf(0,
                     "RELOADING=1\nMONOTONIC_USEC=%" PRIdMAX "\nSTATUS=loading the configuration",
                     (intmax_t)now.tv_sec * 1000000 + now.tv_nsec / 1000);
}

void notify_stopping(void)
{
    (void)sd_notify(0, "STOPPING=1\nSTATUS=finishing the work in hand");
}

void notify_watchdog(void)
{
    (void)sd_notify(0, "WATCHDOG=1");
}
#else
void notify_ready(void)
{
}

void notify_reloading(void)
{
}

void notify_stopping(void)
{
}

void notify_watchdog(void)
{
}
#endif
