/* SPDX-License-Identifier: Apache-2.0 */
/* The body of a renewal, under the widest rules: what is accepted, OpenSSL verifies and finds the same
 * content in it. */
#include <openssl/cms.h>
#include <openssl/err.h>
#include <string.h>

#include "ca/cms.h"
#include "tests/fuzz/fuzz.h"

static bool inside(struct pke_bytes outer, struct pke_bytes b)
{
    return b.p > outer.p && b.n > 0 && b.p + b.n <= outer.p + outer.n;
}

/* The identifier of Windows' SHA-1 with RSA (1.3.14.3.2.29), which OpenSSL does not know in CMS. */
static bool old_windows(struct pke_bytes in)
{
    static const uint8_t oiw[] = {0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1d, 0x05, 0x00, 0x04};

    for (size_t i = 0; i + sizeof oiw <= in.n; i++)
        if (memcmp(in.p + i, oiw, sizeof oiw) == 0)
            return true;
    return false;
}

static void check_by_openssl(struct pke_bytes in, struct pke_bytes content)
{
    const unsigned char *p = in.p;
    CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &p, (long)in.n);
    BIO *out = BIO_new(BIO_s_mem());
    char *got = NULL;
    long n;

    FUZZ_MUST(!cms || p == in.p + in.n);
    FUZZ_MUST(!cms || CMS_verify(cms, NULL, NULL, NULL, out, CMS_NO_SIGNER_CERT_VERIFY | CMS_BINARY) == 1);
    n = BIO_get_mem_data(out, &got);
    FUZZ_MUST(!cms || (n > 0 && pke_bytes_eq(PKE_BYTES(got, (size_t)n), content)));
    BIO_free(out);
    CMS_ContentInfo_free(cms);
    ERR_clear_error();
}

void fuzz_one(struct pke_bytes in, struct pke_arena *arena)
{
    static const struct ca_cms_rules rules = {2048, 8192, true, true};
    static const struct ca_cms_renewal nothing;
    struct ca_cms_renewal r;
    struct pke_fail fail = {0};

    if (!fuzz_said(ca_cms_renewal_read(in, &rules, arena, &r, &fail), &fail)) {
        FUZZ_MUST(memcmp(&r, &nothing, sizeof r) == 0);
        return;
    }
    FUZZ_MUST(in.n <= CA_CMS_MAX && inside(in, r.content) && inside(in, r.certificate));
    FUZZ_MUST(inside(r.certificate, r.spki) && r.content.p[0] == 0x30);
    if (!old_windows(in))
        check_by_openssl(in, r.content);
}
