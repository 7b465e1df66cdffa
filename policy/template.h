/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Certificate templates: what may be issued, to whom, and with which names. Pure data; the option table is
 * the configuration section "templates".
 */
#ifndef POLICY_TEMPLATE_H
#define POLICY_TEMPLATE_H

#include "base/option.h"

/** Does a certificate name the Windows account of its owner (KB5014754)? */
enum policy_sid { POLICY_SID_NO, POLICY_SID_WHEN_KNOWN, POLICY_SID_REQUIRE };

/** What becomes of a CSR that asks for rights which it does not get. */
enum policy_disallowed { POLICY_DISALLOWED_DENY, POLICY_DISALLOWED_STRIP };

/** May a certificate be renewed before the renewal period begins? */
enum policy_renew_early {
    POLICY_RENEW_ANY,      /* while it is valid: RenewNow and a change of the CA need it */
    POLICY_RENEW_WINDOW,   /* in the last renewal-period of its life */
    POLICY_RENEW_ON_GRANT, /* in the window, or once after `device allow-renewal` */
};

/** Another user asks for a DeviceID that is in use. */
enum policy_conflict { POLICY_CONFLICT_REFUSE, POLICY_CONFLICT_SUPERSEDE };

enum policy_recovery_mode { POLICY_RECOVERY_NO, POLICY_RECOVERY_ANY, POLICY_RECOVERY_ON_GRANT };
enum policy_approval { POLICY_APPROVAL_NONE, POLICY_APPROVAL_OPERATOR };
enum policy_change { POLICY_CHANGE_LOG, POLICY_CHANGE_DENY };

/** Must the key of a request be attested by a TPM? Anything but off asks the client for it. */
enum policy_attestation {
    POLICY_ATTESTATION_OFF,
    POLICY_ATTESTATION_LOG,     /* the verdict is recorded */
    POLICY_ATTESTATION_PREFER,  /* and a key that is not attested is a warning in the log */
    POLICY_ATTESTATION_REQUIRE, /* and is refused */
};

/** What the client does when it cannot attest (MS-MDE2 3.3.4.1.1.2). */
enum policy_attestation_failure {
    POLICY_ATTESTATION_FAIL,
    POLICY_ATTESTATION_IGNORE,
    POLICY_ATTESTATION_RETRY
};

/** How a certificate names its template. */
enum policy_template_extension {
    POLICY_TEMPLATE_NONE,
    POLICY_TEMPLATE_NAME, /* common-name, 1.3.6.1.4.1.311.20.2 */
    POLICY_TEMPLATE_OID,  /* template-oid and the revisions, 1.3.6.1.4.1.311.21.7 */
};

/** templates.NAME */
struct policy_template {
    const char *name;
    char *tenant;      /* name in tenants */
    char *issuer;      /* name in issuers */
    char *common_name; /* XCEP commonName: no white space */
    char *policy_id;   /* XCEP policyID, stable; default: the template's name */
    uint64_t major_revision, minor_revision;
    bool enabled;
    struct pke_strings allow; /* principals that may enroll: exact, "*@corp.example" or "*"; empty: nobody */
    bool allow_full, allow_device;                        /* EnrollmentType */
    struct pke_strings subject_full, subject_device, san; /* rules: policy/names.h */
    struct pke_strings from_csr; /* kinds of names that the CSR may choose among those of the identity */
    int csr_disallowed;          /* enum policy_disallowed */
    int sid_extension;           /* enum policy_sid */
    int64_t validity, backdate;  /* ms */
    int64_t renewal_period;      /* ms before expiry, as advertised */
    uint64_t rsa_min_bits, rsa_max_bits;
    struct pke_strings key_types;                                  /* policy_key_types */
    struct pke_strings csr_digests;                                /* policy_digests */
    bool strict_key_check;                                         /* EVP_PKEY_public_check() */
    struct pke_strings ekus;                                       /* dotted OIDs */
    struct pke_strings key_usage;                                  /* names of policy_template_key_usage() */
    struct pke_strings application_policies, certificate_policies; /* dotted OIDs */
    char *cps_uri;                                                 /* of the certificate policies */
    int template_extension;                                        /* enum policy_template_extension */
    char *template_oid;                                            /* dotted, with POLICY_TEMPLATE_OID */
    struct pke_strings providers; /* XCEP cryptoProviders, in order of preference */
    bool advertise_ca;            /* carry the CA in GetPolicies; off: nil, as Windows documents */
    int device_conflict;          /* enum policy_conflict */
    uint64_t max_devices;         /* live devices of one identity; 0: any number */
    char *os_min_version;         /* "10.0.19045.0"; NULL: any */
    struct pke_strings os_editions, device_types; /* that may enroll; empty: any */
    struct pke_strings unlicensed;     /* principals without a licence for device management, as in allow */
    int approval;                      /* enum policy_approval */
    char *approval_text, *denial_text; /* what the user is told while an approval waits, and after a denial */
    char *authoriser; /* name in authorisers: who decides beside the template; NULL: nobody */
    struct pke_strings
        authoriser_may;    /* what its answer may set: kinds of names, "validity"; empty: nothing */
    bool renew;            /* RequestType Renew is offered */
    int recovery;          /* enum policy_recovery_mode */
    int renew_early;       /* enum policy_renew_early */
    int64_t renew_grace;   /* ms after notAfter */
    int64_t renew_overlap; /* ms after a newer certificate of the device was used */
    bool renew_same_key, renew_require_tls;
    int renew_hardware_change;         /* enum policy_change: the HWDevID is not the recorded one */
    int attestation;                   /* enum policy_attestation */
    char *attestation_roots;           /* PEM file: where AIK certificates must end */
    bool attestation_eku;              /* AIK certificates have tcg-kp-AIKCertificate */
    int attestation_failure;           /* enum policy_attestation_failure */
    int64_t attestation_timeout;       /* ms */
    char *maa_url, *maa_relying_party; /* an Azure Attestation provider, for EnrollmentVersion 6.0; or NULL */
    char *maa_keys_file;               /* JWKS or PEM: pinned keys of its tokens; NULL: not verified */
    struct pke_strings maa_issuers;    /* their iss, exactly */
    int64_t maa_max_age, maa_leeway;   /* ms since iat; ms that clocks may differ */
};

extern const struct pke_option policy_template_options[]; /* ends with PKE_OPTION_END */

/** What key-types (with the bits of its only size; 0: rsa-min-bits) and csr-digests may name; end with
 * {NULL, 0}. */
extern const struct pke_enum_name policy_key_types[], policy_digests[];

/** "FailOnError", "IgnoreOnError", "RetryOnError" by enum policy_attestation_failure; ends with {NULL, 0}. */
extern const struct pke_enum_name policy_attestation_failures[];

/** The name under which Windows offers keys of the TPM: the only ones that can be attested. */
#define POLICY_PLATFORM_PROVIDER "Microsoft Platform Crypto Provider"

/** The policyID to advertise: policy_id, or the template's name where it is not set. */
const char *policy_template_policy_id(const struct policy_template *t);

/** Bits of the smallest key that the template certifies: XCEP minimalKeyLength. */
unsigned policy_template_min_bits(const struct policy_template *t);

/** keyUsage as the first octet of its BIT STRING (RFC 5280 4.2.1.3): 0x80 digital-signature, 0x40
 * non-repudiation, 0x20 key-encipherment, 0x10 data-encipherment, 0x08 key-agreement. 0 when a name is
 * another one. */
uint8_t policy_template_key_usage(const struct policy_template *t);

/** The options of the certificate's extensions: the part of policy_template_check() in extensions.c. */
enum pke_err policy_extensions_check(const struct policy_template *t, struct pke_fail *fail);

/** Is @p pattern one of policy_match_principal(): an exact name, "*@domain" or "*"? */
bool policy_pattern_valid(const char *pattern);

/**
 * Rules across fields, which the option table cannot say. The configuration reader calls it for each template
 * after the last option.
 * @return PKE_OK, or PKE_CONFIG with a text that begins with the option's name, followed by a blank or
 *         colon ("san: an unknown placeholder ..."), or by a comma where several are named: the reader tells
 *         the option's line.
 */
enum pke_err policy_template_check(const struct policy_template *t, struct pke_fail *fail);

#endif
