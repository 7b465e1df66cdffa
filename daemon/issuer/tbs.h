/* SPDX-License-Identifier: Apache-2.0 */
/** @file From a decision to linted bytes. Private to daemon/issuer/. */
#ifndef DAEMON_ISSUER_TBS_H
#define DAEMON_ISSUER_TBS_H

#include "base/arena.h"
#include "ca/cert.h"
#include "ca/lint.h"
#include "policy/decide.h"

struct issuer_template;

struct tbs {
    const struct issuer_template *tmpl;
    struct policy_decision *decision; /* its validity is clamped to the CA's */
    struct pke_bytes spki;
    const uint8_t *serial; /* CA_SERIAL_SIZE octets */
    int64_t now;           /* seconds */
    /* made: */
    struct pke_bytes der; /* in the arena */
    uint8_t linted[CA_LINT_DIGEST];
};

/**
 * Name constraints of the CA, the TBSCertificate, its lint.
 * @return PKE_OK, or the refusal of ca_issuer_check_names(), ca_tbs_build() or ca_lint().
 */
enum pke_err tbs_make(struct tbs *t, struct pke_arena *arena, struct pke_fail *fail);

#endif
