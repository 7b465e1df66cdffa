/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <fcntl.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/mem.h"
#include "probe/csr.h"
#include "probe/state.h"

#define FILE_MAX (256u << 10)

PKE_DEFINE_CLEANUP(BIO, BIO_free_all);

static enum pke_err missing(struct pke_fail *fail, const char *file, const char *why)
{
    return pke_fail_set(fail, PKE_STORE_DOWN, "state", "--in", "%s %s", file, why);
}

static X509 *read_certificate(struct pke_bytes pem, STACK_OF(X509) * all)
{
    BIO *bio PKE_CLEANUP(BIO_free_all_p) = BIO_new_mem_buf(pem.p, (int)pem.n);
    X509 *first = NULL, *cert;
    while (bio && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
        if (!all) {
            first = cert;
            break;
        }
        sk_X509_push(all, cert);
    }
    return first;
}

static enum pke_err load_pair(struct probe *p, int folder, struct pke_fail *fail)
{
    struct pke_buf cert PKE_CLEANUP(pke_buf_done) = {0}, key PKE_CLEANUP(pke_buf_wipe) = {0};
    struct pke_buf chain PKE_CLEANUP(pke_buf_done) = {0};
    p->state.chain = sk_X509_new_null();
    if (artefact_slurp(folder, "certificate.pem", FILE_MAX, &cert))
        p->state.cert = read_certificate(pke_buf_bytes(&cert), NULL);
    if (artefact_slurp(folder, "key.pem", FILE_MAX, &key))
        p->state.key = csr_read_key(pke_buf_bytes(&key));
    if (artefact_slurp(folder, "chain.pem", FILE_MAX, &chain))
        read_certificate(pke_buf_bytes(&chain), p->state.chain);
    if (!p->state.cert)
        return missing(fail, "certificate.pem", "is no certificate, or not there");
    if (!p->state.key)
        return missing(fail, "key.pem", "is no private key, or not there");
    if (X509_check_private_key(p->state.cert, p->state.key) != 1)
        return missing(fail, "key.pem", "is not the key of certificate.pem");
    return PKE_OK;
}

static enum pke_err load_device_id(struct probe *p, int folder, struct pke_fail *fail)
{
    struct pke_buf text PKE_CLEANUP(pke_buf_done) = {0};
    uint8_t raw[16];
    size_t n = sizeof raw;
    if (!artefact_slurp(folder, "device-id", 64, &text) || text.n < 32 ||
        !pke_hex_decode(PKE_BYTES(text.p, 32), raw, &n))
        return missing(fail, "device-id", "is not 32 hexadecimal digits, or not there");
    if (!p->opt.device_id)
        p->opt.device_id = pke_arena_str(p->kept, PKE_BYTES(text.p, 32));
    return PKE_OK;
}

static void take_text(const char **place, const char *value)
{
    if (!*place)
        *place = value;
}

static void take_line(struct probe *p, const char *name, const char *value)
{
    struct probe_options *opt = &p->opt;
    unsigned long bits;
    if (strcmp(name, "type") == 0 && !opt->type_given)
        opt->type = strcmp(value, "device") == 0 ? PROBE_DEVICE : PROBE_FULL;
    else if (strcmp(name, "key-bits") == 0 && (bits = strtoul(value, NULL, 10)) >= 2048 && bits <= 16384)
        p->key_bits = (unsigned)bits;
    else if (strcmp(name, "enroll-url") == 0)
        take_text(&opt->enroll_url, value);
    else if (strcmp(name, "policy-url") == 0)
        take_text(&opt->policy_url, value);
    else if (strcmp(name, "ca-file") == 0)
        take_text(&opt->ca_file, value);
    else if (strcmp(name, "user") == 0)
        take_text(&opt->user, value);
    else if (strcmp(name, "device-name") == 0)
        take_text(&opt->device_name, value);
    else if (strcmp(name, "provider-id") == 0)
        take_text(&p->state.provider_id, value);
    else if (strcmp(name, "ent-dmid") == 0)
        take_text(&p->state.ent_dmid, value);
}

static enum pke_err load_lines(struct probe *p, int folder, struct pke_fail *fail)
{
    struct pke_buf text PKE_CLEANUP(pke_buf_done) = {0};
    char *save = NULL;
    if (!artefact_slurp(folder, "state", FILE_MAX, &text))
        return missing(fail, "state", "is not there: no finished enrollment is in this folder");
    char *copy = pke_arena_str(p->kept, pke_buf_bytes(&text));
    for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *space = strchr(line, ' ');
        if (!space)
            continue;
        *space = '\0';
        take_line(p, line, space + 1);
    }
    return PKE_OK;
}

enum pke_err state_load(struct probe *p, struct pke_fail *fail)
{
    int folder = open(p->opt.in, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum pke_err err = folder < 0 ? missing(fail, "the folder", "is not there") : load_lines(p, folder, fail);
    if (err == PKE_OK)
        err = load_device_id(p, folder, fail);
    if (err == PKE_OK)
        err = load_pair(p, folder, fail);
    if (folder >= 0)
        close(folder);
    return err;
}

const char *state_file(const struct probe *p, const char *name)
{
    if (p->request == PROBE_ISSUE)
        return name;
    return pke_arena_printf(p->arena, "%s.%s", p->request == PROBE_RENEWAL ? "renew" : "recover", name);
}

static void write_line(struct pke_buf *out, const char *name, const char *value)
{
    if (value && *value && !strchr(value, '\n'))
        pke_buf_printf(out, "%s %s\n", name, value);
}

static void write_lines(struct probe *p)
{
    struct pke_buf out PKE_CLEANUP(pke_buf_done);
    char *ca PKE_CLEANUP(pke_free_p) = p->opt.ca_file ? realpath(p->opt.ca_file, NULL) : NULL;
    pke_buf_init(&out, FILE_MAX);
    write_line(&out, "type", p->opt.type == PROBE_DEVICE ? "device" : "full");
    pke_buf_printf(&out, "key-bits %u\n", p->key_bits);
    write_line(&out, "enroll-url", p->opt.enroll_url);
    write_line(&out, "policy-url", p->opt.policy_url);
    write_line(&out, "ca-file", ca);
    write_line(&out, "user", p->opt.user);
    write_line(&out, "device-name", p->opt.device_name);
    write_line(&out, "provider-id", p->state.provider_id);
    write_line(&out, "ent-dmid", p->state.ent_dmid);
    artefacts_replace(p->out, "state", pke_buf_bytes(&out));
}

static bool has(STACK_OF(X509) * list, const X509 *cert)
{
    for (int i = 0; i < sk_X509_num(list); i++)
        if (X509_cmp(sk_X509_value(list, i), cert) == 0)
            return true;
    return false;
}

/* A renewal may leave out what the device has already, so what came earlier stays. */
static void extend_chain(struct probe *p)
{
    if (!p->state.chain)
        p->state.chain = sk_X509_new_null();
    for (size_t i = 0; i < p->n_certs; i++) {
        X509 *cert = p->certs[i].x509;
        if (cert && strcmp(p->certs[i].store, "My") != 0 && !has(p->state.chain, cert) &&
            X509_up_ref(cert) == 1)
            sk_X509_push(p->state.chain, cert);
    }
}

static void write_pair(struct probe *p)
{
    struct pke_buf cert PKE_CLEANUP(pke_buf_done), chain PKE_CLEANUP(pke_buf_done);
    struct pke_buf key PKE_CLEANUP(pke_buf_wipe);
    pke_buf_init(&cert, FILE_MAX);
    pke_buf_init(&chain, 1u << 20);
    pke_buf_init(&key, FILE_MAX);
    csr_certificate_pem(p->state.cert, &cert);
    csr_key_pem(p->state.key, &key);
    for (int i = 0; i < sk_X509_num(p->state.chain); i++)
        csr_certificate_pem(sk_X509_value(p->state.chain, i), &chain);
    if (chain.n)
        artefacts_replace(p->out, "chain.pem", pke_buf_bytes(&chain));
    artefacts_replace(p->out, "key.pem", pke_buf_bytes(&key));
    artefacts_replace(p->out, "certificate.pem", pke_buf_bytes(&cert));
}

bool state_save(struct probe *p)
{
    if (!p->leaf || !p->key || X509_check_private_key(p->leaf, p->key) != 1)
        return false;
    extend_chain(p);
    X509_up_ref(p->leaf);
    EVP_PKEY_up_ref(p->key);
    X509_free(p->state.cert);
    EVP_PKEY_free(p->state.key);
    p->state.cert = p->leaf;
    p->state.key = p->key;
    write_pair(p);
    write_lines(p);
    if (p->request != PROBE_ISSUE)
        artefacts_remove(p->out, state_file(p, "key.pem"));
    return true;
}

void state_done(struct probe_state *state)
{
    X509_free(state->cert);
    EVP_PKEY_free(state->key);
    sk_X509_pop_free(state->chain, X509_free);
    *state = (struct probe_state){0};
}
