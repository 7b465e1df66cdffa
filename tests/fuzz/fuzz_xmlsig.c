/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A signed request of an unauthenticated client. The fuzzer has no key, so whatever it makes of the two
 * published examples, only what they say can be accepted: any other document or reading of it is a forgery.
 */
#include <string.h>

#include "base/encode.h"
#include "tests/fuzz/fuzz_mdm.h"
#include "xmlsig/xmlsig.h"

#define NOW 1772366400 /* 2026-03-01 12:00:00 UTC, when the examples were signed */

/* Of tests/data/mdm/03 and 13: xmlsig_result.digest, the SHA-256 of the signer's certificate, the MessageID.
 */
static const struct {
    const char *digest, *message_id;
} signed_ones[] = {
    {"1a9b3f22c92cc8214b9894ca5998190b1d0eeb12ce3f89544164f81c2e051bcb",
     "urn:uuid:78951bf4-faa4-5221-95ee-974f1b7be071"},
    {"d7949d77e72a86132eb642fbca524d58b229e2f2e3e98cabb7f5808b44c4117c",
     "urn:uuid:12f18104-36a2-5810-a811-e616e5314449"},
};

static bool is_signed_one(const struct xmlsig_result *r)
{
    char hex[65];

    pke_hex(PKE_BYTES(r->digest, sizeof r->digest), false, hex);
    for (size_t i = 0; i < sizeof signed_ones / sizeof *signed_ones; i++)
        if (strcmp(hex, signed_ones[i].digest) == 0)
            return r->request.message_id && strcmp(r->request.message_id, signed_ones[i].message_id) == 0;
    return false;
}

void fuzz_one(struct pke_bytes in, struct pke_arena *arena)
{
    static const struct xmlsig_rules rules = {.skew_seconds = XMLSIG_SKEW_SECONDS,
                                              .life_seconds = XMLSIG_LIFE_SECONDS};
    static struct xmlsig *x;
    struct xmlsig_result r;
    struct pke_fail fail = {0};
    struct wstep_request rst;
    enum pke_err err;

    if (!x)
        x = xmlsig_new();
    err = xmlsig_verify(x, in, NOW, &rules, arena, &r, &fail);
    if (!fuzz_said(err, &fail)) {
        FUZZ_MUST(err == PKE_INVALID_SECURITY || err == PKE_MALFORMED || err == PKE_LIMIT);
        FUZZ_MUST(!r.request.body && r.certificate.n == 0);
        return;
    }
    FUZZ_MUST(is_signed_one(&r));
    FUZZ_MUST(!r.request.credential.token.p && !r.request.credential.password.p);
    if (r.request.stage == SOAP_REQUEST_SECURITY_TOKEN)
        FUZZ_MUST(wstep_request_read(r.request.body, arena, &rst, &fail) == PKE_OK);
}
