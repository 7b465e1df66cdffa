/* SPDX-License-Identifier: Apache-2.0 */
/* The TSS2 key file: what is accepted names a parent of ours, and is written so that it is read as the same.
 */
#include <openssl/pem.h>

#include "keystore/tpm.h"
#include "tests/fuzz/fuzz.h"

static bool rewrite(struct pke_bytes in, struct pke_arena *arena, struct pke_buf *out)
{
    struct tpm_keyfile file;
    struct pke_fail fail = {0};

    (void)arena;
    if (!fuzz_said(tpm_keyfile_parse(in, &file, &fail), &fail))
        return false;
    FUZZ_MUST(file.parent == TPM2_RH_OWNER ||
              (file.parent >= TPM_PERSISTENT_FIRST && file.parent < TPM_PLATFORM_FIRST));
    FUZZ_MUST(file.private_area.size <= sizeof file.private_area.buffer);
    FUZZ_MUST(tpm_keyfile_write(&file, out));
    return true;
}

/* What a file from elsewhere may make of names, facts and public keys. */
static void derive(struct pke_bytes in)
{
    struct tpm_keyfile file;
    struct ks_facts facts = {0};
    struct ks_error error;
    TPM2B_NAME name;

    if (tpm_keyfile_parse(in, &file, NULL) != PKE_OK)
        return;
    if (tpm_public_name(&file.public_area.publicArea, &name))
        FUZZ_MUST(name.size == 34 || name.size == 50);
    if (tpm_public_facts(&file.public_area.publicArea, false, &facts, &error) == 0)
        FUZZ_MUST(facts.public_key && facts.n_attributes <= KS_ATTRIBUTES_MAX);
    EVP_PKEY_free(facts.public_key);
}

static void both(struct pke_bytes in, struct pke_arena *arena)
{
    fuzz_stable(rewrite, in, TPM_KEYFILE_MAX, arena);
    derive(in);
}

/* Mutation hardly gets through base64: what begins as DER is given its armour here. */
void fuzz_one(struct pke_bytes in, struct pke_arena *arena)
{
    BIO *bio;
    char *text = NULL;
    long n;

    both(in, arena);
    if (in.n == 0 || in.p[0] != 0x30 || in.n > TPM_KEYFILE_MAX)
        return;
    bio = BIO_new(BIO_s_mem());
    FUZZ_MUST(bio && PEM_write_bio(bio, "TSS2 PRIVATE KEY", "", in.p, (long)in.n) > 0);
    n = BIO_get_mem_data(bio, &text);
    both(PKE_BYTES(text, (size_t)n), arena);
    BIO_free(bio);
}
