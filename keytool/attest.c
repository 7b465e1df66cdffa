/* SPDX-License-Identifier: Apache-2.0 */
/* attest and attest-verify: where does the key live? */
#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/encode.h"
#include "base/mem.h"
#include "keytool/bundle.h"
#include "keytool/tool.h"
#include "keytool/x509.h"

#define CREATION_MAX 65536

static bool parse_nonce(const char *hex, uint8_t nonce[KS_ATTEST_NONCE_MAX], size_t *n)
{
    *n = KS_ATTEST_NONCE_MAX;
    return pke_hex_decode(pke_bytes_str(hex), nonce, n) && *n >= KS_ATTEST_NONCE_MIN;
}

static int bad_nonce(void)
{
    return tool_usage("--nonce: 8 to 32 octets in hexadecimal digits");
}

static void ak_fact(const struct ks_attestation *a)
{
    uint8_t name[34];
    char hex[69];

    if (!ks_attest_ak_name(a, name))
        return;
    pke_hex(PKE_BYTES(name, sizeof name), false, hex);
    tool_fact("ak", "%s", hex);
}

/* For whoever wants to bind the attestation key to the manufacturer's: that takes TPM2_ActivateCredential. */
static void ek_facts(const struct ks_attestation *a)
{
    struct pke_bytes der = pke_buf_bytes(&a->part[KS_ATTEST_EK_CERTIFICATE]);
    const uint8_t *p = der.p;
    X509 *x = der.n > 0 ? d2i_X509(NULL, &p, (long)der.n) : NULL;

    if (der.n == 0)
        tool_fact("ek-certificate", "none in the TPM");
    else
        tool_hash("ek-certificate-sha256", der);
    if (x)
        tool_name("ek-issuer", X509_get_issuer_name(x));
    X509_free(x);
    ERR_clear_error();
}

static enum pke_err write_bundle(const struct tool_options *o, const struct ks_attestation *a,
                                 struct pke_fail *fail)
{
    struct pke_buf text;
    enum pke_err err;

    pke_buf_init(&text, TOOL_FILE_MAX);
    tool_bundle_write(a, &text);
    err = tool_write_file(o->out, pke_buf_bytes(&text), 0644, o->force, fail);
    pke_buf_done(&text);
    if (err != PKE_OK)
        return err;
    tool_say("wrote %s", o->out);
    ak_fact(a);
    ek_facts(a);
    tool_hash("certified-area-sha256", pke_buf_bytes(&a->part[KS_ATTEST_KEY]));
    tool_fact("creation", "%s", a->part[KS_ATTEST_CREATION].n ? "proven, too" : "not proven: no --creation");
    return PKE_OK;
}

int tool_attest(const struct tool_options *o)
{
    uint8_t nonce[KS_ATTEST_NONCE_MAX];
    struct ks_attestation a;
    struct pke_fail fail = {0};
    struct pke_buf creation;
    struct ks_error error;
    size_t n;
    enum pke_err err;

    if (!parse_nonce(o->nonce, nonce, &n))
        return bad_nonce();
    ks_attestation_init(&a);
    pke_buf_init(&creation, CREATION_MAX);
    err = tool_may_write(o->out, o->force, &fail);
    if (err == PKE_OK && o->creation)
        err = tool_read_file(o->creation, &creation, &fail);
    if (err == PKE_OK && ks_attest(&o->config, PKE_BYTES(nonce, n), pke_buf_bytes(&creation),
                                   o->ak_hierarchy == TOOL_AK_OWNER, &a, &error) != 0)
        err = (fail = error.fail).err;
    if (err == PKE_OK)
        err = write_bundle(o, &a, &fail);
    pke_buf_done(&creation);
    ks_attestation_done(&a);
    return err == PKE_OK ? TOOL_OK : tool_refuse(&fail);
}

static void verdict(bool ok, const char *what, const char *text, void *unused)
{
    (void)unused;
    tool_verdict(ok, what, "%s", text);
}

static enum pke_err read_bundle(const char *path, struct ks_attestation *a, struct pke_fail *fail)
{
    struct pke_buf text;
    enum pke_err err;

    pke_buf_init(&text, TOOL_FILE_MAX);
    err = tool_read_file(path, &text, fail);
    if (err == PKE_OK)
        err = tool_bundle_read(pke_buf_bytes(&text), a, fail);
    pke_buf_done(&text);
    return err;
}

static int verify(const struct ks_attestation *a, struct ks_attest_expect *expect, X509 *x)
{
    uint8_t *spki = NULL;
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &spki);
    unsigned bad;

    if (n <= 0)
        pke_oom();
    expect->spki = PKE_BYTES(spki, (size_t)n);
    tool_hash("public-key-sha256", expect->spki);
    ak_fact(a);
    bad = ks_attest_verify(a, expect, verdict, NULL);
    ek_facts(a);
    tool_fact("creation", "%s", a->part[KS_ATTEST_CREATION].n ? "in the bundle" : "not in the bundle");
    OPENSSL_free(spki);
    if (bad == 0)
        tool_say("The key of the certificate lives in the TPM of that attestation key and cannot leave it.");
    else
        tool_say("%u check(s) failed.", bad);
    return bad == 0 ? TOOL_OK : TOOL_REFUSED;
}

int tool_attest_verify(const struct tool_options *o)
{
    uint8_t nonce[KS_ATTEST_NONCE_MAX], ak[34];
    struct ks_attest_expect expect = {0};
    struct ks_attestation a;
    struct pke_fail fail = {0};
    size_t n, ak_n = sizeof ak;
    X509 *x = NULL;
    int rc;

    if (!parse_nonce(o->nonce, nonce, &n))
        return bad_nonce();
    if (!pke_hex_decode(pke_bytes_str(o->ak), ak, &ak_n) || ak_n != sizeof ak)
        return tool_usage("--ak: the 34 octets that attest printed, in hexadecimal digits");
    expect.nonce = PKE_BYTES(nonce, n);
    expect.ak_name = PKE_BYTES(ak, sizeof ak);
    ks_attestation_init(&a);
    if (read_bundle(o->bundle, &a, &fail) != PKE_OK ||
        tool_read_certificate(o->certificate, &x, &fail) != PKE_OK)
        rc = tool_refuse(&fail);
    else
        rc = verify(&a, &expect, x);
    X509_free(x);
    ks_attestation_done(&a);
    return rc;
}
