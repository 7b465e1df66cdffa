/* SPDX-License-Identifier: Apache-2.0 */
#include "keytool/bundle.h"

#include <stdio.h>
#include <string.h>

#include "base/encode.h"

#define LINE 64
#define TEXT (2 * KS_ATTEST_PART_MAX)

static const char *const names[KS_ATTEST_PARTS] = {
    [KS_ATTEST_AK] = "TPM ATTESTATION KEY",
    [KS_ATTEST_KEY] = "TPM CA KEY",
    [KS_ATTEST_CERTIFY] = "TPM CERTIFY ATTEST",
    [KS_ATTEST_CERTIFY_SIGNATURE] = "TPM CERTIFY SIGNATURE",
    [KS_ATTEST_CREATION_DATA] = "TPM CREATION DATA",
    [KS_ATTEST_CREATION] = "TPM CREATION ATTEST",
    [KS_ATTEST_CREATION_SIGNATURE] = "TPM CREATION SIGNATURE",
    [KS_ATTEST_EK_CERTIFICATE] = "CERTIFICATE",
};

void tool_bundle_write(const struct ks_attestation *a, struct pke_buf *out)
{
    for (size_t i = 0; i < KS_ATTEST_PARTS; i++) {
        struct pke_buf text;

        if (a->part[i].n == 0)
            continue;
        pke_buf_init(&text, TEXT);
        pke_base64_encode(pke_buf_bytes(&a->part[i]), PKE_B64_STRICT, &text);
        pke_buf_printf(out, "-----BEGIN %s-----\n", names[i]);
        for (size_t at = 0; at < text.n; at += LINE) {
            pke_buf_add(out, text.p + at, text.n - at < LINE ? text.n - at : LINE);
            pke_buf_add_u8(out, '\n');
        }
        pke_buf_printf(out, "-----END %s-----\n", names[i]);
        pke_buf_done(&text);
    }
}

/* Our own reader and not libcrypto's, which passes over text between the blocks: here every octet counts. */
static bool take_line(struct pke_cursor *c, struct pke_bytes *line)
{
    const uint8_t *end = memchr(c->p, '\n', pke_cursor_left(c));

    if (!end)
        return false;
    *line = PKE_BYTES(c->p, (size_t)(end - c->p));
    c->p = end + 1;
    return true;
}

static bool is_marker(struct pke_bytes line, const char *which, const char *name)
{
    char want[64];

    snprintf(want, sizeof want, "%s%s-----", which, name);
    return pke_bytes_eq_str(line, want);
}

/* Full lines of 64 characters but for the last one. */
static bool take_body(struct pke_cursor *c, const char *name, struct pke_buf *out)
{
    struct pke_buf text;
    struct pke_bytes line;
    bool last = false, ok = true, end = false;

    pke_buf_init(&text, TEXT);
    while (ok && !end && (ok = take_line(c, &line))) {
        end = is_marker(line, "-----END ", name);
        if (end)
            break;
        ok = !last && line.n > 0 && line.n <= LINE && pke_buf_add_bytes(&text, line) == PKE_OK;
        last = line.n < LINE;
    }
    ok = ok && end && text.n > 0 && pke_base64_decode(pke_buf_bytes(&text), PKE_B64_STRICT, out) == PKE_OK;
    pke_buf_done(&text);
    return ok;
}

enum pke_err tool_bundle_read(struct pke_bytes text, struct ks_attestation *ret, struct pke_fail *fail)
{
    struct pke_cursor c = pke_cursor_of(text);
    struct pke_bytes line;
    size_t next = 0;
    bool ok = text.n > 0;

    while (ok && pke_cursor_left(&c) > 0 && (ok = take_line(&c, &line))) {
        while (next < KS_ATTEST_PARTS && !is_marker(line, "-----BEGIN ", names[next]))
            next++;
        ok = next < KS_ATTEST_PARTS && take_body(&c, names[next], &ret->part[next]);
        next++;
    }
    return ok ? PKE_OK
              : pke_fail_set(fail, PKE_MALFORMED, "bundle", "pkienroll-keytool(8)",
                             "the file is no attestation bundle, or somebody edited it");
}
