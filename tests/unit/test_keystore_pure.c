/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of keystore/ that need no token: URI rules, CKR classes, DigestInfo, signature forms, public
 * keys, files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <p11-kit/pkcs11.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/mem.h"
#include "keystore/algorithm.h"
#include "keystore/rv.h"
#include "keystore/sigfmt.h"
#include "keystore/uri.h"

static void uri_accepts_what_names_one_key(void **state)
{
    static const char *const good[] = {
        "pkcs11:token=pki;object=issuing-ca",
        "pkcs11:serial=88a94ab4684c7b67;id=%01%02%00",
        "pkcs11:token=pki;serial=88a94ab4684c7b67;object=ca;type=private",
        "pkcs11:manufacturer=SoftHSM%20project;model=SoftHSM%20v2;token=a%20b;object=x;id=%ff",
        "pkcs11:token=a&b;object=(c)",
    };
    (void)state;
    for (size_t i = 0; i < PKE_LEN(good); i++) {
        struct pke_fail fail = {0};

        if (ks_uri_check(good[i], &fail) != PKE_OK)
            fail_msg("%s: %s", good[i], fail.text);
    }
}

static void uri_refuses_the_rest(void **state)
{
    static const struct {
        const char *uri, *says;
    } bad[] = {
        {"", "starts with"},
        {"PKCS11:token=a;object=b", "starts with"},
        {"tpm:file=/x", "starts with"},
        {"pkcs11:", "name the token"},
        {"pkcs11:object=b", "name the token"},
        {"pkcs11:manufacturer=m;object=b", "name the token"},
        {"pkcs11:token=a", "name the key"},
        {"pkcs11:token=a;type=private", "name the key"},
        {"pkcs11:token=a;token=a;object=b", "given twice"},
        {"pkcs11:token=a;object=b;object=c", "given twice"},
        {"pkcs11:token=a;object=b;colour=red", "unknown attribute"},
        {"pkcs11:token=a;object=b;x-vendor=1", "unknown attribute"},
        {"pkcs11:token=a;object=b;library-description=x", "unknown attribute"},
        {"pkcs11:token=a;object=b;slot-id=3", "slot-id"},
        {"pkcs11:token=a;object=", "no value"},
        {"pkcs11:token;object=b", "no value"},
        {"pkcs11:token=a;id=;object=b", "no value"},
        {"pkcs11:token=a;;object=b", "empty attribute"},
        {"pkcs11:;token=a;object=b", "empty attribute"},
        {"pkcs11:token=a;object=b;", "empty attribute"},
        {"pkcs11:token=a b;object=b", "percent-encoded"},
        {"pkcs11:token=a\n;object=b", "percent-encoded"},
        {"pkcs11:token=a/b;object=b", "percent-encoded"},
        {"pkcs11:token=a;object=b#f", "percent-encoded"},
        {"pkcs11:token=\xc3\xa4;object=b", "percent-encoded"},
        {"pkcs11:token=a%0;object=b", "percent-encoding"},
        {"pkcs11:token=a%zz;object=b", "percent-encoding"},
        {"pkcs11:token=a%00b;object=b", "NUL"},
        {"pkcs11:token=a;object=b%00", "NUL"},
        {"pkcs11:token=123456789012345678901234567890123;object=b", "too long"},
        {"pkcs11:serial=12345678901234567;object=b", "too long"},
        {"pkcs11:token=a;object=b;type=public", "type="},
        {"pkcs11:token=a;object=b;type=cert", "type="},
        {"pkcs11:token=a;object=b;type=strange", "too long or unknown"},
        {"pkcs11:token=a;object=b?pin-value=1234", "pin-value"},
        {"pkcs11:token=a;object=b?pin-source=file:/etc/pin", "pin-source"},
        {"pkcs11:token=a;object=b?pin-source=|cat%20/etc/pin", "pin-source"},
        {"pkcs11:token=a;object=b?module-path=/tmp/evil.so", "module"},
        {"pkcs11:token=a;object=b?module-name=evil", "module"},
        {"pkcs11:token=a;object=b?x=y", "query"},
        {"pkcs11:token=a;object=b?", "query"},
    };
    (void)state;
    for (size_t i = 0; i < PKE_LEN(bad); i++) {
        struct pke_fail fail = {0};

        if (ks_uri_check(bad[i].uri, &fail) != PKE_CONFIG || !strstr(fail.text, bad[i].says))
            fail_msg("\"%s\": %s", bad[i].uri, fail.text[0] ? fail.text : "accepted");
        assert_string_equal(fail.reason, "key-uri");
        assert_non_null(strstr(fail.rule, "RFC 7512"));
        assert_null(strstr(fail.text, "1234")); /* not the PIN */
    }
}

static void uri_gives_label_and_binary_id(void **state)
{
    struct ks_uri uri;
    struct pke_fail fail = {0};

    (void)state;
    assert_int_equal(ks_uri_parse("pkcs11:token=t%20k;object=a%3bb;id=%00%01", &uri, &fail), PKE_OK);
    assert_true(pke_bytes_eq_str(uri.label, "a;b"));
    assert_true(pke_bytes_eq(uri.id, PKE_BYTES("\0\1", 2)));
    ks_uri_done(&uri);
}

static void uri_matches_tokens(void **state)
{
    struct ks_uri uri;
    struct pke_fail fail = {0};
    CK_TOKEN_INFO info = {0};

    (void)state;
    assert_int_equal(ks_uri_parse("pkcs11:token=t%20k;serial=0001;object=x", &uri, &fail), PKE_OK);
    memset(info.label, ' ', sizeof info.label);
    memcpy(info.label, "t k", 3);
    memset(info.serialNumber, ' ', sizeof info.serialNumber);
    memcpy(info.serialNumber, "0001", 4);
    assert_true(ks_uri_match_token(&uri, &info));
    info.serialNumber[3] = '2';
    assert_false(ks_uri_match_token(&uri, &info));
    info.serialNumber[3] = '1';
    info.label[3] = 'k';
    assert_false(ks_uri_match_token(&uri, &info));
    ks_uri_done(&uri);
}

static void rv_classes(void **state)
{
    /* Numbers on purpose: a table that is checked against itself proves nothing. */
    static const struct {
        enum ks_class cls;
        uint64_t rv[12];
    } rows[] = {
        {KS_OK, {0x100}},
        {KS_SESSION, {0xb3, 0xb0, 0x101, 0x82, 0x60, 0x90, 0x91}},
        {KS_TOKEN, {0x32, 0xe0, 0xe1, 0x3, 0x30, 0x5, 0x6, 0x190, 0x104, 0x80000001, 0xdeadbeef}},
        {KS_TRANSIENT, {0x1, 0x2, 0x31, 0xb1, 0x50}},
        {KS_AUTH, {0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0x102, 0x1b0, 0x1b1, 0x1c3}},
        {KS_PERMANENT, {0x70, 0x71, 0x63, 0x68, 0x7, 0x54, 0x12, 0x150, 0x191, 0xd1, 0x1c1, 0x7fffffff}},
        {KS_PERMANENT, {0xa, 0x10, 0x11, 0x13, 0x1b, 0x20, 0x21, 0x62, 0xb5, 0xe2, 0x103, 0x130}},
    };
    (void)state;
    assert_int_equal(ks_rv_class(0), KS_OK);
    for (size_t i = 0; i < PKE_LEN(rows); i++)
        for (size_t j = 0; j < PKE_LEN(rows[i].rv) && rows[i].rv[j]; j++)
            if (ks_rv_class(rows[i].rv[j]) != rows[i].cls)
                fail_msg("0x%llx is class %d, must be %d", (unsigned long long)rows[i].rv[j],
                         ks_rv_class(rows[i].rv[j]), rows[i].cls);
}

static void rv_failures_name_call_and_code(void **state)
{
    struct ks_error e;

    (void)state;
    assert_int_equal(ks_rv_fail(&e, "C_Login", 0xa0), -1);
    assert_int_equal(e.cls, KS_AUTH);
    assert_int_equal(e.raw, 0xa0);
    assert_int_equal(e.fail.err, PKE_KEY_LOCKED);
    assert_string_equal(e.fail.text, "C_Login returned CKR_PIN_INCORRECT (0xa0)");
    assert_string_equal(e.fail.rule, "PKCS#11 C_Login");
    ks_rv_fail(&e, "C_Sign", 0x30);
    assert_int_equal(e.fail.err, PKE_KEY_DOWN);
    ks_rv_fail(&e, "C_SignInit", 0x70);
    assert_int_equal(e.fail.err, PKE_CONFIG);
    ks_rv_fail(&e, "C_Sign", 0x80000007);
    assert_string_equal(e.fail.text, "C_Sign returned a vendor code (0x80000007)");
    ks_rv_fail(&e, "C_Sign", 0x7777);
    assert_string_equal(e.fail.text, "C_Sign returned an unknown code (0x7777)");
    ks_rv_fail(&e, "C_Sign", 0x100); /* success only for C_Login */
    assert_int_equal(e.cls, KS_PERMANENT);
}

/* What operators see of a device's own code. */
static void raw_codes_as_text(void **state)
{
    char text[128], little[16];

    (void)state;
    ks_raw_text(KS_PKCS11, 0xa0, text, sizeof text);
    assert_string_equal(text, "0x000000a0 CKR_PIN_INCORRECT");
    ks_raw_text(KS_PKCS11, 0x80000007, text, sizeof text);
    assert_string_equal(text, "0x80000007");
    ks_raw_text(KS_TPM2, 0x9a2, text, sizeof text);
    assert_non_null(strstr(text, "0x000009a2 tpm:session(1):"));
    ks_raw_text(KS_TPM2, 0xa000a, text, sizeof text);
    assert_non_null(strstr(text, "0x000a000a tcti:"));
    ks_raw_text(KS_FILE, 1, text, sizeof text);
    assert_string_equal(text, "0x00000001");
    ks_raw_text(KS_TPM2, 0, text, sizeof text);
    assert_string_equal(text, "");
    ks_raw_text(KS_PKCS11, 0xa0, little, sizeof little);
    assert_string_equal(little, "0x000000a0 CKR_");
}

/* RFC 8017 9.2 note 1 and FIPS 180 "abc". */
static void digestinfo_vectors(void **state)
{
    static const struct {
        enum ks_digest digest;
        const char *hex;
    } rows[] = {
        {KS_SHA256, "3031300d060960864801650304020105000420"
                    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {KS_SHA384, "3041300d060960864801650304020205000430"
                    "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
                    "8086072ba1e7cc2358baeca134c825a7"},
    };
    (void)state;
    for (size_t i = 0; i < PKE_LEN(rows); i++) {
        uint8_t der[KS_DIGESTINFO_MAX];
        char hex[2 * KS_DIGESTINFO_MAX + 1];
        struct ks_hash hash;

        assert_true(ks_hash_message(rows[i].digest, pke_bytes_str("abc"), &hash));
        pke_hex(PKE_BYTES(der, ks_digestinfo(&hash, der)), false, hex);
        assert_string_equal(hex, rows[i].hex);
    }
    assert_false(ks_hash_message((enum ks_digest)9, pke_bytes_str("abc"), &(struct ks_hash){0}));
}

static void ecdsa_forms(void **state)
{
    static const struct {
        const char *raw;
        size_t order;
        const char *der; /* NULL: refused */
    } rows[] = {
        {"0102", 1, "3006020101020102"},
        {"8001", 1, "300702020080020101"}, /* high bit: INTEGER stays positive */
        {"0001"
         "0002",
         2, "3006020101020102"},          /* leading zeros dropped */
        {"0102", 32, "3006020101020102"}, /* halves shorter than the order */
        {"0000", 1, NULL},
        {"0001", 1, NULL},
        {"0100", 1, NULL}, /* r or s = 0 */
        {"010203", 2, NULL},
        {"", 32, NULL},
        {"01020304", 1, NULL},
    };
    (void)state;
    for (size_t i = 0; i < PKE_LEN(rows); i++) {
        uint8_t raw[16];
        size_t n = sizeof raw;
        struct pke_buf out;
        char hex[200] = "";
        bool ok;

        pke_buf_init(&out, 64);
        assert_true(pke_hex_decode(pke_bytes_str(rows[i].raw), raw, &n));
        ok = ks_ecdsa_der(PKE_BYTES(raw, n), rows[i].order, &out);
        if (ok)
            pke_hex(pke_buf_bytes(&out), false, hex);
        if (ok != (rows[i].der != NULL) || (ok && strcmp(hex, rows[i].der) != 0))
            fail_msg("%s: %d %s", rows[i].raw, ok, hex);
        pke_buf_done(&out);
    }
}

static void algorithms_are_a_closed_list(void **state)
{
    static const struct {
        const char *type, *group;
        size_t bits;
        const char *name; /* NULL: refused */
    } rows[] = {
        {"RSA", NULL, 2048, "RSA-2048"}, {"RSA", NULL, 1024, NULL},       {"RSA", NULL, 2056, NULL},
        {"EC", "P-256", 0, "P-256"},     {"EC", "P-384", 0, "P-384"},     {"EC", "P-521", 0, NULL},
        {"EC", "secp256k1", 0, NULL},    {"ED25519", NULL, 0, "Ed25519"}, {"ED448", NULL, 0, NULL},
    };
    (void)state;
    for (size_t i = 0; i < PKE_LEN(rows); i++) {
        const struct ks_algorithm_info *a;
        EVP_PKEY *k = rows[i].group  ? EVP_PKEY_Q_keygen(NULL, NULL, rows[i].type, rows[i].group)
                      : rows[i].bits ? EVP_PKEY_Q_keygen(NULL, NULL, rows[i].type, rows[i].bits)
                                     : EVP_PKEY_Q_keygen(NULL, NULL, rows[i].type);

        assert_non_null(k);
        a = ks_algorithm_of(k);
        if ((a ? a->name : NULL) != NULL)
            assert_string_equal(a->name, rows[i].name ? rows[i].name : "refused");
        else
            assert_null(rows[i].name);
        EVP_PKEY_free(k);
    }
    assert_null(ks_algorithm_info((enum ks_key_algorithm)99));
}

static void public_keys_from_token_values(void **state)
{
    EVP_PKEY *k = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256"), *back;
    const struct ks_algorithm_info *p256 = ks_algorithm_info(KS_P256);
    uint8_t point[67] = {0x04, 65};
    size_t n = 0;

    (void)state;
    assert_non_null(k);
    assert_int_equal(EVP_PKEY_get_octet_string_param(k, "pub", point + 2, 65, &n), 1);
    assert_int_equal(n, 65);
    back = ks_public_ec(p256, PKE_BYTES(point, 67)); /* DER OCTET STRING */
    assert_int_equal(EVP_PKEY_eq(back, k), 1);
    EVP_PKEY_free(back);
    back = ks_public_ec(p256, PKE_BYTES(point + 2, 65)); /* bare */
    assert_int_equal(EVP_PKEY_eq(back, k), 1);
    EVP_PKEY_free(back);
    assert_null(ks_public_ec(p256, PKE_BYTES(point, 66)));
    assert_null(ks_public_ec(p256, PKE_BYTES(NULL, 0)));
    assert_null(ks_public_ec(ks_algorithm_info(KS_P384), PKE_BYTES(point, 67)));
    point[66] ^= 1;
    assert_null(ks_public_ec(p256, PKE_BYTES(point, 67))); /* not on the curve */
    assert_null(ks_public_rsa(PKE_BYTES(NULL, 0), PKE_BYTES("\1\0\1", 3)));
    EVP_PKEY_free(k);
}

static void ed25519_from_token_values(void **state)
{
    EVP_PKEY *k = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), *back;
    uint8_t raw[32], octets[34] = {0x04, 32}, bits[35] = {0x03, 33, 0};
    const struct pke_bytes good[] = {{raw, 32}, {octets, 34}, {bits, 35}};
    size_t n = sizeof raw;

    (void)state;
    assert_int_equal(EVP_PKEY_get_raw_public_key(k, raw, &n), 1);
    memcpy(octets + 2, raw, 32);
    memcpy(bits + 3, raw, 32);
    for (size_t i = 0; i < PKE_LEN(good); i++) {
        back = ks_public_ed(good[i]);
        assert_non_null(back);
        assert_int_equal(EVP_PKEY_eq(k, back), 1);
        EVP_PKEY_free(back);
        assert_null(ks_public_ed(PKE_BYTES(good[i].p, good[i].n - 1)));
    }
    bits[2] = 1;
    assert_null(ks_public_ed(PKE_BYTES(bits, sizeof bits)));
    octets[0] = 0x03;
    assert_null(ks_public_ed(PKE_BYTES(octets, sizeof octets)));
    assert_ptr_equal(ks_algorithm_of_params(ks_ed25519_name), ks_algorithm_info(KS_ED25519));
    assert_ptr_equal(ks_algorithm_of_params(PKE_BYTES("\6\3\x2b\x65\x70", 5)), ks_algorithm_info(KS_ED25519));
    assert_null(ks_algorithm_of_params(PKE_BYTES("\6\3\x2b\x65\x71", 5))); /* Ed448 */
    EVP_PKEY_free(k);
}

static char *write_pem(EVP_PKEY *k, mode_t mode)
{
    char *path = pke_strdup("/tmp/pke-keystore-XXXXXX");
    int fd = mkstemp(path);
    FILE *f;

    assert_true(fd >= 0);
    assert_int_equal(fchmod(fd, mode), 0);
    f = fdopen(fd, "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_PrivateKey(f, k, NULL, NULL, 0, NULL, NULL), 1);
    assert_int_equal(fclose(f), 0);
    return path;
}

static void file_backend(void **state)
{
    EVP_PKEY *k = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384"),
             *other = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384");
    char *path = write_pem(k, 0600), *loose = write_pem(k, 0640);
    struct ks_config config = {.backend = KS_FILE, .uri = path};
    struct ks_key *key;
    struct ks_error e;
    struct pke_buf sig;
    struct ks_hash hash;
    uint8_t *der = NULL;
    int n;

    (void)state;
    assert_int_equal(ks_open(&config, PKE_BYTES(NULL, 0), &key, &e), -1);
    assert_string_equal(e.fail.reason, "key-attributes");
    config.allow_weak = true;
    n = i2d_PUBKEY(other, &der);
    assert_int_equal(ks_open(&config, PKE_BYTES(der, (size_t)n), &key, &e), -1);
    assert_string_equal(e.fail.reason, "key-mismatch");
    assert_null(key);
    OPENSSL_free(der);
    assert_int_equal(ks_open(&config, PKE_BYTES(NULL, 0), &key, &e), 0);
    assert_string_equal(ks_algorithm(key), "P-384");
    pke_buf_init(&sig, 4096);
    assert_int_equal(ks_sign(key, KS_SHA384, pke_bytes_str("message"), &sig, &e), 0);
    assert_true(ks_hash_message(KS_SHA384, pke_bytes_str("message"), &hash));
    assert_true(ks_verify(k, &hash, pke_buf_bytes(&sig)));
    sig.p[sig.n - 1] ^= 1;
    assert_false(ks_verify(k, &hash, pke_buf_bytes(&sig)));
    pke_buf_done(&sig);
    assert_int_equal(ks_recover(key, &(struct ks_error){.cls = KS_SESSION}, &e), 0);
    assert_int_equal(ks_recover(key, &(struct ks_error){.cls = KS_AUTH}, &e), -1);
    assert_int_equal(ks_recover(key, &(struct ks_error){.cls = KS_SESSION}, &e), -1); /* latched */
    assert_int_equal(e.cls, KS_AUTH);
    ks_close(key);
    config.uri = loose;
    assert_int_equal(ks_open(&config, PKE_BYTES(NULL, 0), &key, &e), -1);
    assert_string_equal(e.fail.reason, "secret-mode");
    unlink(path);
    unlink(loose);
    free(path);
    free(loose);
    EVP_PKEY_free(k);
    EVP_PKEY_free(other);
}

/* Schemes by option: what fits signs, and verifies with the padding of that scheme only. */
static void schemes_are_asked_for(void **state)
{
    static const struct {
        const char *type;
        enum ks_signature signature;
        bool fits;
    } rows[] = {
        {"RSA", KS_SIGNATURE_DEFAULT, true},      {"RSA", KS_SIGNATURE_RSA_PSS, true},
        {"RSA", KS_SIGNATURE_ED25519, false},     {"EC", KS_SIGNATURE_DEFAULT, true},
        {"EC", KS_SIGNATURE_RSA_PSS, false},      {"EC", KS_SIGNATURE_ED25519, false},
        {"ED25519", KS_SIGNATURE_DEFAULT, false}, {"ED25519", KS_SIGNATURE_RSA_PSS, false},
        {"ED25519", KS_SIGNATURE_ED25519, true},
    };
    (void)state;
    for (size_t i = 0; i < PKE_LEN(rows); i++) {
        EVP_PKEY *k = rows[i].type[0] == 'R'   ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048)
                      : rows[i].type[1] == 'C' ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256")
                                               : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
        char *path = write_pem(k, 0600);
        struct ks_config config = {
            .backend = KS_FILE, .uri = path, .allow_weak = true, .signature = rows[i].signature};
        struct ks_key *key = NULL;
        struct ks_hash hash;
        struct ks_error e;
        struct pke_buf sig;

        pke_buf_init(&sig, 4096);
        assert_int_equal(ks_open(&config, PKE_BYTES(NULL, 0), &key, &e), rows[i].fits ? 0 : -1);
        if (!rows[i].fits) {
            assert_string_equal(e.fail.reason, "key-signature");
            assert_int_equal(e.cls, KS_PERMANENT);
        } else {
            assert_int_equal(ks_signature_of(key), rows[i].signature);
            assert_int_equal(ks_sign(key, KS_SHA256, pke_bytes_str("message"), &sig, &e), 0);
            assert_true(ks_hash_message(KS_SHA256, pke_bytes_str("message"), &hash));
            for (int s = KS_SIGNATURE_DEFAULT; s <= KS_SIGNATURE_ED25519; s++) {
                hash.signature = (enum ks_signature)s;
                assert_int_equal(ks_verify(k, &hash, pke_buf_bytes(&sig)),
                                 hash.signature == rows[i].signature);
            }
        }
        ks_close(key);
        pke_buf_done(&sig);
        unlink(path);
        free(path);
        EVP_PKEY_free(k);
    }
}

/* Salt of another length than the digest's is not what the certificate would say (RFC 4055 3.1). */
static void pss_with_another_salt_does_not_verify(void **state)
{
    static const int salts[] = {0, 20, 31, 32, 33, 222};
    EVP_PKEY *k = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
    struct ks_hash hash;

    (void)state;
    assert_true(ks_hash_message(KS_SHA256, pke_bytes_str("message"), &hash));
    hash.signature = KS_SIGNATURE_RSA_PSS;
    for (size_t i = 0; i < PKE_LEN(salts); i++) {
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(k, NULL);
        uint8_t sig[256];
        size_t n = sizeof sig;

        assert_true(EVP_PKEY_sign_init(ctx) == 1 && EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1 &&
                    EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
                    EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, salts[i]) == 1 &&
                    EVP_PKEY_sign(ctx, sig, &n, hash.value, hash.n) == 1);
        assert_int_equal(ks_verify(k, &hash, PKE_BYTES(sig, n)), salts[i] == 32);
        EVP_PKEY_CTX_free(ctx);
    }
    EVP_PKEY_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uri_accepts_what_names_one_key),
        cmocka_unit_test(uri_refuses_the_rest),
        cmocka_unit_test(uri_gives_label_and_binary_id),
        cmocka_unit_test(uri_matches_tokens),
        cmocka_unit_test(rv_classes),
        cmocka_unit_test(rv_failures_name_call_and_code),
        cmocka_unit_test(raw_codes_as_text),
        cmocka_unit_test(digestinfo_vectors),
        cmocka_unit_test(ecdsa_forms),
        cmocka_unit_test(algorithms_are_a_closed_list),
        cmocka_unit_test(public_keys_from_token_values),
        cmocka_unit_test(ed25519_from_token_values),
        cmocka_unit_test(file_backend),
        cmocka_unit_test(schemes_are_asked_for),
        cmocka_unit_test(pss_with_another_salt_does_not_verify),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
