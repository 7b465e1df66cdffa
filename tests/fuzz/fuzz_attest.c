/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a device says about its key: an Azure Attestation payload when the input begins with '{', else claim,
 * AIKPub and AIKCert, each with a 16 bit length in front. The structures inside a claim are read also where
 * no signature would let anybody get.
 */
#include <string.h>

#include "attest/attest.h"
#include "attest/claim.h"
#include "attest/key.h"
#include "attest/maa.h"
#include "attest/tpm.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/attest_data.h"

static char *issuers[] = {(char *)"https://lab.attest.example"};
static const struct pke_strings issuer_list = {issuers, 1};

static bool inside(struct pke_bytes part, struct pke_bytes whole)
{
    return part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

static void read_structure(struct pke_bytes in)
{
    struct attest_tpms t;
    struct pke_fail fail = {0};

    if (!fuzz_said(attest_tpms_read(in, &t, &fail), &fail))
        return;
    FUZZ_MUST(4 + 2 + 2 + t.qualified_signer.n + 2 + t.extra_data.n + 8 + 4 + 4 + 1 + 8 + 2 + t.name.n + 2 +
                  t.qualified_name.n ==
              in.n);
    FUZZ_MUST(inside(t.name, in) && inside(t.extra_data, in) && t.name.n <= ATTEST_NAME_MAX &&
              t.extra_data.n <= ATTEST_DATA_MAX);
}

static void read_key(struct pke_bytes blob)
{
    struct attest_public pub;
    struct pke_bytes area;
    struct pke_fail fail = {0};
    uint8_t name[2 + EVP_MAX_MD_SIZE];
    EVP_PKEY *key;

    if (!fuzz_said(attest_key_blob_read(blob, &area, &fail), &fail))
        return;
    FUZZ_MUST(inside(area, blob));
    if (!fuzz_said(attest_public_read(area, &pub, &fail), &fail))
        return;
    FUZZ_MUST(inside(pub.modulus, area) && inside(pub.x, area) && inside(pub.y, area));
    FUZZ_MUST((attest_public_name(&pub, name) == 0) == (attest_digest(pub.name_alg) == NULL));
    key = attest_key_public(&pub);
    FUZZ_MUST(!key || EVP_PKEY_is_a(key, pub.type == TPM_ALG_RSA ? "RSA" : "EC"));
    FUZZ_MUST(!key || pub.type != TPM_ALG_RSA || (size_t)EVP_PKEY_get_bits(key) == pub.modulus.n * 8);
    EVP_PKEY_free(key);
}

/* The parts of a claim, whole or cut short. */
static void read_claim(struct pke_bytes in)
{
    struct attest_claim claim;
    struct pke_fail fail = {0};

    if (!fuzz_said(attest_claim_read(in, &claim, &fail), &fail))
        return;
    FUZZ_MUST(24 + claim.tpms.n + claim.signature.n + claim.key_blob.n == in.n);
    read_structure(claim.tpms);
    read_key(claim.key_blob);
}

static void judged(enum pke_err err, const struct attest_verdict *v, struct pke_fail *fail)
{
    struct pke_buf line;

    FUZZ_MUST(fuzz_said(err, fail) == (v->result == ATTEST_ATTESTED));
    FUZZ_MUST(strcmp(v->reason, err == PKE_OK ? "" : fail->reason) == 0);
    FUZZ_MUST(strlen(v->aik_sha256) == 0 || strlen(v->aik_sha256) == 64);
    pke_buf_init(&line, 1024);
    attest_verdict_text(v, &line);
    FUZZ_MUST(line.n > 0 && !line.overflow && !memchr(line.p, '\n', line.n));
    pke_buf_done(&line);
}

static bool take_part(struct pke_cursor *c, struct pke_bytes *ret)
{
    uint16_t n;

    return pke_take_u16(c, &n) && pke_take(c, n, ret);
}

void fuzz_one(struct pke_bytes in, struct pke_arena *arena)
{
    static const struct attest_maa_rules rules = {.issuers = &issuer_list, .skew = 300};
    static struct attest_roots *roots;
    static struct pke_bytes spki;
    struct pke_cursor c = pke_cursor_of(in);
    struct attest_evidence e = {0};
    struct attest_verdict v;
    struct pke_fail fail = {0};

    (void)arena;
    if (!roots) {
        struct pke_bytes pem = attest_data("roots.pem");

        FUZZ_MUST(attest_roots_new(pem, true, &roots, NULL) == PKE_OK);
        attest_data_free(pem);
        spki = attest_data("rsa.spki");
    }
    if (in.n && in.p[0] == '{') {
        judged(attest_maa_check(in, &rules, spki, ATTEST_DATA_NOW, &v, &fail), &v, &fail);
        return;
    }
    (void)(take_part(&c, &e.claim) && take_part(&c, &e.aik_pub) && take_part(&c, &e.aik_cert));
    read_claim(e.claim);
    EVP_PKEY_free(attest_key_any(e.aik_pub));
    judged(attest_tpm_verify(&e, spki, roots, ATTEST_DATA_NOW, &v, &fail), &v, &fail);
    if (v.result == ATTEST_ATTESTED)
        FUZZ_MUST(v.aik_sha256[0] && strncmp(v.key_name, "000b", 4) == 0);
}
