/* SPDX-License-Identifier: Apache-2.0 */
/* Keys that no CSR may carry: the CAs' own, and those of blocked-keys. */
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "ca/facts.h"
#include "daemon/common/file.h"
#include "daemon/issuer/issuer.h"

#define LINE_SIZE 1024 /* of a comment, say */

static enum pke_err at_line(const char *path, size_t line, const struct pke_fail *why, struct pke_fail *fail)
{
    return pke_fail_set(fail, PKE_CONFIG, why->reason, why->rule, "%s:%zu: %s", path, line, why->text);
}

static enum pke_err read_lines(FILE *f, const char *path, struct ca_blocked *b, struct pke_fail *fail)
{
    char line[LINE_SIZE];
    struct pke_fail why;
    size_t number = 0;

    while (number++, fgets(line, sizeof line, f)) {
        size_t n = strlen(line);

        if (n && line[n - 1] == '\n') {
            n--;
        } else if (!feof(f)) {
            (void)pke_fail_set(&why, PKE_CONFIG, "blocked-keys-line", "blocked-keys",
                               "a NUL or more than %u characters", LINE_SIZE - 2);
            return at_line(path, number, &why, fail);
        }
        if (ca_blocked_line(b, PKE_BYTES(line, n), &why) != PKE_OK)
            return at_line(path, number, &why, fail);
    }
    if (ferror(f))
        return pke_fail_set(fail, PKE_CONFIG, "file-read", "pkienrolld.conf(5)", "cannot read %s: %s", path,
                            strerror(errno));
    return PKE_OK;
}

enum pke_err blocked_load(const char *path, struct ca_blocked **ret, struct pke_fail *fail)
{
    struct ca_blocked *b = ca_blocked_new();
    FILE *f = NULL;
    enum pke_err err = file_open_trusted(path, &f, fail);

    if (err == PKE_OK) {
        err = read_lines(f, path, b, fail);
        (void)fclose(f); /* was only read */
    }
    if (err != PKE_OK) {
        ca_blocked_free(b);
        return err;
    }
    ca_blocked_sort(b);
    *ret = b;
    return PKE_OK;
}

static void spki_digest(struct pke_bytes spki, uint8_t sha256[32])
{
    if (EVP_Digest(spki.p, spki.n, sha256, NULL, EVP_sha256(), NULL) != 1)
        pke_oom();
}

/* The root's key is in its certificate only. */
static void add_root(struct ca_blocked *b, struct pke_bytes der)
{
    struct pke_arena *arena = pke_arena_new();
    struct ca_cert_facts facts;
    struct pke_fail fail;
    uint8_t sha256[32];

    if (ca_cert_facts_read(der, arena, &facts, &fail) == PKE_OK) {
        spki_digest(facts.spki, sha256);
        ca_blocked_add(b, sha256);
    }
    pke_arena_free(arena);
}

struct ca_blocked *blocked_of_cas(const struct setup *s)
{
    struct ca_blocked *b = ca_blocked_new();

    for (size_t i = 0; i < s->n_cas; i++) {
        ca_blocked_add(b, ca_issuer_spki_sha256(s->cas[i].ca).p);
        if (ca_issuer_root_der(s->cas[i].ca).n)
            add_root(b, ca_issuer_root_der(s->cas[i].ca));
    }
    ca_blocked_sort(b);
    return b;
}

bool spki_blocked(const struct setup *s, struct pke_bytes spki)
{
    uint8_t sha256[32];

    spki_digest(spki, sha256);
    return ca_blocked_has(s->own_keys, sha256) ||
           (s->blocked_keys && ca_blocked_has(s->blocked_keys, sha256));
}
