/* SPDX-License-Identifier: Apache-2.0 */
/* The options of the daemon itself: global, keys, issuers, listeners. man/pkienrolld.conf.5 documents each.
 */
#include "daemon/common/conf_impl.h"

#define F(type, field) PKE_FIELD(type, struct conf_global, field)

const struct pke_option conf_global_options[] = {
    {"state-directory", PKE_OPT_PATH, F(char *, state_directory), NULL, 1, 4000, .required = true,
     .reload = PKE_RELOAD_RESTART, .help = "Directory of the ledger and of what must survive a restart"},
    {"publish-directory", PKE_OPT_STRING, F(char *, publish_directory), "publish", 1, 4000,
     .help = "Folder of revocation lists for a web server; a relative path is below state-directory"},
    {"tenant", PKE_OPT_STRING, F(char *, tenant), "default", 1, CONF_NAME_MAX, .reload = PKE_RELOAD_RESTART,
     .help = "Without a section tenants: what the only tenant is called"},
    {"ledger-file", PKE_OPT_STRING, F(char *, ledger_file), "ledger.db", 1, 4000,
     .reload = PKE_RELOAD_RESTART, .help = "Ledger database; a relative path is below state-directory"},
    {"retry-window", PKE_OPT_DURATION, F(int64_t, retry_window), "1h", 0, 86400000,
     .help = "How long a repeated request is answered with the same certificate"},
    {"waiting-lifetime", PKE_OPT_DURATION, F(int64_t, waiting_lifetime), "7d", 1000, 7776000000,
     .help = "How long a request waits for a key that is down, where its client can wait"},
    {"waiting-max", PKE_OPT_UINT, F(uint64_t, waiting_max), "10000", 1, 1000000,
     .help = "How many requests wait for a key at most"},
    {"identity-map", PKE_OPT_PATH, F(char *, identity_map), NULL, 1, 4000,
     .help = "JSON lines: names of identities beside what their credential says"},
    {"user-file", PKE_OPT_PATH, F(char *, user_file), "users", 1, 4000,
     .help = "Users and password hashes of the credential kind username, where there is one tenant"},
    {"blocked-keys", PKE_OPT_PATH, F(char *, blocked_keys), NULL, 1, 4000,
     .help = "Keys that are never certified, by SHA-256 of their SubjectPublicKeyInfo"},
    {"auth-workers", PKE_OPT_UINT, F(uint64_t, auth_workers), "2", 1, 16, .reload = PKE_RELOAD_RESTART,
     .help = "Processes that verify credentials"},
    {"request-deadline", PKE_OPT_DURATION, F(int64_t, request_deadline), "10s", 1000, 60000,
     .help = "Time for one request from its first byte to its answer"},
    {"clock-backward-limit", PKE_OPT_DURATION, F(int64_t, clock_backward_limit), "60s", 0, 2592000000,
     .help = "How far the clock may stand before the last time in the ledger"},
    {"clock-forward-limit", PKE_OPT_DURATION, F(int64_t, clock_forward_limit), "400d", 86400000, 315360000000,
     .help = "How far the clock may stand after the last time in the ledger"},
    {"expiring-notice", PKE_OPT_DURATION, F(int64_t, expiring_notice), "30d", 0, 315360000000,
     .help = "How long before its end an event tells that a certificate expires; 0: never"},
    {"control-socket", PKE_OPT_PATH, F(char *, control_socket), NULL, 1, 107, .required = true,
     .reload = PKE_RELOAD_RESTART, .help = "Unix socket of pkienrollctl and other local clients"},
    {"control-tls-address", PKE_OPT_STRING, F(char *, control_tls_address), NULL, 3, 64,
     .help = "Address and port of the control API for frontends on other machines, as 192.0.2.7:8443 "
             "(default: off)"},
    {"control-tls-certificate", PKE_OPT_PATH, F(char *, control_tls_certificate), NULL, 1, 4000,
     .help = "PEM file of its certificate with its chain"},
    {"control-tls-key", PKE_OPT_PATH, F(char *, control_tls_key), NULL, 1, 4000,
     .help = "PEM file of the key of that certificate"},
    {"viewer-groups", PKE_OPT_STRINGS, F(struct pke_strings, viewer_groups), NULL, 1, 32,
     .help = "Groups that may look at everything on the control socket"},
    {"officer-groups", PKE_OPT_STRINGS, F(struct pke_strings, officer_groups), NULL, 1, 32,
     .help = "Groups that may decide about requests, certificates and users"},
    {"admin-groups", PKE_OPT_STRINGS, F(struct pke_strings, admin_groups), NULL, 1, 32,
     .help = "Groups that may do everything on the control socket"},
    PKE_OPTION_END,
};
#undef F

static const struct pke_enum_name backends[] = {
    {"pkcs11", CONF_BACKEND_PKCS11}, {"tpm2", CONF_BACKEND_TPM2}, {"file", CONF_BACKEND_FILE}, {NULL, 0}};

static const struct pke_enum_name tpm_sessions[] = {
    {"salted", CONF_TPM_SESSION_SALTED}, {"password", CONF_TPM_SESSION_PASSWORD}, {NULL, 0}};

static const struct pke_enum_name key_signatures[] = {{"default", CONF_KEY_SIGNATURE_DEFAULT},
                                                      {"rsa-pss", CONF_KEY_SIGNATURE_RSA_PSS},
                                                      {"ed25519", CONF_KEY_SIGNATURE_ED25519},
                                                      {NULL, 0}};

static const struct pke_enum_name key_logins[] = {{"pin", CONF_KEY_LOGIN_PIN},
                                                  {"protected-path", CONF_KEY_LOGIN_PROTECTED},
                                                  {"none", CONF_KEY_LOGIN_NONE},
                                                  {NULL, 0}};

#define F(type, field) PKE_FIELD(type, struct conf_key, field)

const struct pke_option conf_key_options[] = {
    {"backend", PKE_OPT_ENUM, F(int, backend), "pkcs11", .names = backends, .reload = PKE_RELOAD_RESTART,
     .help = "Where the key is: pkcs11, tpm2, or file (a PEM file, for tests only)"},
    {"module", PKE_OPT_PATH, F(char *, module), NULL, 1, 4000, .reload = PKE_RELOAD_RESTART,
     .help = "PKCS#11 module, a shared library"},
    {"tcti", PKE_OPT_STRING, F(char *, tcti), NULL, 1, 2000, .reload = PKE_RELOAD_RESTART,
     .help = "How the TPM is reached: device:PATH, unix:PATH or tabrmd:OPTIONS"},
    {"session", PKE_OPT_ENUM, F(int, session), "salted", .names = tpm_sessions, .reload = PKE_RELOAD_RESTART,
     .help = "How the TPM is told the auth value: in a salted, encrypted session, or as it is"},
    {"uri", PKE_OPT_STRING, F(char *, uri), NULL, 1, 2000, .required = true, .reload = PKE_RELOAD_RESTART,
     .help = "RFC 7512 URI of the private key; tpm2:file=PATH or tpm2:handle=NUMBER; or the path of the PEM "
             "file"},
    {"signature", PKE_OPT_ENUM, F(int, signature), "default", .names = key_signatures,
     .reload = PKE_RELOAD_RESTART,
     .help = "PKCS #1 v1.5 or ECDSA as the key is; rsa-pss and ed25519 are not understood by every client"},
    {"login", PKE_OPT_ENUM, F(int, login), "pin", .names = key_logins, .reload = PKE_RELOAD_RESTART,
     .help = "How a PKCS#11 token is logged into: with the PIN, on a keypad of the token, or not at all"},
    {"pin-file", PKE_OPT_PATH, F(char *, pin_file), NULL, 1, 4000, .reload = PKE_RELOAD_RESTART,
     .help = "File of mode 0600 that holds the PIN, or the auth value of the TPM key"},
    {"pin-credential", PKE_OPT_STRING, F(char *, pin_credential), NULL, 1, 255, .reload = PKE_RELOAD_RESTART,
     .help = "Systemd credential that holds the PIN, or the auth value of the TPM key"},
    {"instances", PKE_OPT_UINT, F(uint64_t, instances), "1", 1, 16, .reload = PKE_RELOAD_RESTART,
     .help = "Processes that sign with this key"},
    {"deadline", PKE_OPT_DURATION, F(int64_t, deadline), "10s", 100, 300000, .reload = PKE_RELOAD_RESTART,
     .help = "Time for one device operation, after which its process is killed"},
    {"health-interval", PKE_OPT_DURATION, F(int64_t, health_interval), "1m", 0, 86400000,
     .reload = PKE_RELOAD_RESTART,
     .help = "Time without a signature after which one is made and verified; 0s: never"},
    {"keep-alive", PKE_OPT_DURATION, F(int64_t, keep_alive), "0s", 0, 3600000, .reload = PKE_RELOAD_RESTART,
     .help = "Time without a call into the token after which the session is looked at; 0s: never"},
    {"allow-weak-key", PKE_OPT_BOOL, F(bool, allow_weak_key), "no", .reload = PKE_RELOAD_RESTART,
     .help = "Go on although the token says that the key can be extracted or does more than sign"},
    PKE_OPTION_END,
};
#undef F

#define F(type, field) PKE_FIELD(type, struct conf_issuer, field)

const struct pke_option conf_issuer_options[] = {
    {"certificate", PKE_OPT_PATH, F(char *, certificate), NULL, 1, 4000, .required = true,
     .help = "PEM file of the CA certificate"},
    {"root", PKE_OPT_PATH, F(char *, root), NULL, 1, 4000,
     .help = "PEM file of the self-signed root above it; absent when the certificate is self-signed"},
    {"key", PKE_OPT_STRING, F(char *, key), NULL, 1, CONF_NAME_MAX,
     .help = "Name of its key in the section keys; absent: a legacy issuer, whose certificates renew and "
             "which signs nothing"},
    {"max-validity", PKE_OPT_DURATION, F(int64_t, max_validity), "398d", 3600000, 315360000000,
     .help = "Longest time from notBefore to notAfter that the key may certify"},
    {"max-backdate", PKE_OPT_DURATION, F(int64_t, max_backdate), "1h", 0, 86400000,
     .help = "How far before its signature a certificate may begin"},
    {"allowed-ekus", PKE_OPT_OIDS, F(struct pke_strings, allowed_ekus), "client-auth", .min = 1, .max = 64,
     .help = "Extended key usages that the key may certify"},
    {"allowed-policies", PKE_OPT_OIDS, F(struct pke_strings, allowed_policies),
     .help = "Certificate policies that the key may certify (default: none)"},
    {"upn-suffixes", PKE_OPT_STRINGS, F(struct pke_strings, upn_suffixes), NULL, 1, 255,
     .help = "Domains of the UPNs that the key may certify (default: no UPN)"},
    {"dns-suffixes", PKE_OPT_STRINGS, F(struct pke_strings, dns_suffixes), NULL, 1, 253,
     .help = "Domains at or below which the key may certify DNS names (default: no DNS name)"},
    {"email-suffixes", PKE_OPT_STRINGS, F(struct pke_strings, email_suffixes), NULL, 1, 254,
     .help = "Domains of the e-mail addresses that the key may certify (default: no address)"},
    {"sid-prefixes", PKE_OPT_STRINGS, F(struct pke_strings, sid_prefixes), NULL, 5, 200,
     .help = "Domains of the security identifiers that the key may certify (default: no SID)"},
    {"uri-prefixes", PKE_OPT_STRINGS, F(struct pke_strings, uri_prefixes), "urn:", 2, 1024,
     .help = "Beginnings of the URIs that the key may certify as names"},
    {"allow-guid", PKE_OPT_BOOL, F(bool, allow_guid), "no",
     .help = "Whether the key may certify directory GUIDs as names"},
    {"crl-urls", PKE_OPT_STRINGS, F(struct pke_strings, crl_urls), NULL, 1, 1024,
     .help = "Where the CRL is found, http or ldap, as the certificates say it (default: nothing)"},
    {"ca-issuers-urls", PKE_OPT_STRINGS, F(struct pke_strings, ca_issuers_urls), NULL, 1, 1024,
     .help =
         "Where the CA certificate is found, http or ldap, as the certificates say it (default: nothing)"},
    {"crl-lifetime", PKE_OPT_DURATION, F(int64_t, crl_lifetime), "7d", 0, 31536000000,
     .help = "How long a revocation list is good; 0s: the daemon makes none for this issuer"},
    {"crl-interval", PKE_OPT_DURATION, F(int64_t, crl_interval), "1d", 1000, 31536000000,
     .help = "Time from one full revocation list to the next; shorter than crl-lifetime"},
    {"crl-delay", PKE_OPT_DURATION, F(int64_t, crl_delay), "5s", 0, 86400000,
     .help = "Time from a revocation to the list that has it; what is revoked meanwhile is in it, too"},
    {"delta-crl-urls", PKE_OPT_STRINGS, F(struct pke_strings, delta_crl_urls), NULL, 1, 1024,
     .help = "Where clients find delta lists; absent: there are none"},
    {"delta-threshold", PKE_OPT_UINT, F(uint64_t, delta_threshold), "10000", 0, 10000000,
     .help = "Entries of a full list from which on revocations are told by deltas"},
    {"cross-certificates", PKE_OPT_PATH, F(char *, cross_certificates), NULL, 1, 4000,
     .help = "PEM file of cross-certificates of this issuer or of its root, which are published beside it"},
    {"expiry-warning", PKE_OPT_DURATION, F(int64_t, expiry_warning), "90d", 0, 315360000000,
     .help = "How long before the end of its certificate or of its root there are warnings"},
    PKE_OPTION_END,
};
#undef F

static const struct pke_enum_name client_certs[] = {{"off", CONF_CLIENT_CERT_OFF},
                                                    {"optional", CONF_CLIENT_CERT_OPTIONAL},
                                                    {"require", CONF_CLIENT_CERT_REQUIRE},
                                                    {NULL, 0}};

static const struct pke_enum_name client_cert_formats[] = {
    {"rfc9440", CONF_CLIENT_CERT_RFC9440}, {"escaped-pem", CONF_CLIENT_CERT_ESCAPED_PEM}, {NULL, 0}};

#define F(type, field) PKE_FIELD(type, struct conf_listener, field)

const struct pke_option conf_listener_options[] = {
    {"address", PKE_OPT_STRING, F(char *, address), NULL, 1, 45, .help = "IP address to listen on"},
    {"port", PKE_OPT_UINT, F(uint64_t, port), "0", .min = 0, .max = 65535,
     .help = "TCP port; 0 takes any free one, which status tells"},
    {"unix", PKE_OPT_PATH, F(char *, unix_path), NULL, 1, 107,
     .help = "Unix socket to listen on, always a frontend listener"},
    {"socket", PKE_OPT_STRING, F(char *, socket), NULL, 1, 255,
     .help = "Name of a TCP socket that the service manager passes, FileDescriptorName= of its unit"},
    {"tls-certificate", PKE_OPT_PATH, F(char *, tls_certificate), NULL, 1, 4000,
     .help = "PEM file of the server certificate and its chain"},
    {"tls-key", PKE_OPT_PATH, F(char *, tls_key), NULL, 1, 4000,
     .help = "PEM file of the server's private key"},
    {"client-cert", PKE_OPT_ENUM, F(int, client_cert), "off", .names = client_certs,
     .help = "Whether clients are asked for a certificate"},
    {"client-ca", PKE_OPT_PATH, F(char *, client_ca), NULL, 1, 4000,
     .help = "PEM file of the CAs of client certificates"},
    {"frontend", PKE_OPT_BOOL, F(bool, frontend), "no",
     .help = "The peers are the MDM frontend: no back-off per source"},
    {"peer-uids", PKE_OPT_STRINGS, F(struct pke_strings, peer_uids), NULL, 1, 32,
     .help = "Users or uids that may connect to the unix socket (default: who can open it)"},
    {"proxy-protocol", PKE_OPT_BOOL, F(bool, proxy_protocol), "no",
     .help = "Each connection begins with a PROXY protocol header, version 2, that names the client"},
    {"proxy-from", PKE_OPT_STRINGS, F(struct pke_strings, proxy_from), NULL, 2, 49,
     .help = "Addresses and networks of the proxies that may connect with proxy-protocol"},
    {"client-cert-header", PKE_OPT_STRING, F(char *, client_cert_header), NULL, 1, 64,
     .help = "Header field in which the frontend hands over the client's certificate"},
    {"client-cert-format", PKE_OPT_ENUM, F(int, client_cert_format), "rfc9440", .names = client_cert_formats,
     .help = "How it is written: rfc9440 or escaped-pem, as $ssl_client_escaped_cert of nginx"},
    {"source-header", PKE_OPT_STRING, F(char *, source_header), NULL, 1, 64,
     .help = "Header field in which the frontend says the client's address, exactly one"},
    {"assertion-header", PKE_OPT_STRING, F(char *, assertion_header), NULL, 1, 64,
     .help = "Header field with a token of the frontend about the client, in place of one in the request"},
    {"max-head", PKE_OPT_SIZE, F(uint64_t, max_head), "16KiB", 4096, 65536,
     .help = "Size of the request line and header fields of a request; 64KiB for Kerberos"},
    {"public-url", PKE_OPT_STRING, F(char *, public_url), NULL, 1, 255,
     .help = "An https URL without a path under which clients reach this listener"},
    {"max-connections", PKE_OPT_UINT, F(uint64_t, max_connections), "1024", 1, 65536,
     .help = "Connections at a time"},
    {"idle-timeout", PKE_OPT_DURATION, F(int64_t, idle_timeout), "60s", 1000, 600000,
     .help = "How long a connection may be idle between requests"},
    PKE_OPTION_END,
};
#undef F
