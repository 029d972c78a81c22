/*
 * sd_notify, where libsystemd is there and the daemon runs under systemd.
 */
#include "daemon.h"

#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>

void notify_ready(void)
{
    (void)sd_notify(0, "READY=1\nSTATUS=receiving");
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

void notify_stopping(void)
{
}

void notify_watchdog(void)
{
}
#endif
