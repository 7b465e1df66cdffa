/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/common/hooksig.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"

#define RULE   "authoriser: signed answer"
#define PREFIX "pkienroll-answer-v1\n"
#define SHA256 32

enum pke_err hooksig_secret(const char *path, struct pke_secret **ret, struct pke_fail *fail)
{
    enum pke_err err = pke_secret_read_file(path, HOOKSIG_SECRET_MAX, ret, fail);

    if (err != PKE_OK)
        return err;
    if (pke_secret_bytes(*ret).n >= HOOKSIG_SECRET_MIN)
        return PKE_OK;
    pke_secret_free(*ret);
    *ret = NULL;
    return pke_fail_set(fail, PKE_CONFIG, "secret-short", "secret files", "%s has less than %d bytes", path,
                        HOOKSIG_SECRET_MIN);
}

void hooksig_question(struct pke_bytes question, char ret[HOOKSIG_DIGEST])
{
    uint8_t hash[SHA256];

    if (EVP_Digest(question.p, question.n, hash, NULL, EVP_sha256(), NULL) != 1)
        pke_oom();
    pke_hex(PKE_BYTES(hash, sizeof hash), false, ret);
}

void hooksig_answer(const struct pke_secret *secret, const char *id, const char *question,
                    struct pke_bytes answer, char ret[HOOKSIG_TEXT])
{
    struct pke_bytes key = pke_secret_bytes(secret);
    PKE_CLEANUP(pke_buf_done) struct pke_buf text = {0};
    uint8_t mac[SHA256];
    unsigned n = sizeof mac;

    pke_buf_init(&text, sizeof PREFIX + strlen(id) + strlen(question) + answer.n + 2);
    pke_buf_add_str(&text, PREFIX);
    pke_buf_add_str(&text, id);
    pke_buf_add_u8(&text, '\n');
    pke_buf_add_str(&text, question);
    pke_buf_add_u8(&text, '\n');
    pke_buf_add_bytes(&text, answer);
    if (!HMAC(EVP_sha256(), key.p, (int)key.n, text.p, text.n, mac, &n) || n != sizeof mac)
        pke_oom();
    memcpy(ret, "v1=", 3);
    pke_hex(PKE_BYTES(mac, sizeof mac), false, ret + 3);
}

enum pke_err hooksig_check(const struct pke_secret *secret, const char *id, const char *question,
                           struct pke_bytes answer, const char *text, struct pke_fail *fail)
{
    char want[HOOKSIG_TEXT];

    hooksig_answer(secret, id, question, answer, want);
    if (!text || strlen(text) != sizeof want - 1 || CRYPTO_memcmp(text, want, sizeof want - 1) != 0)
        return pke_fail_set(fail, PKE_UNAUTHENTICATED, "authoriser-signature", RULE,
                            text ? "the answer's signature is not that of this question and answer"
                                 : "the answer is not signed");
    return PKE_OK;
}
