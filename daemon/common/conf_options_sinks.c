/* SPDX-License-Identifier: Apache-2.0 */
/* The options of event-sinks: who is told what happened. */
#include "daemon/common/conf_impl.h"

#define F(type, field) PKE_FIELD(type, struct conf_sink, field)

const struct pke_option conf_sink_options[] = {
    {"tenant", PKE_OPT_STRING, F(char *, tenant), NULL, 1, CONF_NAME_MAX,
     .help = "Whose it is; needed where there are several tenants"},
    {"url", PKE_OPT_STRING, F(char *, url), NULL, 1, 1024, .required = true,
     .help = "What is told, https; over a unix socket http"},
    {"unix", PKE_OPT_PATH, F(char *, unix_path), NULL, 1, 107,
     .help = "Unix socket on which the receiver listens"},
    {"peer-uids", PKE_OPT_STRINGS, F(struct pke_strings, peer_uids), NULL, 1, 32,
     .help = "Users or uids that may be at the other end of the unix socket"},
    {"secret-file", PKE_OPT_PATH, F(char *, secret_file), NULL, 1, 4000,
     .help = "File of the HMAC key of what is sent"},
    {"tls-ca", PKE_OPT_PATH, F(char *, tls_ca), NULL, 1, 4000,
     .help = "PEM file of the CAs of its server certificate (default: those of the system)"},
    {"tls-certificate", PKE_OPT_PATH, F(char *, tls_certificate), NULL, 1, 4000,
     .help = "PEM file of the certificate that the daemon shows"},
    {"tls-key", PKE_OPT_PATH, F(char *, tls_key), NULL, 1, 4000,
     .help = "PEM file of the key of that certificate"},
    {"kinds", PKE_OPT_STRINGS, F(struct pke_strings, kinds), NULL, 1, 32,
     .help = "Kinds of events that it is told of (default: all but refused and imported)"},
    {"timeout", PKE_OPT_DURATION, F(int64_t, timeout), "10s", 100, 60000,
     .help = "How long one delivery may take, the second attempt included"},
    {"max-in-flight", PKE_OPT_UINT, F(uint64_t, max_in_flight), "8", 1, 16, .help = "Deliveries at a time"},
    {"max-attempts", PKE_OPT_UINT, F(uint64_t, max_attempts), "12", 1, 100,
     .help = "How often an event is sent that the receiver answers with a refusal, before it is given up"},
    PKE_OPTION_END,
};
#undef F
