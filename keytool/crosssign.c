/* SPDX-License-Identifier: Apache-2.0 */
/* cross-sign: the certificate of another CA, or of the next key of the same one. */
#include <openssl/err.h>
#include <time.h>

#include "base/mem.h"
#include "keytool/subject.h"
#include "keytool/tool.h"

/* Seconds since 1970 of a certificate's time; false for what cannot be read. */
static bool seconds_of(const ASN1_TIME *t, int64_t *ret)
{
    struct tm tm;

    if (ASN1_TIME_to_tm(t, &tm) != 1)
        return false;
    *ret = (int64_t)timegm(&tm);
    return true;
}

/* May this certificate, with this key, sign another CA's now? */
static enum pke_err check_issuer(X509 *issuer, const struct ks_key *key, int64_t now, int64_t *not_after,
                                 struct pke_fail *fail)
{
    const uint32_t need = KU_KEY_CERT_SIGN;
    int64_t from;

    if (!tool_same_key(key, X509_get0_pubkey(issuer)))
        return pke_fail_set(fail, PKE_CONFIG, "key-mismatch", "RFC 5280 4.1.2.7",
                            "the key does not belong to the certificate of the signing CA");
    /* A certificate that says nothing of its usage has, for libcrypto, every one. */
    if (X509_check_ca(issuer) != 1 || !(X509_get_extension_flags(issuer) & EXFLAG_KUSAGE) ||
        (X509_get_key_usage(issuer) & need) != need)
        return pke_fail_set(fail, PKE_POLICY, "issuer-not-ca", "RFC 5280 4.2.1.9",
                            "the signing certificate is not that of a CA with keyCertSign");
    if (!X509_get0_subject_key_id(issuer))
        return pke_fail_set(fail, PKE_POLICY, "issuer-key-id", "RFC 5280 4.2.1.2",
                            "the signing certificate has no subject key identifier");
    if (!seconds_of(X509_get0_notBefore(issuer), &from) ||
        !seconds_of(X509_get0_notAfter(issuer), not_after) || from > now || *not_after < now)
        return pke_fail_set(fail, PKE_POLICY, "issuer-validity", "RFC 5280 6.1.3",
                            "the signing certificate is not valid now");
    return PKE_OK;
}

/* RFC 5280 6.1.4 (l): a self-issued certificate - the same name, a new key - does not count in the path. */
static enum pke_err settle_path_len(X509 *issuer, const struct tool_options *o, const struct tool_subject *s,
                                    struct tool_ca *ca, struct pke_fail *fail)
{
    long allowed = X509_get_pathlen(issuer);
    bool self_issued = X509_NAME_cmp(ca->subject, ca->issuer) == 0;

    ca->path_len = o->path_len >= 0 ? o->path_len : s->path_len;
    if (allowed < 0)
        return PKE_OK;
    if (allowed == 0 && !self_issued)
        return pke_fail_set(fail, PKE_POLICY, "issuer-path-len", "RFC 5280 4.2.1.9",
                            "the signing CA has path length 0: it may have no other CA below it");
    allowed -= !self_issued;
    if (ca->path_len < 0 || ca->path_len > allowed)
        return pke_fail_set(fail, PKE_POLICY, "issuer-path-len", "RFC 5280 4.2.1.9",
                            "the path length must be given and at most %ld (--path-len)", allowed);
    return PKE_OK;
}

/* No certificate outlives the one that signs it: asked for it is refused, by default it ends with it. */
static enum pke_err settle_validity(const struct tool_options *o, int64_t now, int64_t limit,
                                    struct tool_ca *ca, struct pke_fail *fail)
{
    ca->not_before = now;
    ca->not_after = now + tool_days(o) * 86400 - 1;
    if (ca->not_after <= limit)
        return PKE_OK;
    if (o->days > 0)
        return pke_fail_set(fail, PKE_POLICY, "issuer-outlived", "RFC 5280 6.1",
                            "it would outlive the signing certificate: at most --days %lld",
                            (long long)((limit + 1 - now) / 86400));
    ca->not_after = limit;
    return PKE_OK;
}

/* "permitted;DNS:corp.example,excluded;..." as libcrypto's configuration files have it. What such a file
 * would have in a section of its own ("dirName") is refused: without a context libcrypto crashes there. */
static enum pke_err parse_constraints(const char *text, NAME_CONSTRAINTS **ret, struct pke_fail *fail)
{
    X509V3_CTX ctx;
    X509_EXTENSION *e;

    X509V3_set_ctx(&ctx, NULL, NULL, NULL, NULL, 0);
    X509V3_set_ctx_nodb(&ctx);
    e = X509V3_EXT_conf_nid(NULL, &ctx, NID_name_constraints, text);
    *ret = e ? X509V3_EXT_d2i(e) : NULL;
    X509_EXTENSION_free(e);
    ERR_clear_error();
    return *ret ? PKE_OK
                : pke_fail_set(fail, PKE_MALFORMED, "name-constraints", "x509v3_config name constraints",
                               "the name constraints cannot be read");
}

/* RFC 5280 4.2.1.10: never an empty sequence. It would look like constraints and be none. */
static enum pke_err check_constraints(const NAME_CONSTRAINTS *c, struct pke_fail *fail)
{
    if (c && sk_GENERAL_SUBTREE_num(c->permittedSubtrees) <= 0 &&
        sk_GENERAL_SUBTREE_num(c->excludedSubtrees) <= 0)
        return pke_fail_set(fail, PKE_POLICY, "name-constraints", "RFC 5280 4.2.1.10",
                            "the name constraints are empty");
    return PKE_OK;
}

/* Whoever holds a key that is certified under the name of the signing CA can issue certificates and
 * revocation lists as that CA, below any path length. For the next key of the same CA that is meant; a
 * request from outside must not get it by asking. */
static enum pke_err check_name(const struct tool_options *o, const struct tool_ca *ca, struct pke_fail *fail)
{
    if (!o->subject && X509_NAME_cmp(ca->subject, ca->issuer) == 0)
        return pke_fail_set(
            fail, PKE_POLICY, "subject-own-name", "cross-sign",
            "it asks for the name of the signing CA itself: if it is the next key of that CA, say "
            "so with --subject");
    return PKE_OK;
}

static enum pke_err sign(const struct tool_options *o, struct ks_key *key, X509 *issuer,
                         const struct tool_subject *s, struct tool_ca *ca, struct pke_fail *fail)
{
    int64_t now = (int64_t)time(NULL), limit = 0;
    enum pke_err err = check_issuer(issuer, key, now, &limit, fail);

    ca->issuer = X509_get_subject_name(issuer);
    ca->aki = X509_get0_subject_key_id(issuer);
    ca->spki = pke_buf_bytes(&s->spki);
    ca->ski = s->ski;
    if (err == PKE_OK && pke_bytes_eq(ca->spki, ks_spki(key)))
        err = pke_fail_set(fail, PKE_POLICY, "subject-own-key", "cross-sign",
                           "that is the key of the signing CA itself");
    if (err == PKE_OK && ca->ski && ASN1_OCTET_STRING_cmp(ca->ski, ca->aki) == 0)
        err = pke_fail_set(fail, PKE_POLICY, "subject-key-id", "RFC 5280 4.2.1.2",
                           "it asks for the key identifier of the signing CA");
    if (err == PKE_OK)
        err = check_name(o, ca, fail);
    if (err == PKE_OK)
        err = settle_path_len(issuer, o, s, ca, fail);
    if (err == PKE_OK)
        err = settle_validity(o, now, limit, ca, fail);
    return err == PKE_OK ? tool_issue(o, key, ca, fail) : err;
}

static enum pke_err open_and_sign(const struct tool_options *o, const struct tool_subject *s,
                                  struct tool_ca *ca, struct pke_fail *fail)
{
    struct ks_key *key = NULL;
    X509 *issuer = NULL;
    enum pke_err err = tool_read_certificate(o->issuer, &issuer, fail);

    if (err == PKE_OK)
        err = tool_open_key(o, &key, fail);
    if (err == PKE_OK) {
        tool_key(key);
        tool_hash("subject-key-sha256", pke_buf_bytes(&s->spki));
        err = sign(o, key, issuer, s, ca, fail);
    }
    ks_close(key);
    X509_free(issuer);
    return err;
}

int tool_cross_sign(const struct tool_options *o)
{
    struct tool_subject s = {0};
    struct tool_ca ca = {0};
    struct pke_fail fail = {0};
    NAME_CONSTRAINTS *constraints = NULL;
    X509_NAME *subject = NULL;
    enum pke_err err;

    if (!o->csr == !o->certificate)
        return tool_usage("cross-sign needs --csr or --certificate, one of them");
    if (o->subject && tool_dn_parse(o->subject, &subject, &fail) != PKE_OK)
        return tool_usage("%s", fail.text);
    err = tool_may_write(o->out, o->force, &fail);
    if (err == PKE_OK)
        err = o->csr ? tool_subject_request(o->csr, &s, &fail)
                     : tool_subject_certificate(o->certificate, &s, &fail);
    if (err == PKE_OK && o->constraints)
        err = parse_constraints(o->constraints, &constraints, &fail);
    /* the same name in its own encoding: there are verifiers that compare octets */
    ca.subject = subject && (!s.name || X509_NAME_cmp(subject, s.name) != 0) ? subject : s.name;
    ca.constraints = constraints ? constraints : s.constraints;
    if (err == PKE_OK)
        err = check_constraints(ca.constraints, &fail);
    if (err == PKE_OK)
        err = open_and_sign(o, &s, &ca, &fail);
    NAME_CONSTRAINTS_free(constraints);
    X509_NAME_free(subject);
    tool_subject_done(&s);
    return err == PKE_OK ? TOOL_OK : tool_refuse(&fail);
}
