/* SPDX-License-Identifier: Apache-2.0 */
/* The last check before the key signs a CRL. It shares the decoder with the lint but none of its rules. */
#include "ca/crl_floor.h"

#include <string.h>

#include "base/mem.h"
#include "ca/crl.h"
#include "ca/oids.h"

#define OLDEST_START 3600 /* seconds that thisUpdate may lie back: clocks of those who verify go slow */
#define FUTURE_SKEW  300

static enum pke_err refuse(struct pke_fail *fail, const char *reason, const char *rule, const char *text)
{
    return pke_fail_set(fail, PKE_POLICY, reason, rule, "%s", text);
}

static enum pke_err check_identity(const struct ca_issuer *ca, const struct ca_crl *crl,
                                   struct pke_fail *fail)
{
    if (!crl->v2)
        return refuse(fail, "floor-crl-version", "RFC 5280 5.1.2.1", "the CRL is not version 2");
    if (!pke_bytes_eq(crl->issuer, ca_issuer_subject(ca)))
        return refuse(fail, "floor-crl-issuer", "RFC 5280 5.1.2.3", "the issuer is not this key's CA");
    if (!pke_bytes_eq(crl->algorithm, ca_issuer_algorithm(ca)))
        return refuse(fail, "floor-crl-algorithm", "RFC 5280 5.1.2.2", "not the algorithm of this key");
    if (!pke_bytes_eq(crl->key_id, ca_issuer_key_id(ca)))
        return refuse(fail, "floor-crl-aki", "RFC 5280 5.2.1", "it does not name this key as its authority");
    return PKE_OK;
}

static enum pke_err check_dates(const struct ca_crl_limits *limits, const struct ca_crl *crl, int64_t now,
                                struct pke_fail *fail)
{
    int64_t most = limits->max_lifetime < CA_CRL_LIFETIME_MAX ? limits->max_lifetime : CA_CRL_LIFETIME_MAX;

    if (crl->this_update < now - OLDEST_START || crl->this_update > now + FUTURE_SKEW)
        return refuse(fail, "floor-crl-this-update", "RFC 5280 5.1.2.4", "thisUpdate is not about now");
    if (crl->next_update <= now || crl->next_update - crl->this_update > most)
        return refuse(fail, "floor-crl-next-update", "key policy",
                      "nextUpdate is absent, in the past or over the limit");
    return PKE_OK;
}

static enum pke_err check_extensions(const struct ca_crl *crl, struct pke_fail *fail)
{
    static const struct {
        const char *oid;
        bool critical, full, delta;
    } issued[] = {{OID_AKI, false, true, true},
                  {OID_CRL_NUMBER, false, true, true},
                  {OID_DELTA_CRL, true, false, true},
                  {OID_FRESHEST_CRL, false, true, false}};

    for (size_t i = 0; i < crl->n_ext; i++) {
        bool fits = false;

        for (size_t k = 0; k < PKE_LEN(issued); k++)
            fits = fits || (strcmp(issued[k].oid, crl->ext[i].oid) == 0 &&
                            issued[k].critical == crl->ext[i].critical &&
                            (crl->base ? issued[k].delta : issued[k].full));
        if (!fits)
            return refuse(fail, "floor-crl-extension", "key policy",
                          "an extension is not one that is issued, or not with this criticality");
    }
    return PKE_OK;
}

static enum pke_err check_entries(const struct ca_crl *crl, struct pke_fail *fail)
{
    struct pke_cursor c = pke_cursor_of(crl->entries);
    struct pke_bytes before = {NULL, 0};
    struct ca_crl_entry e;
    struct pke_fail why = {0};

    while (pke_cursor_left(&c) > 0) {
        if (ca_crl_next(&c, &e, &why) != PKE_OK)
            return refuse(fail, "floor-crl-entry", "RFC 5280 5.1.2.6", "an entry is none");
        if (ca_crl_serial_compare(before, e.serial) >= 0)
            return refuse(fail, "floor-crl-order", "key policy",
                          "the entries are not in ascending order, or one is there twice");
        if (e.reason == CA_REASON_REMOVE && crl->base == 0)
            return refuse(fail, "floor-crl-remove", "RFC 5280 5.3.1", "a full CRL removes nothing");
        before = e.serial;
    }
    return PKE_OK;
}

enum pke_err ca_crl_floor_check(const struct ca_issuer *ca, const struct ca_crl_limits *limits, int64_t *last,
                                struct pke_bytes tbs, int64_t now, struct pke_fail *fail)
{
    struct pke_fail why = {0};
    struct ca_crl crl;
    enum pke_err err;

    if (tbs.n > CA_CRL_MAX)
        return refuse(fail, "floor-crl-size", "limit", "the bytes are more than a CRL may have");
    if (ca_crl_decode(tbs, &crl, &why))
        return pke_fail_set(fail, PKE_POLICY, "floor-crl-der", why.rule, "not a TBSCertList: %s", why.text);
    if ((err = check_identity(ca, &crl, fail)) || (err = check_dates(limits, &crl, now, fail)) ||
        (err = check_extensions(&crl, fail)))
        return err;
    if (crl.number <= *last)
        return refuse(fail, "floor-crl-number", "RFC 5280 5.2.3",
                      "there is no number, or one that is not greater was signed before");
    if (crl.base >= crl.number)
        return refuse(fail, "floor-crl-base", "RFC 5280 5.2.4", "the base does not come before the delta");
    if ((err = check_entries(&crl, fail)))
        return err;
    *last = crl.number;
    return PKE_OK;
}
