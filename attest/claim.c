/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/claim.h"

#include "attest/tpm.h"

#define RULE           "PCP key attestation"
#define MAGIC_CLAIM    0x5344414bu /* "KADS" */
#define MAGIC_KEY      0x4d504350u /* "PCPM" */
#define PLATFORM_TPM20 2
#define CLAIM_HEADER   24
#define KEY_HEADER_MIN 52 /* Windows 8's; later ones add pcrAlgId and padding */
#define KEY_HEADER_MAX 128
#define KEY_BLOB_PARTS 9 /* public, private and seven that are of no interest */

static bool take_le32(struct pke_cursor *c, uint32_t *ret)
{
    struct pke_bytes b;

    if (!pke_take(c, 4, &b))
        return false;
    *ret = (uint32_t)b.p[0] | (uint32_t)b.p[1] << 8 | (uint32_t)b.p[2] << 16 | (uint32_t)b.p[3] << 24;
    return true;
}

static enum pke_err bad_claim(struct pke_fail *fail, const char *text)
{
    return pke_fail_set(fail, PKE_POLICY, "attest-claim", RULE, "%s", text);
}

enum pke_err attest_claim_read(struct pke_bytes claim, struct attest_claim *ret, struct pke_fail *fail)
{
    struct pke_cursor c = pke_cursor_of(claim);
    uint32_t magic, platform, header, attest, signature, blob;

    if (!take_le32(&c, &magic) || !take_le32(&c, &platform) || !take_le32(&c, &header) ||
        !take_le32(&c, &attest) || !take_le32(&c, &signature) || !take_le32(&c, &blob))
        return bad_claim(fail, "the claim is shorter than its header");
    if (magic != MAGIC_CLAIM || platform != PLATFORM_TPM20 || header != CLAIM_HEADER)
        return bad_claim(fail, "the claim is no key attestation of a TPM 2.0");
    if ((uint64_t)attest + signature + blob != pke_cursor_left(&c))
        return bad_claim(fail, "the parts of the claim do not add up to its length");
    (void)(pke_take(&c, attest, &ret->tpms) && pke_take(&c, signature, &ret->signature) &&
           pke_take(&c, blob, &ret->key_blob));
    return PKE_OK;
}

bool attest_public_unwrap(struct pke_bytes in, struct pke_bytes *ret)
{
    struct pke_cursor c = pke_cursor_of(in);
    uint16_t first;

    if (!pke_take_u16(&c, &first))
        return false;
    if (first == pke_cursor_left(&c)) { /* no public area is as short as the number of its algorithm */
        *ret = PKE_BYTES(c.p, first);
        return true;
    }
    *ret = in;
    return first == TPM_ALG_RSA || first == TPM_ALG_ECC;
}

static enum pke_err bad_blob(struct pke_fail *fail, const char *text)
{
    return pke_fail_set(fail, PKE_POLICY, "attest-key-blob", RULE, "%s", text);
}

/* Only the public part is looked at: the name in the signed structure says whether it is the right one. */
static enum pke_err read_pcp(struct pke_bytes blob, struct pke_bytes *ret, struct pke_fail *fail)
{
    struct pke_cursor c = pke_cursor_of(blob);
    struct pke_bytes area = {NULL, 0};
    uint32_t magic, header, type, flags, part, first = 0;
    uint64_t sum;

    if (!take_le32(&c, &magic) || !take_le32(&c, &header) || !take_le32(&c, &type) || !take_le32(&c, &flags))
        return bad_blob(fail, "the key blob is shorter than its header");
    if (header < KEY_HEADER_MIN || header > KEY_HEADER_MAX || type != PLATFORM_TPM20)
        return bad_blob(fail, "the key blob is not of a TPM 2.0");
    sum = header;
    for (unsigned i = 0; i < KEY_BLOB_PARTS; i++) {
        if (!take_le32(&c, &part))
            return bad_blob(fail, "the key blob is shorter than its header");
        if (i == 0)
            first = part;
        sum += part;
    }
    if (sum != blob.n)
        return bad_blob(fail, "the parts of the key blob do not add up to its length");
    area = PKE_BYTES(blob.p + header, first);
    if (!attest_public_unwrap(area, ret))
        return bad_blob(fail, "the key blob holds no public area");
    return PKE_OK;
}

enum pke_err attest_key_blob_read(struct pke_bytes blob, struct pke_bytes *ret, struct pke_fail *fail)
{
    struct pke_cursor c = pke_cursor_of(blob);
    uint32_t magic;

    if (take_le32(&c, &magic) && magic == MAGIC_KEY)
        return read_pcp(blob, ret, fail);
    if (!attest_public_unwrap(blob, ret))
        return bad_blob(fail, "the key blob is neither of the Platform Crypto Provider nor a public area");
    return PKE_OK;
}
