/* SPDX-License-Identifier: Apache-2.0 */
#include "base/timefmt.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void format_date(int64_t seconds, char out[20])
{
    time_t t = (time_t)seconds;
    struct tm tm;

    if (!gmtime_r(&t, &tm) || tm.tm_year + 1900 < 0 || tm.tm_year + 1900 > 9999)
        snprintf(out, 20, "0000-00-00T00:00:00");
    else
        strftime(out, 20, "%Y-%m-%dT%H:%M:%S", &tm);
}

void pke_time_rfc3339(int64_t seconds, char out[PKE_RFC3339_SIZE])
{
    format_date(seconds, out);
    strcat(out, "Z");
}

void pke_time_rfc3339_ms(int64_t milliseconds, char out[PKE_RFC3339_SIZE])
{
    char date[20];
    int64_t s = milliseconds / 1000, ms = milliseconds % 1000;

    if (ms < 0) {
        ms += 1000;
        s--;
    }
    format_date(s, date);
    snprintf(out, PKE_RFC3339_SIZE, "%s.%03uZ", date, (unsigned)ms % 1000);
}

bool pke_time_parse(const char *text, int64_t *seconds)
{
    struct tm tm = {0}, again;
    int n = 0;
    time_t t;

    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
               &tm.tm_min, &tm.tm_sec, &n) != 6 ||
        n != 19)
        return false;
    text += n;
    if (*text == '.') {
        size_t digits = strspn(text + 1, "0123456789");
        if (digits == 0 || digits > 9)
            return false;
        text += 1 + digits;
    }
    if (strcmp(text, "Z") != 0)
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    again = tm;
    t = timegm(&again);
    if (again.tm_mday != tm.tm_mday || again.tm_mon != tm.tm_mon || again.tm_hour != tm.tm_hour ||
        again.tm_min != tm.tm_min || again.tm_sec != tm.tm_sec)
        return false; /* timegm() normalised an impossible date such as February 30 */
    *seconds = t;
    return true;
}

static const struct {
    const char *suffix;
    int64_t ms;
} units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};

bool pke_duration_parse(const char *text, int64_t *milliseconds)
{
    char *end;
    unsigned long long v;

    if (strcmp(text, "0") == 0) {
        *milliseconds = 0;
        return true;
    }
    if (*text < '0' || *text > '9')
        return false;
    v = strtoull(text, &end, 10);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(end, units[i].suffix) != 0)
            continue;
        if (v > (unsigned long long)(INT64_MAX / units[i].ms))
            return false;
        *milliseconds = (int64_t)v * units[i].ms;
        return true;
    }
    return false;
}

void pke_duration_format(int64_t milliseconds, char out[24])
{
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (milliseconds % units[i].ms == 0 && milliseconds >= units[i].ms) {
            snprintf(out, 24, "%" PRId64 "%s", milliseconds / units[i].ms, units[i].suffix);
            return;
        }
    }
    snprintf(out, 24, "%s", milliseconds ? "?" : "0");
}
