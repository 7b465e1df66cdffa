/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Taking over an estate: certificates that another CA program issued by an issuer of this configuration,
 * usually a legacy one, are recorded as if they had been issued here, so that their devices renew.
 * doc/takeover.md
 */
#ifndef DAEMON_ISSUER_CERT_IMPORT_H
#define DAEMON_ISSUER_CERT_IMPORT_H

#include <jansson.h>

#include "daemon/issuer/issuer.h"

/** One certificate to be taken over. Texts in the arena that it was read with. */
struct import_part {
    struct pke_bytes der;
    const char *principal, *user_id, *device_id, *device_name, *hwdev_id, *provider;
    const char *enrollment_type; /* "Full" or "Device" */
    const char *ent_dmid;
    int64_t revoked_at; /* ms; 0: it is not */
    int reason;         /* enum ledger_reason */
    /* of the certificate: */
    uint8_t sha256[32], spki_sha256[32];
    struct pke_bytes tbs, serial, issuer_id;
    const char *subject;
    struct pke_pairs names;
    int64_t not_before, not_after;
};

/** Where the parts go and what fills their gaps. */
struct import_into {
    const struct setup *setup;
    const struct issuer_template *tmpl;
    const char *provider;    /* of a part that says none */
    bool names_of_principal; /* when renewed: CN is the principal, in place of what the certificate says */
};

/** Read and check a part: known members, an issuer of the configuration that signed it, an end entity, names
 * that can be recorded. PKE_MALFORMED, PKE_DENIED, PKE_POLICY. */
enum pke_err import_read(const json_t *part, const struct import_into *into, struct pke_arena *arena,
                         struct import_part *ret, struct pke_fail *fail);

/** Verb cert-import. */
bool import_verb(struct issuer *is, uint64_t id, const struct msg_verb *v);

#endif
