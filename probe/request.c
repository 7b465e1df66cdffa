/* SPDX-License-Identifier: Apache-2.0 */
/* The step between the two exchanges: a key as the policy wants it, and its certificate request. */
#include "config.h"

#include <ctype.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "probe/csr.h"
#include "probe/state.h"

#define FILE_MAX (64u << 10)

static bool load_key(struct probe *p)
{
    struct pke_buf pem PKE_CLEANUP(pke_buf_wipe) = {0};
    if (artefact_slurp(AT_FDCWD, p->opt.request_key_file, FILE_MAX, &pem))
        p->key = csr_read_key(pke_buf_bytes(&pem));
    return verdict_check(p->verdict, p->key != NULL, "key-file", "--request-key", "%s%s",
                         p->opt.request_key_file, p->key ? "" : ": no readable private key in PEM");
}

static bool load_csr(struct probe *p, char device_id[33])
{
    struct pke_buf file PKE_CLEANUP(pke_buf_done) = {0};
    struct pke_fail fail = {.text = "cannot be read"};
    bool good = artefact_slurp(AT_FDCWD, p->opt.csr_file, FILE_MAX, &file) &&
                csr_read(pke_buf_bytes(&file), &p->csr, &p->public_key, device_id, &fail) == PKE_OK;
    if (good && p->key && EVP_PKEY_eq(p->key, p->public_key) != 1) {
        snprintf(fail.text, sizeof fail.text, "is not for the key in --request-key");
        good = false;
    }
    return verdict_check(p->verdict, good, "csr-file", "--repeat-csr", "%s %s", p->opt.csr_file,
                         good ? "is sent again as it is" : fail.text);
}

/* --device-id, then the request's own, then the artefact folder's, then a random one. */
static void choose_device_id(struct probe *p, const char *from_csr)
{
    struct pke_buf kept PKE_CLEANUP(pke_buf_done) = {0};
    uint8_t raw[16];
    size_t n = sizeof raw;
    const char *given = p->opt.device_id ? p->opt.device_id : *from_csr ? from_csr : NULL;
    bool known = given ? pke_hex_decode(pke_bytes_str(given), raw, &n)
                       : artefacts_read(p->out, "device-id", 64, &kept) && kept.n >= 32 &&
                             pke_hex_decode(PKE_BYTES(kept.p, 32), raw, &n);
    if (!known && RAND_bytes(raw, sizeof raw) != 1)
        pke_oom();
    pke_hex(PKE_BYTES(raw, sizeof raw), true, p->device_id);
    char *line PKE_CLEANUP(pke_free_p) = pke_asprintf("%s\n", p->device_id);
    artefacts_write(p->out, "device-id", pke_bytes_str(line));
    verdict_fact(p->verdict, "device-id", p->device_id);
}

static void make_key(struct probe *p)
{
    struct pke_buf pem PKE_CLEANUP(pke_buf_wipe);
    pke_buf_init(&pem, FILE_MAX);
    if (p->request == PROBE_RENEWAL && p->opt.same_key) {
        EVP_PKEY_up_ref(p->state.key);
        p->key = p->state.key;
    } else {
        p->key = csr_new_key(p->key_bits);
    }
    csr_key_pem(p->key, &pem);
    artefacts_write(p->out, state_file(p, "key.pem"), pke_buf_bytes(&pem));
}

static bool make_csr(struct probe *p)
{
    static const char *const shapes[] = {"UTF8String", "PrintableString with '!'",
                                         "PrintableString with '!' and NUL"};
    struct pke_fail fail = {.text = ""};
    EVP_PKEY_up_ref(p->key);
    p->public_key = p->key;
    bool good = csr_make(p->key, (enum probe_shape)p->opt.shape, p->device_id, &p->csr, &fail) == PKE_OK;
    return verdict_check(p->verdict, good, "csr", "RFC 2986", "%s-%d, common name as %s%s%s",
                         EVP_PKEY_is_a(p->key, "EC") ? "EC" : "RSA", EVP_PKEY_get_bits(p->key),
                         shapes[p->opt.shape], good ? "" : ": ", fail.text);
}

bool step_request(struct probe *p)
{
    char from_csr[33] = "";
    verdict_step(p->verdict, "request", "Key and certificate request");
    if (p->opt.request_key_file && !load_key(p))
        return false;
    if (p->opt.csr_file && !load_csr(p, from_csr))
        return false;
    choose_device_id(p, from_csr);
    if (!p->opt.csr_file) {
        if (!p->key)
            make_key(p);
        if (!make_csr(p))
            return false;
    }
    struct pke_buf pem PKE_CLEANUP(pke_buf_done) = {0};
    pke_buf_init(&pem, FILE_MAX);
    csr_pem("CERTIFICATE REQUEST", pke_buf_bytes(&p->csr), &pem);
    artefacts_write(p->out, state_file(p, "request.csr"), pke_buf_bytes(&pem));
    if (EVP_PKEY_is_a(p->public_key, "EC"))
        return true; /* minimalKeyLength counts RSA bits */
    return verdict_check(p->verdict, EVP_PKEY_get_bits(p->public_key) >= (int)p->key_bits, "key-length",
                         "MS-XCEP 3.1.4.1.3.20", "%d bits, the policy wants %u",
                         EVP_PKEY_get_bits(p->public_key), p->key_bits);
}
