/* SPDX-License-Identifier: Apache-2.0 */
/* The check of an attestation, without a TPM. */
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <tss2/tss2_mu.h>

#include "keystore/attestation.h"
#include "keystore/sigfmt.h"
#include "keystore/tpm.h"

struct check {
    const struct ks_attestation *a;
    const struct ks_attest_expect *expect;
    ks_attest_verdict *verdict;
    void *arg;
    unsigned bad;
    TPMT_PUBLIC ak, key;
    uint8_t ak_name[34], key_name[34];
};

static bool tell(struct check *c, bool ok, const char *what, const char *good, const char *bad)
{
    c->verdict(ok, what, ok ? good : bad, c->arg);
    c->bad += !ok;
    return ok;
}

static struct pke_bytes part(const struct check *c, enum ks_attest_part which)
{
    return pke_buf_bytes(&c->a->part[which]);
}

/* All of it, no byte more. */
static bool read_public(struct pke_bytes b, TPMT_PUBLIC *ret)
{
    size_t at = 0;

    memset(ret, 0, sizeof *ret);
    return b.n > 0 && Tss2_MU_TPMT_PUBLIC_Unmarshal(b.p, b.n, &at, ret) == TSS2_RC_SUCCESS && at == b.n;
}

/* Name of an object with nameAlg SHA-256, over the octets as they came. */
static void name_of(struct pke_bytes area, uint8_t out[34])
{
    struct ks_hash hash;

    out[0] = 0x00;
    out[1] = 0x0b; /* TPM_ALG_SHA256 */
    if (ks_hash_message(KS_SHA256, area, &hash))
        memcpy(out + 2, hash.value, 32);
}

bool ks_attest_ak_name(const struct ks_attestation *a, uint8_t out[34])
{
    struct pke_bytes area = pke_buf_bytes(&a->part[KS_ATTEST_AK]);
    TPMT_PUBLIC ak;

    name_of(area, out);
    return read_public(area, &ak) && ak.nameAlg == TPM2_ALG_SHA256;
}

/* A restricted key signs nothing that came from outside and looks like an attestation: that is what makes it
 * a witness. */
static bool is_witness(const TPMT_PUBLIC *ak)
{
    const TPMA_OBJECT need = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                             TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_RESTRICTED |
                             TPMA_OBJECT_SIGN_ENCRYPT;

    return (ak->objectAttributes & (need | TPMA_OBJECT_DECRYPT)) == need && ak->nameAlg == TPM2_ALG_SHA256 &&
           ak->type == TPM2_ALG_ECC && ak->parameters.eccDetail.curveID == TPM2_ECC_NIST_P256 &&
           ak->parameters.eccDetail.scheme.scheme == TPM2_ALG_ECDSA &&
           ak->parameters.eccDetail.scheme.details.ecdsa.hashAlg == TPM2_ALG_SHA256;
}

static bool check_ak(struct check *c)
{
    if (!tell(c, read_public(part(c, KS_ATTEST_AK), &c->ak), "attestation key", "readable",
              "its public area cannot be read"))
        return false;
    name_of(part(c, KS_ATTEST_AK), c->ak_name);
    tell(c, is_witness(&c->ak), "attestation key kind", "restricted, signing, fixed to its TPM, P-256",
         "not a restricted signing key on P-256 that is fixed to its TPM");
    tell(c, pke_bytes_eq(PKE_BYTES(c->ak_name, sizeof c->ak_name), c->expect->ak_name),
         "attestation key name", "is the one that was given",
         "is not the one that was given: another TPM, or anybody's key");
    return true;
}

/* Public key and attributes as the backend reads them from a TPM; facts->public_key is the caller's. */
static bool facts_of(const TPMT_PUBLIC *area, struct ks_facts *facts)
{
    struct ks_error error;

    *facts = (struct ks_facts){0};
    return tpm_public_facts(area, false, facts, &error) == 0;
}

static bool same_spki(EVP_PKEY *pub, struct pke_bytes spki)
{
    const uint8_t *p = spki.p;
    EVP_PKEY *want = d2i_PUBKEY(NULL, &p, (long)spki.n);
    bool same = pub && want && p == spki.p + spki.n && EVP_PKEY_eq(pub, want) == 1;

    EVP_PKEY_free(want);
    ERR_clear_error();
    return same;
}

/* Which attribute is not as a CA key needs it; NULL: all are. */
static const char *weak_attribute(const struct ks_facts *facts)
{
    for (size_t i = 0; i < facts->n_attributes; i++) {
        const struct ks_attribute *a = &facts->attributes[i];

        if (!a->present || a->value != a->required)
            return a->name;
    }
    return NULL;
}

static bool check_key(struct check *c)
{
    struct ks_facts facts = {0};
    const char *weak;
    char text[96];

    if (!tell(c,
              read_public(part(c, KS_ATTEST_KEY), &c->key) && c->key.nameAlg == TPM2_ALG_SHA256 &&
                  facts_of(&c->key, &facts),
              "CA key", "readable", "its public area cannot be read, or its name is not by SHA-256")) {
        EVP_PKEY_free(facts.public_key);
        return false;
    }
    name_of(part(c, KS_ATTEST_KEY), c->key_name);
    weak = weak_attribute(&facts);
    snprintf(text, sizeof text, "%s is not as a CA key needs it", weak ? weak : "");
    tell(c, !weak, "CA key attributes", "fixedTPM, fixedParent, sensitiveDataOrigin, sign only", text);
    tell(c, same_spki(facts.public_key, c->expect->spki), "CA key and certificate", "the same public key",
         "another public key");
    EVP_PKEY_free(facts.public_key);
    return true;
}

static bool signature_ok(struct check *c, enum ks_attest_part attest, enum ks_attest_part signature)
{
    struct pke_bytes in = part(c, signature);
    TPMT_SIGNATURE s = {0};
    struct ks_hash hash;
    struct ks_facts ak;
    struct pke_buf der;
    size_t at = 0;
    bool ok;

    if (in.n == 0 || Tss2_MU_TPMT_SIGNATURE_Unmarshal(in.p, in.n, &at, &s) != TSS2_RC_SUCCESS || at != in.n ||
        s.sigAlg != TPM2_ALG_ECDSA || s.signature.ecdsa.hash != TPM2_ALG_SHA256)
        return false;
    pke_buf_init(&der, 256);
    ok = facts_of(&c->ak, &ak) && tpm_ecdsa_value(&s.signature.ecdsa, &der) &&
         ks_hash_message(KS_SHA256, part(c, attest), &hash) &&
         ks_verify(ak.public_key, &hash, pke_buf_bytes(&der));
    EVP_PKEY_free(ak.public_key);
    pke_buf_done(&der);
    ERR_clear_error();
    return ok;
}

/* Qualified name of a primary key (part 1, 16): it is a child of the hierarchy itself. */
static bool is_primary_of(const struct check *c, const TPM2B_NAME *qualified, TPM2_HANDLE hierarchy)
{
    uint8_t in[4 + 34], out[34];

    in[0] = (uint8_t)(hierarchy >> 24);
    in[1] = (uint8_t)(hierarchy >> 16);
    in[2] = (uint8_t)(hierarchy >> 8);
    in[3] = (uint8_t)hierarchy;
    memcpy(in + 4, c->ak_name, sizeof c->ak_name);
    name_of(PKE_BYTES(in, sizeof in), out);
    return pke_bytes_eq(PKE_BYTES(qualified->name, qualified->size), PKE_BYTES(out, sizeof out));
}

/* What both attestations have in common. False when there is nothing to go on with. */
static bool check_attest(struct check *c, enum ks_attest_part attest, enum ks_attest_part signature,
                         TPMI_ST_ATTEST type, TPMS_ATTEST *ret)
{
    struct pke_bytes in = part(c, attest);
    const char *what = type == TPM2_ST_ATTEST_CERTIFY ? "certified" : "creation";
    char line[48];
    size_t at = 0;

    memset(ret, 0, sizeof *ret);
    snprintf(line, sizeof line, "%s: signature", what);
    tell(c, signature_ok(c, attest, signature), line, "by the attestation key",
         "does not verify under the attestation key");
    snprintf(line, sizeof line, "%s: form", what);
    if (!tell(c,
              in.n > 0 && Tss2_MU_TPMS_ATTEST_Unmarshal(in.p, in.n, &at, ret) == TSS2_RC_SUCCESS &&
                  at == in.n && ret->magic == TPM2_GENERATED_VALUE && ret->type == type,
              line, "made inside a TPM, of the right type", "not such an attestation of a TPM"))
        return false;
    snprintf(line, sizeof line, "%s: nonce", what);
    tell(c, pke_bytes_eq(PKE_BYTES(ret->extraData.buffer, ret->extraData.size), c->expect->nonce), line,
         "is the one that was given", "another one: not an answer to this question");
    snprintf(line, sizeof line, "%s: signer", what);
    tell(c,
         is_primary_of(c, &ret->qualifiedSigner, TPM2_RH_ENDORSEMENT) ||
             is_primary_of(c, &ret->qualifiedSigner, TPM2_RH_OWNER),
         line, "a primary key of the endorsement or owner hierarchy", "not a primary key");
    return true;
}

static void check_certify(struct check *c)
{
    TPMS_ATTEST at;

    if (!check_attest(c, KS_ATTEST_CERTIFY, KS_ATTEST_CERTIFY_SIGNATURE, TPM2_ST_ATTEST_CERTIFY, &at))
        return;
    tell(c,
         pke_bytes_eq(PKE_BYTES(at.attested.certify.name.name, at.attested.certify.name.size),
                      PKE_BYTES(c->key_name, sizeof c->key_name)),
         "certified: name", "the CA key: that very public area, loaded in the TPM", "not the CA key");
}

static void check_creation(struct check *c)
{
    struct pke_bytes data = part(c, KS_ATTEST_CREATION_DATA);
    const TPMS_CREATION_INFO *info;
    TPMS_CREATION_DATA created = {0};
    struct ks_hash hash;
    TPMS_ATTEST attest;
    size_t at = 0;

    if (!check_attest(c, KS_ATTEST_CREATION, KS_ATTEST_CREATION_SIGNATURE, TPM2_ST_ATTEST_CREATION, &attest))
        return;
    info = &attest.attested.creation;
    tell(c,
         pke_bytes_eq(PKE_BYTES(info->objectName.name, info->objectName.size),
                      PKE_BYTES(c->key_name, sizeof c->key_name)),
         "creation: name", "the CA key was made in this TPM", "not the CA key");
    tell(c,
         data.n > 0 &&
             Tss2_MU_TPMS_CREATION_DATA_Unmarshal(data.p, data.n, &at, &created) == TSS2_RC_SUCCESS &&
             at == data.n && ks_hash_message(KS_SHA256, data, &hash) &&
             pke_bytes_eq(PKE_BYTES(info->creationHash.buffer, info->creationHash.size),
                          PKE_BYTES(hash.value, hash.n)),
         "creation: data", "are those of that moment", "are not those of that moment");
}

unsigned ks_attest_verify(const struct ks_attestation *a, const struct ks_attest_expect *expect,
                          ks_attest_verdict *verdict, void *arg)
{
    struct check c = {.a = a, .expect = expect, .verdict = verdict, .arg = arg};

    if (!check_ak(&c) || !check_key(&c))
        return c.bad;
    check_certify(&c);
    if (part(&c, KS_ATTEST_CREATION).n || part(&c, KS_ATTEST_CREATION_DATA).n ||
        part(&c, KS_ATTEST_CREATION_SIGNATURE).n)
        check_creation(&c);
    return c.bad;
}

void ks_attestation_init(struct ks_attestation *a)
{
    for (size_t i = 0; i < KS_ATTEST_PARTS; i++)
        pke_buf_init(&a->part[i], KS_ATTEST_PART_MAX);
}

void ks_attestation_done(struct ks_attestation *a)
{
    for (size_t i = 0; i < KS_ATTEST_PARTS; i++)
        pke_buf_done(&a->part[i]);
}
