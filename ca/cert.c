/* SPDX-License-Identifier: Apache-2.0 */
/* The only place where a certificate is written. */
#include "ca/cert.h"

#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ca/der.h"
#include "ca/extension.h"
#include "ca/key.h"
#include "ca/names.h"
#include "ca/oids.h"

static bool subject_empty(const struct ca_cert_spec *spec)
{
    return !spec->subject || spec->subject->n == 0;
}

static enum pke_err check_spec(const struct ca_cert_spec *spec, struct ca_key *key, struct pke_fail *fail)
{
    struct ca_der spki;

    if (spec->serial[0] < 0x01 || spec->serial[0] > 0x7f)
        return pke_fail_set(fail, PKE_POLICY, "tbs-serial", "RFC 5280 4.1.2.2",
                            "the first octet of the serial number is not from 01 to 7f");
    if (subject_empty(spec) && !(spec->san && spec->san->n))
        return pke_fail_set(fail, PKE_POLICY, "tbs-nameless", "RFC 5280 4.1.2.6",
                            "neither a subject nor an alternative name");
    if (spec->not_after <= spec->not_before)
        return pke_fail_set(fail, PKE_POLICY, "tbs-validity", "RFC 5280 4.1.2.5",
                            "the certificate would end before it begins");
    if (!ca_der_whole(spec->spki, CA_DER_SEQUENCE, &spki) || !ca_der_strict(spec->spki) ||
        ca_key_decode(spec->spki, key, NULL))
        return pke_fail_set(fail, PKE_POLICY, "tbs-key", "RFC 5280 4.1.2.7",
                            "the key is not of a known type");
    return PKE_OK;
}

static enum pke_err add_san(struct pke_buf *b, const struct ca_cert_spec *spec, struct pke_fail *fail)
{
    struct ca_extension e;
    enum pke_err err;

    if (!spec->san || spec->san->n == 0)
        return PKE_OK;
    e = ca_extension_open(b, OID_SAN, subject_empty(spec)); /* RFC 5280 4.2.1.6 */
    err = ca_san_encode(spec->san, b, fail);
    ca_extension_close(b, e);
    return err;
}

static enum pke_err add_sid(struct pke_buf *b, const char *sid, struct pke_fail *fail)
{
    struct ca_extension e;
    enum pke_err err;

    if (!sid)
        return PKE_OK;
    e = ca_extension_open(b, OID_SID, false);
    err = ca_sid_encode(sid, b, fail);
    ca_extension_close(b, e);
    return err;
}

static enum pke_err add_extensions(struct pke_buf *b, const struct ca_profile *profile,
                                   const struct ca_cert_spec *spec, const struct ca_key *key,
                                   struct pke_fail *fail)
{
    size_t outer = ca_der_open(b, CA_DER_CONTEXT_3), list = ca_der_open(b, CA_DER_SEQUENCE);
    struct pke_bytes head = ca_profile_head(profile, key->type);
    uint8_t id[20];
    struct ca_extension e;
    enum pke_err err;

    if (head.n == 0)
        return pke_fail_set(fail, PKE_POLICY, "tbs-key-usage", "RFC 5280 4.2.1.3",
                            "the template has no key usage for a key of this type");
    pke_buf_add_bytes(b, head);
    ca_key_identifier(key, id);
    e = ca_extension_open(b, OID_SKI, false);
    ca_der_add(b, CA_DER_OCTET_STRING, PKE_BYTES(id, sizeof id));
    ca_extension_close(b, e);
    pke_buf_add_bytes(b, ca_profile_aki(profile));
    if ((err = add_san(b, spec, fail)) || (err = add_sid(b, spec->sid, fail)))
        return err;
    pke_buf_add_bytes(b, ca_profile_tail(profile));
    ca_der_close(b, list);
    ca_der_close(b, outer);
    return PKE_OK;
}

static enum pke_err add_tbs(struct pke_buf *b, const struct ca_issuer *ca, const struct ca_profile *profile,
                            const struct ca_cert_spec *spec, const struct ca_key *key, struct pke_fail *fail)
{
    static const uint8_t v3[] = {0xa0, 0x03, 0x02, 0x01, 0x02};
    size_t whole = ca_der_open(b, CA_DER_SEQUENCE), validity;
    enum pke_err err;

    pke_buf_add(b, v3, sizeof v3);
    ca_der_add(b, CA_DER_INTEGER, PKE_BYTES(spec->serial, CA_SERIAL_SIZE)); /* first octet 01..7f */
    pke_buf_add_bytes(b, ca_issuer_algorithm(ca));
    pke_buf_add_bytes(b, ca_issuer_subject(ca));
    validity = ca_der_open(b, CA_DER_SEQUENCE);
    if (!ca_der_add_time(b, spec->not_before) || !ca_der_add_time(b, spec->not_after))
        return pke_fail_set(fail, PKE_POLICY, "tbs-validity", "RFC 5280 4.1.2.5",
                            "a date is outside the years 1950 to 9999");
    ca_der_close(b, validity);
    if ((err = ca_subject_encode(spec->subject, b, fail)))
        return err;
    pke_buf_add_bytes(b, spec->spki);
    if ((err = add_extensions(b, profile, spec, key, fail)))
        return err;
    ca_der_close(b, whole);
    return PKE_OK;
}

enum pke_err ca_tbs_build(const struct ca_issuer *ca, const struct ca_profile *profile,
                          const struct ca_cert_spec *spec, struct pke_buf *out, struct pke_fail *fail)
{
    struct pke_buf b;
    struct ca_key key;
    enum pke_err err = check_spec(spec, &key, fail);

    if (err)
        return err;
    pke_buf_init(&b, CA_TBS_MAX);
    if ((err = add_tbs(&b, ca, profile, spec, &key, fail)) != PKE_OK)
        ; /* said already */
    else if (b.overflow)
        err = pke_fail_set(fail, PKE_POLICY, "tbs-size", "limit", "the certificate exceeds %u octets",
                           CA_TBS_MAX);
    else if (pke_buf_add_bytes(out, pke_buf_bytes(&b)))
        err = pke_fail_set(fail, PKE_LIMIT, "tbs-size", "limit", "no room for the certificate");
    pke_buf_done(&b);
    return err;
}

enum pke_err ca_cert_assemble(const struct ca_issuer *ca, struct pke_bytes tbs, struct pke_bytes signature,
                              struct pke_buf *out)
{
    struct pke_buf b;
    enum pke_err err;
    size_t whole;

    pke_buf_init(&b, CA_TBS_MAX + 4096);
    whole = ca_der_open(&b, CA_DER_SEQUENCE);
    pke_buf_add_bytes(&b, tbs);
    pke_buf_add_bytes(&b, ca_issuer_algorithm(ca));
    /* By hand: ASN1_BIT_STRING drops trailing zero bits, and 4 in 10 certificates would not verify. */
    ca_der_add_bits(&b, signature);
    ca_der_close(&b, whole);
    err = b.overflow ? PKE_LIMIT : pke_buf_add_bytes(out, pke_buf_bytes(&b));
    pke_buf_done(&b);
    return err;
}

void ca_serial_new(uint8_t node, uint8_t out[CA_SERIAL_SIZE])
{
    if (node < 0x01 || node > 0x7f || RAND_bytes(out + 1, CA_SERIAL_SIZE - 1) != 1)
        abort(); /* a guessable or negative serial number must not exist */
    out[0] = node;
}
