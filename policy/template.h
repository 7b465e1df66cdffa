/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Certificate templates: what may be issued, to whom, and with which names. Pure data; the option table is
 * the configuration section "templates".
 */
#ifndef POLICY_TEMPLATE_H
#define POLICY_TEMPLATE_H

#include "base/option.h"

/** Where a subject or SAN value comes from: always the authenticated identity or a checked context item. */
enum policy_source {
    POLICY_SOURCE_NONE,
    POLICY_SOURCE_PRINCIPAL, /* the authenticated principal, usually the UPN */
    POLICY_SOURCE_DEVICE_ID, /* the DeviceID of the enrollment, checked for form and for its owner */
};

/** templates.NAME */
struct policy_template {
    const char *name;
    char *issuer;      /* name in issuers */
    char *common_name; /* XCEP commonName: no white space */
    char *policy_id;   /* XCEP policyID, stable; default: the template's name */
    uint64_t major_revision, minor_revision;
    bool enabled;
    struct pke_strings allow; /* principals that may enroll: exact, "*@corp.example" or "*"; empty: nobody */
    bool allow_full, allow_device;    /* EnrollmentType */
    int subject_full, subject_device; /* enum policy_source */
    int64_t validity, backdate;       /* ms */
    int64_t renewal_period;           /* ms before expiry, as advertised */
    uint64_t rsa_min_bits, rsa_max_bits;
    bool allow_ec;                /* P-256 and P-384 */
    bool allow_sha1_csr;          /* legacy CSR signatures */
    struct pke_strings ekus;      /* dotted OIDs */
    bool key_encipherment;        /* beside digitalSignature */
    struct pke_strings providers; /* XCEP cryptoProviders, in order of preference */
    bool advertise_ca;            /* carry the CA in GetPolicies; off: nil, as Windows documents */
    bool device_takeover;         /* another user may enroll a DeviceID that is in use */
    char *san_uri;                /* optional SAN URI; "{device-id}" and "{ent-dmid}" are replaced */
};

extern const struct pke_option policy_template_options[]; /* ends with PKE_OPTION_END */

/** The policyID to advertise: policy_id, or the template's name where it is not set. */
const char *policy_template_policy_id(const struct policy_template *t);

/**
 * Rules across fields, which the option table cannot say. The configuration reader calls it for each template
 * after the last option.
 * @return PKE_OK, or PKE_CONFIG with a text that names the option ("san-uri has an unknown placeholder ...").
 */
enum pke_err policy_template_check(const struct policy_template *t, struct pke_fail *fail);

#endif
