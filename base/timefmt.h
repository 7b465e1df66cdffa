/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Times as text. Nothing here reads a clock: time is an argument everywhere outside daemon/.
 */
#ifndef BASE_TIMEFMT_H
#define BASE_TIMEFMT_H

#include <stdbool.h>
#include <stdint.h>

#define PKE_RFC3339_SIZE 25 /* 2026-03-01T12:00:00.000Z */

/** "2026-03-01T12:00:00Z" from seconds since 1970 UTC. */
void pke_time_rfc3339(int64_t seconds, char out[PKE_RFC3339_SIZE]);

/** "2026-03-01T12:00:00.123Z" from milliseconds since 1970 UTC. */
void pke_time_rfc3339_ms(int64_t milliseconds, char out[PKE_RFC3339_SIZE]);

/** Parse "2026-03-01T12:00:00[.fff]Z"; false on anything else. */
bool pke_time_parse(const char *text, int64_t *seconds);

/** Parse "250ms", "10s", "5m", "24h", "365d" to milliseconds; a bare number is refused except 0. */
bool pke_duration_parse(const char *text, int64_t *milliseconds);

/** Shortest exact form of a duration: "90s", "1h", "365d". */
void pke_duration_format(int64_t milliseconds, char out[24]);

#endif
