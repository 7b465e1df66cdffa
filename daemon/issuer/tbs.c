/* SPDX-License-Identifier: Apache-2.0 */
/* The way from a decision to bytes that may be signed: for requests, and for the samples with which a
 * configuration is tried (sample.c). */
#include "daemon/issuer/tbs.h"

#include <string.h>

#include "ca/lint.h"
#include "daemon/issuer/issuer.h"

/* Within the CA's life: the whole period moves behind a young CA's start, and is cut at its end. */
static void clamp_validity(struct policy_decision *d, const struct ca_issuer *ca)
{
    int64_t early = ca_issuer_not_before(ca) - d->not_before;

    if (early > 0) {
        d->not_before += early;
        d->not_after += early;
    }
    if (d->not_after > ca_issuer_not_after(ca))
        d->not_after = ca_issuer_not_after(ca);
}

/* What no verifier would accept below this CA is not recorded, and costs no signature. */
static enum pke_err check_constraints(const struct tbs *t, struct pke_fail *fail)
{
    const struct policy_decision *d = t->decision;
    const struct ca_names names = {.subject = d->subject, .san = d->san, .sid = d->sid};

    return ca_issuer_check_names(t->tmpl->ca->ca, &names, fail);
}

static enum pke_err build(struct tbs *t, struct pke_arena *arena, struct pke_fail *fail)
{
    struct ca_cert_spec spec = {.subject = &t->decision->subject,
                                .san = &t->decision->san,
                                .sid = t->decision->sid,
                                .not_before = t->decision->not_before,
                                .not_after = t->decision->not_after,
                                .spki = t->spki};
    struct pke_buf tbs;
    enum pke_err err;

    memcpy(spec.serial, t->serial, sizeof spec.serial);
    pke_buf_init(&tbs, CA_TBS_MAX);
    err = ca_tbs_build(t->tmpl->ca->ca, t->tmpl->profile, &spec, &tbs, fail);
    if (err == PKE_OK)
        t->der = pke_arena_bytes(arena, pke_buf_bytes(&tbs));
    pke_buf_done(&tbs);
    return err;
}

/* What template and issuer say, and what was decided, told to lint without the builder in between. */
static enum pke_err lint(struct tbs *t, struct pke_fail *fail)
{
    const struct policy_template *policy = t->tmpl->policy;
    const struct ca_profile_spec profile = setup_profile_spec(policy, t->tmpl->ca->conf);
    const struct ca_lint_decision decision = {.subject = &t->decision->subject,
                                              .san = &t->decision->san,
                                              .sid = t->decision->sid,
                                              .not_before = t->decision->not_before,
                                              .not_after = t->decision->not_after,
                                              .spki = t->spki,
                                              .serial = PKE_BYTES(t->serial, CA_SERIAL_SIZE)};
    const struct ca_lint_context context = {.issuer = t->tmpl->ca->ca,
                                            .profile = &profile,
                                            .max_validity = policy->validity / 1000,
                                            .decision = &decision,
                                            .now = t->now};

    return ca_lint(t->der, &context, t->linted, fail);
}

enum pke_err tbs_make(struct tbs *t, struct pke_arena *arena, struct pke_fail *fail)
{
    enum pke_err err = check_constraints(t, fail);

    clamp_validity(t->decision, t->tmpl->ca->ca);
    if (err == PKE_OK)
        err = build(t, arena, fail);
    if (err == PKE_OK)
        err = lint(t, fail);
    return err;
}
