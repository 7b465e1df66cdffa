/* SPDX-License-Identifier: Apache-2.0 */
/** @file Inside of the floor, for ca/floor*.c only. */
#ifndef CA_FLOOR_IMPL_H
#define CA_FLOOR_IMPL_H

#include "ca/floor.h"
#include "ca/tbs.h"

#define FLOOR_SERIAL_MAX 20   /* octets */
#define FLOOR_RECENT     4096 /* serials remembered */

struct floor_serial {
    uint8_t octets[FLOOR_SERIAL_MAX];
    uint8_t n;
    uint16_t next; /* in its bucket */
};

/* A ring of the last serials, each also in a chain of its hash. */
struct floor_memory {
    struct floor_serial ring[FLOOR_RECENT];
    uint16_t bucket[FLOOR_RECENT];
    unsigned at; /* next slot to fill */
};

/* A template as its certificates say it: the only values that pass. */
struct floor_template {
    const char *oid; /* of the extension; NULL: none */
    struct pke_bytes value;
    const char *cps_uri;
};

/* Addresses of another configuration, good for a time. */
struct floor_urls {
    struct pke_arena *arena; /* NULL: none */
    struct pke_strings crl, ca_issuers;
    int64_t until; /* seconds */
};

struct ca_floor {
    struct ca_issuer *issuer;
    struct ca_floor_limits limits; /* lists in arena; templates are below */
    struct floor_template *templates;
    size_t n_templates;
    uint8_t key_usage; /* of any of them */
    struct pke_arena *arena;
    struct pke_arena *scratch; /* of one check */
    struct floor_memory memory;
    struct floor_urls before, next;
};

void floor_memory_init(struct floor_memory *m);
/* Octets of a serial that is in range. */
bool floor_serial_seen(const struct floor_memory *m, struct pke_bytes serial);
void floor_serial_remember(struct floor_memory *m, struct pke_bytes serial);

/* PKE_POLICY with @p text. */
enum pke_err floor_refuse(struct pke_fail *fail, const char *reason, const char *rule, const char *text);

/* floor_extensions.c: what each extension may say. */
enum pke_err floor_check_extensions(const struct ca_floor *f, const struct ca_tbs *tbs,
                                    struct pke_fail *fail);

/* floor_policies.c; @p now in seconds */
enum pke_err floor_check_policies(const struct ca_floor *f, const struct ca_tbs *tbs, int64_t now,
                                  struct pke_fail *fail);

/* floor_names.c: subject, SAN, SID within the bounds and the CA's constraints. */
enum pke_err floor_check_names(const struct ca_floor *f, const struct ca_tbs *tbs, struct pke_fail *fail);

/* Bounds of a configuration that mean something; PKE_CONFIG: floor-bounds. */
enum pke_err floor_check_bounds(const struct ca_floor_limits *limits, struct pke_fail *fail);

#endif
