/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * What does not depend on the request: the extensions of a template under an issuer, encoded once.
 */
#ifndef CA_PROFILE_H
#define CA_PROFILE_H

#include "base/list.h"
#include "ca/csr.h"
#include "ca/issuer.h"

/* Bits of keyUsage that may be issued: the first octet of the BIT STRING (RFC 5280 4.2.1.3). */
#define CA_USAGE_DIGITAL_SIGNATURE 0x80
#define CA_USAGE_NON_REPUDIATION   0x40
#define CA_USAGE_KEY_ENCIPHERMENT  0x20
#define CA_USAGE_DATA_ENCIPHERMENT 0x10
#define CA_USAGE_KEY_AGREEMENT     0x08

#define CA_URLS_MAX 8 /* of one kind */

/** Everything about a certificate that does not depend on the request. Immutable. */
struct ca_profile;

/** Lists may be NULL or empty where not said otherwise: the extension is left out then. */
struct ca_profile_spec {
    const struct pke_strings *ekus;                 /* dotted OIDs, not empty */
    uint8_t key_usage;                              /* CA_USAGE_*; those that a key cannot do are left out */
    const struct pke_strings *application_policies; /* dotted OIDs; each also in ekus */
    const struct pke_strings *policies;             /* certificate policies, dotted OIDs */
    const char *cps_uri;                            /* qualifier of each of them; NULL: none */
    const char *template_name;                      /* 1.3.6.1.4.1.311.20.2; NULL: none */
    const char *template_oid;                       /* 1.3.6.1.4.1.311.21.7; NULL: none */
    uint32_t template_major, template_minor;        /* with template_oid */
    const struct pke_strings *crl_urls;             /* in one DistributionPoint, as Windows expects them */
    const struct pke_strings *ca_issuers_urls;      /* authorityInfoAccess */
};

/**
 * The bits of @p usage that a key of this type can have: RSA no keyAgreement (RFC 3279 2.3.1), elliptic
 * curves no encipherment (RFC 5480 3, RFC 8813 3), Ed25519 signatures only (RFC 8410 5).
 */
uint8_t ca_usage_of_key(uint8_t usage, enum ca_key_type type);

/**
 * Encode the fixed extensions: keyUsage critical, extendedKeyUsage, basicConstraints critical CA:FALSE, AKI,
 * and of the others those that are asked for, none of them critical. Keeps nothing of @p ca or @p spec.
 * @return PKE_OK and *ret, or PKE_CONFIG: profile-eku (none, not an OID, repeated, anyExtendedKeyUsage),
 * profile-key-usage (no bit, or another than CA_USAGE_*), profile-application-policies (not an OID, repeated,
 * or not in ekus: CVE-2024-49019), profile-policies (not an OID, repeated, anyPolicy; cps_uri without policy
 * or not an http URI), profile-template (name not 1 to 64 characters of the basic plane, not an OID, name and
 * OID), profile-urls (more than CA_URLS_MAX, repeated, not an http or ldap URI), profile-size.
 */
enum pke_err ca_profile_new(const struct ca_issuer *ca, const struct ca_profile_spec *spec,
                            struct ca_profile **ret, struct pke_fail *fail);
void ca_profile_free(struct ca_profile *p); /* accepts NULL */

/**
 * Value of the template's extension, appended to @p out; *oid is the extension. Nothing and NULL when the
 * spec has no template. For the floor, which lets through the configured ones.
 * @return PKE_OK or PKE_CONFIG: profile-template.
 */
enum pke_err ca_profile_template(const struct ca_profile_spec *spec, struct pke_buf *out, const char **oid,
                                 struct pke_fail *fail);

#endif
