/* SPDX-License-Identifier: Apache-2.0 */
/* The options of authorisers: who decides beside the template whether a request is answered. */
#include "daemon/common/conf_impl.h"

static const struct pke_enum_name kinds[] = {
    {"static", CONF_AUTHORISER_STATIC}, {"webhook", CONF_AUTHORISER_WEBHOOK}, {NULL, 0}};

#define F(type, field) PKE_FIELD(type, struct conf_authoriser, field)

const struct pke_option conf_authoriser_options[] = {
    {"tenant", PKE_OPT_STRING, F(char *, tenant), NULL, 1, CONF_NAME_MAX,
     .help = "Whose it is; needed where there are several tenants"},
    {"kind", PKE_OPT_ENUM, F(int, kind), NULL, .names = kinds, .required = true,
     .help = "Static (rules of a file) or webhook (the frontend is asked)"},
    {"rules-file", PKE_OPT_PATH, F(char *, rules_file), NULL, 1, 4000,
     .help = "Static: JSON file of the rules"},
    {"url", PKE_OPT_STRING, F(char *, url), NULL, 1, 1024,
     .help = "Webhook: what is asked, https; over a unix socket http"},
    {"unix", PKE_OPT_PATH, F(char *, unix_path), NULL, 1, 107,
     .help = "Webhook: unix socket on which the frontend listens"},
    {"peer-uids", PKE_OPT_STRINGS, F(struct pke_strings, peer_uids), NULL, 1, 32,
     .help = "Webhook over a unix socket: users or uids that may be at its other end"},
    {"question-secret-file", PKE_OPT_PATH, F(char *, question_secret_file), NULL, 1, 4000,
     .help = "Webhook: file of the HMAC key of what is sent"},
    {"answer-secret-file", PKE_OPT_PATH, F(char *, answer_secret_file), NULL, 1, 4000,
     .help = "Webhook: file of the HMAC key of what is answered; another one than of the question"},
    {"tls-ca", PKE_OPT_PATH, F(char *, tls_ca), NULL, 1, 4000,
     .help = "Webhook: PEM file of the CAs of its server certificate (default: those of the system)"},
    {"tls-certificate", PKE_OPT_PATH, F(char *, tls_certificate), NULL, 1, 4000,
     .help = "Webhook: PEM file of the certificate that the daemon shows"},
    {"tls-key", PKE_OPT_PATH, F(char *, tls_key), NULL, 1, 4000,
     .help = "Webhook: PEM file of the key of that certificate"},
    {"timeout", PKE_OPT_DURATION, F(int64_t, timeout), "3s", 10, 60000,
     .help = "Webhook: how long one question may take, the second attempt included"},
    {"max-in-flight", PKE_OPT_UINT, F(uint64_t, max_in_flight), "64", 1, 1024,
     .help = "Webhook: questions at a time"},
    PKE_OPTION_END,
};
#undef F
