/* SPDX-License-Identifier: Apache-2.0 */
/** @file Version numbers of operating systems and clients: "10.0.22631.3880". */
#ifndef BASE_VERSION_H
#define BASE_VERSION_H

#include <stdbool.h>
#include <stdint.h>

#define PKE_VERSION_PARTS 4

/**
 * One to four decimal numbers below 2^32 with dots between them and nothing else; parts that are not written
 * are 0. @p v is only changed when it returns true. NULL is no version.
 */
bool pke_version_parse(const char *text, uint32_t v[PKE_VERSION_PARTS]);

/** Below 0 when @p a is older than @p b, 0 when equal, above 0 when newer; the first part counts most. */
int pke_version_compare(const uint32_t a[PKE_VERSION_PARTS], const uint32_t b[PKE_VERSION_PARTS]);

#endif
