/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The floor: what no policy may ever ask a CA key to sign. Runs in the key role over the whole to-be-signed
 * bytes, so that a compromised issuer gets neither a sub-CA nor a name outside the bounds of its
 * configuration. A pure function but for the memory of recent serials.
 */
#ifndef CA_FLOOR_H
#define CA_FLOOR_H

#include "base/list.h"
#include "ca/issuer.h"

struct ca_floor;

/** A template whose certificates this key signs. */
struct ca_floor_template {
    const char *name, *oid; /* of its extension, as in struct ca_profile_spec; both NULL: it has none */
    uint32_t major, minor;
    uint8_t key_usage;   /* CA_USAGE_* */
    const char *cps_uri; /* NULL: none */
};

/** Everything that may be in a certificate. What is not said here is refused. */
struct ca_floor_limits {
    const char *issuer;   /* its name in the configuration, for what is said of a refusal; not NULL */
    int64_t max_validity; /* seconds */
    int64_t max_backdate; /* seconds */
    struct pke_strings allowed_ekus;
    enum ca_scheme scheme;               /* of the CA's key: no other AlgorithmIdentifier is let through */
    struct pke_strings allowed_policies; /* certificate policies */
    struct pke_strings upn_suffixes, email_suffixes; /* "corp.example": that domain; ".corp.example": below */
    struct pke_strings dns_suffixes;                 /* "corp.example": that name and below */
    struct pke_strings sid_prefixes; /* "S-1-5-21-1-2-3": accounts of the domain from RID 1000, or one SID */
    struct pke_strings uri_prefixes; /* each pke_uri_bound() */
    bool allow_guid;                 /* directory GUIDs as names */
    struct pke_strings crl_urls, ca_issuers_urls; /* exactly these, in this order, where there are any;
                                                     but see ca_floor_expect() */
    const struct ca_floor_template *templates;
    size_t n_templates;
};

/**
 * Load the issuer's certificate from PEM and copy @p limits. PKE_CONFIG when the certificate cannot be used
 * (ca_issuer_load), when a bound could match something else than what was meant (floor-bounds), when a
 * template has no encoding (profile-template).
 */
enum pke_err ca_floor_new(struct pke_bytes certificate_pem, const struct ca_floor_limits *limits,
                          struct ca_floor **ret, struct pke_fail *fail);
void ca_floor_free(struct ca_floor *f); /* accepts NULL */

/**
 * A reload is one moment for nobody: what was built by the configuration that another process had may come
 * until @p until (seconds). Of @p next, to be followed soon, or @p before, which @p f takes the place of,
 * both lists of addresses are let through as well; every other bound is that of @p f alone. Nothing happens
 * when they are for another CA key. ca_floor_follow() takes over the memory of serials, too. The last call
 * counts.
 */
void ca_floor_expect(struct ca_floor *f, const struct ca_floor *next, int64_t until);
void ca_floor_follow(struct ca_floor *f, const struct ca_floor *before, int64_t until);

/**
 * Are these alternative names (kinds of base/names.h), and the account @p sid (NULL: none), within the bounds
 * of names in @p l? A kind without bounds is not. PKE_POLICY with what ca_floor_check() says.
 */
enum pke_err ca_floor_names_within(const struct ca_floor_limits *l, const struct pke_pairs *san,
                                   const char *sid, struct pke_fail *fail);

/** The CA certificate's public key: the only source of it. Borrowed. */
EVP_PKEY *ca_floor_public_key(const struct ca_floor *f);

/** The CA itself, for ca_cert_verify() of what was just signed; it has no root. Borrowed. */
const struct ca_issuer *ca_floor_issuer(const struct ca_floor *f);

/** DER SubjectPublicKeyInfo of the CA certificate. Borrowed. */
struct pke_bytes ca_floor_spki(const struct ca_floor *f);

/**
 * May these TBSCertificate bytes be signed at time @p now (seconds)? Remembers the serial on success.
 * A serial that was let through once is refused for the next 4096 certificates, also when signing it failed:
 * a new attempt takes a new serial.
 * Refused: not DER (floor-der), too large (-size), not v3 (-version), foreign issuer (-issuer) or algorithm
 * (-algorithm), serial not of 64 to 159 bits (-serial) or repeated (-serial-repeated), the CA's own key
 * (-own-key) or name (-subject), a key of unknown type (-key), unique identifiers (-unique-id), validity over
 * the limit (-validity), past the CA's (-outlives-issuer), more than max_backdate ago (-backdated) or 5
 * minutes ahead (-postdated).
 * Of extensions: one that is not issued, twice, or of the wrong criticality (-extension), no basicConstraints
 * or more than CA:FALSE (-basic-constraints), keyUsage absent, with a bit of no template or one that the key
 * cannot have (-key-usage), an EKU outside the list or none (-eku), SKI other than the key's (-ski), AKI
 * other than the CA's SKI (-aki), an application policy that is not in the EKU of the certificate
 * (-application-policy), a certificate policy outside the list or a qualifier of no template (-policy), CDP
 * (-crl-urls) or AIA (-ca-issuers) other than configured, a template of nobody (-template).
 * Of names: what ca/names.h does not read (-names), no name at all, a SAN that is critical beside a subject
 * (-san), outside the bounds (-upn, -dns, -email, -uri, -sid, -guid), against the CA's name constraints
 * (-constraint).
 * @return PKE_OK or PKE_POLICY, reason "floor-...".
 */
enum pke_err ca_floor_check(struct ca_floor *f, struct pke_bytes tbs, int64_t now, struct pke_fail *fail);

#endif
