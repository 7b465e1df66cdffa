/* SPDX-License-Identifier: Apache-2.0 */
/* The options of tenants, and of the frontends that act for them on the control socket. */
#include "daemon/common/conf_impl.h"

#define F(type, field) PKE_FIELD(type, struct conf_tenant, field)

const struct pke_option conf_tenant_options[] = {
    {"hosts", PKE_OPT_STRINGS, F(struct pke_strings, hosts), NULL, 1, 261,
     .help = "Host names, in lower case and with a port or without, by which its clients come"},
    {"path-prefix", PKE_OPT_STRING, F(char *, path_prefix), NULL, 2, 128,
     .help = "Before the path of each of its endpoints"},
    {"user-file", PKE_OPT_PATH, F(char *, user_file), NULL, 1, 4000,
     .help = "Users and password hashes of its own; the only tenant has those of the global option"},
    {"audiences", PKE_OPT_STRINGS, F(struct pke_strings, audiences), NULL, 1, 320,
     .help = "Values of aud that are this tenant's; where given, its token issuers take no others"},
    {"max-certificates", PKE_OPT_UINT, F(uint64_t, max_certificates), "0", .min = 0, .max = 100000000,
     .help = "Valid certificates at a time; 0: any number. Renewal is never refused for it"},
    {"max-devices", PKE_OPT_UINT, F(uint64_t, max_devices), "0", .min = 0, .max = 100000000,
     .help = "Devices with a valid certificate at a time; 0: any number"},
    {"requests-per-minute", PKE_OPT_UINT, F(uint64_t, requests_per_minute), "0", .min = 0, .max = 10000000,
     .help = "Requests of its clients, both stages together; 0: any number"},
    PKE_OPTION_END,
};
#undef F

#define F(type, field) PKE_FIELD(type, struct conf_frontend, field)

const struct pke_option conf_frontend_options[] = {
    {"users", PKE_OPT_STRINGS, F(struct pke_strings, users), NULL, 1, 32,
     .help = "Users, by name or number, whose processes are this frontend"},
    {"groups", PKE_OPT_STRINGS, F(struct pke_strings, groups), NULL, 1, 32,
     .help = "Groups, by name or number, whose processes are this frontend"},
    {"certificates", PKE_OPT_STRINGS, F(struct pke_strings, certificates), NULL, 64, 64,
     .help = "SHA-256 of the certificates that it shows at control-tls-address"},
    {"tenants", PKE_OPT_STRINGS, F(struct pke_strings, tenants), NULL, 1, CONF_NAME_MAX,
     .help = "Tenants that it sees and acts for; default the only one"},
    {"templates", PKE_OPT_STRINGS, F(struct pke_strings, templates), NULL, 1, CONF_NAME_MAX,
     .help = "Templates of which it may have certificates made; default none"},
    {"upn-suffixes", PKE_OPT_STRINGS, F(struct pke_strings, upn_suffixes), NULL, 1, 255,
     .help = "Domains of the UPNs that it may name (default: no UPN)"},
    {"dns-suffixes", PKE_OPT_STRINGS, F(struct pke_strings, dns_suffixes), NULL, 1, 253,
     .help = "Domains at or below which it may name DNS names (default: no DNS name)"},
    {"email-suffixes", PKE_OPT_STRINGS, F(struct pke_strings, email_suffixes), NULL, 1, 254,
     .help = "Domains of the e-mail addresses that it may name (default: no address)"},
    {"sid-prefixes", PKE_OPT_STRINGS, F(struct pke_strings, sid_prefixes), NULL, 5, 200,
     .help = "Domains of the security identifiers that it may name (default: no SID)"},
    {"uri-prefixes", PKE_OPT_STRINGS, F(struct pke_strings, uri_prefixes), NULL, 2, 1024,
     .help = "Beginnings of the URIs that it may name (default: no URI)"},
    {"requests-per-minute", PKE_OPT_UINT, F(uint64_t, requests_per_minute), "0", .min = 0, .max = 10000000,
     .help = "Its calls of the control socket; 0: any number"},
    {"certificates-per-hour", PKE_OPT_UINT, F(uint64_t, certificates_per_hour), "0", .min = 0,
     .max = 100000000, .help = "Certificates that it may have made; 0: any number"},
    PKE_OPTION_END,
};
#undef F
