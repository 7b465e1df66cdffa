/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The configuration: one YAML file, parsed by every role from the same bytes into the same immutable struct.
 * main validates first; the others parse again because they trust bytes, not pointers. No role changes a
 * struct conf.
 */
#ifndef DAEMON_COMMON_CONF_H
#define DAEMON_COMMON_CONF_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/option.h"
#include "policy/template.h"

#define CONF_GENERATION 32 /* SHA-256 of the file's bytes */
#define CONF_MAX_KEYS   32
#define CONF_MAX_PLACES                                                                                      \
    255 /* listeners and endpoints together: net tells of them, and of its calls, in one list, IPC_MAX_ITEMS \
         */
#define CONF_MAX_TOKEN_ISSUERS   64 /* facts of auth, with room to spare */
#define CONF_MAX_ENDPOINT_TOKENS 8
#define CONF_MAX_BYTES           (1u << 20) /* larger files are refused */
#define CONF_MAX_PIN             255

enum conf_backend { CONF_BACKEND_PKCS11, CONF_BACKEND_TPM2, CONF_BACKEND_FILE };
/** How a TPM is told the auth value of the key. */
enum conf_tpm_session { CONF_TPM_SESSION_SALTED, CONF_TPM_SESSION_PASSWORD };
enum conf_key_signature {
    CONF_KEY_SIGNATURE_DEFAULT,
    CONF_KEY_SIGNATURE_RSA_PSS,
    CONF_KEY_SIGNATURE_ED25519
};
/** How a PKCS#11 token learns who is there. */
enum conf_key_login { CONF_KEY_LOGIN_PIN, CONF_KEY_LOGIN_PROTECTED, CONF_KEY_LOGIN_NONE };
enum conf_client_cert { CONF_CLIENT_CERT_OFF, CONF_CLIENT_CERT_OPTIONAL, CONF_CLIENT_CERT_REQUIRE };
enum conf_client_cert_format { CONF_CLIENT_CERT_RFC9440, CONF_CLIENT_CERT_ESCAPED_PEM };
enum conf_flavour { CONF_FLAVOUR_MDM };
enum conf_stage { CONF_STAGE_POLICY, CONF_STAGE_ENROLL };
/** What of a client's certificate is the principal. */
enum conf_principal { CONF_PRINCIPAL_CN, CONF_PRINCIPAL_UPN, CONF_PRINCIPAL_EMAIL, CONF_PRINCIPAL_SHA256 };

/** keys.NAME: one CA key and how to open it. Used by key, keytool-free. */
struct conf_key {
    const char *name;
    int backend;          /* enum conf_backend */
    char *module;         /* path of the PKCS#11 module */
    char *tcti;           /* of a TPM: "device:/dev/tpmrm0" */
    int session;          /* enum conf_tpm_session */
    char *uri;            /* RFC 7512 pkcs11: URI, tpm2:file= or tpm2:handle=, or a PEM path (tests only) */
    int signature;        /* enum conf_key_signature */
    int login;            /* enum conf_key_login */
    char *pin_file;       /* 0600 file; or */
    char *pin_credential; /* name below $CREDENTIALS_DIRECTORY */
    uint64_t instances;
    int64_t deadline;        /* ms for one device operation, then the process is killed */
    int64_t health_interval; /* ms without a signature, then one is made and verified; 0: never */
    int64_t keep_alive;      /* ms without a call into the token, then one is made; 0: never */
    bool allow_weak_key;     /* go on although attributes are weaker than required */
};

/** issuers.NAME: a CA certificate and its key. */
struct conf_issuer {
    const char *name;
    char *certificate; /* PEM file */
    char *root;        /* PEM file of the self-signed root; absent when certificate is self-signed */
    char *key;         /* name in keys */
    int64_t max_validity;
    int64_t max_backdate;
    struct pke_strings allowed_ekus;     /* floor: EKUs that this issuer's key may certify */
    struct pke_strings allowed_policies; /* floor: certificate policies */
    struct pke_strings upn_suffixes, dns_suffixes, email_suffixes; /* floor: names; ca/floor.h */
    struct pke_strings sid_prefixes, uri_prefixes;
    bool allow_guid;
    struct pke_strings crl_urls, ca_issuers_urls; /* in its certificates */
    int64_t crl_lifetime;                         /* ms from its signature to nextUpdate; 0: no CRLs */
    int64_t crl_interval;                         /* ms from one full CRL to the next */
    int64_t crl_delay;                            /* ms from a revocation to the CRL that has it */
    struct pke_strings delta_crl_urls;            /* where clients find deltas; empty: there are none */
    uint64_t delta_threshold;                     /* entries of a full CRL from which on there are deltas */
    char *cross_certificates; /* PEM file: other certificates of this issuer or its root, published */
    int64_t expiry_warning;   /* ms before its certificate or root expires */
    const struct conf_key *key_ref;
};

/** listeners.NAME */
struct conf_listener {
    const char *name;
    char *address;                   /* IP literal; or */
    uint64_t port;                   /* 0: any free port, told by status */
    char *unix_path;                 /* unix socket: a frontend listener; or */
    char *socket;                    /* name of a TCP socket that the service manager opened */
    char *tls_certificate, *tls_key; /* PEM files; absent on a unix listener */
    int client_cert;                 /* enum conf_client_cert */
    char *client_ca;                 /* PEM file, for client-cert other than off */
    struct pke_strings peer_uids;    /* of a unix socket: who may connect; empty: who can open it */
    bool proxy_protocol;             /* every connection begins with a PROXY header, version 2 */
    struct pke_strings proxy_from;   /* addresses and networks of the proxies that send it */
    /* what the peers of a frontend listener say of the client; NULL: nothing */
    char *client_cert_header, *source_header, *assertion_header;
    int client_cert_format; /* enum conf_client_cert_format */
    uint64_t max_head;      /* bytes of a request head */
    bool frontend; /* peers are the MDM frontend: identity headers may be honoured, no per-source back-off */
    char *public_url; /* "https://enroll.example" in advertised URLs; default from address and port */
    uint64_t max_connections;
    int64_t idle_timeout;
};

/** provisioning.NAME: the frontend-owned part of the provisioning document (MS-MDE2 2.2.9.1). */
struct conf_provisioning {
    const char *name;
    char *tenant;
    char *provider_id, *display_name, *management_url;
    uint64_t connection_retries;          /* CONNRETRYFREQ */
    int64_t initial_backoff, max_backoff; /* INITIALBACKOFFTIME, MAXBACKOFFTIME */
    bool backcompat_retry_disabled;
    char *default_encoding;
    char *protocol_version;     /* PROTOVER; absent: left out, as every absent text below */
    char *network_access_point; /* TO-NAPID */
    bool use_hardware_id;       /* USEHWDEVID */
    bool search_criteria;       /* emit SSLCLIENTCERTSEARCHCRITERIA */
    char *client_secret_file,
        *client_nonce; /* APPAUTH CLIENT: the file's text is known to the management server */
    char *server_name, *server_secret_file, *server_nonce; /* APPAUTH APPSRV */
    char *server_auth_type;                                /* BASIC or DIGEST */
    uint64_t renew_period, retry_interval;                 /* days: WSTEP/Renew */
    char *renew_url; /* ServerURL, absent: the client starts at discovery */
    uint64_t poll_first_retries, poll_second_retries, poll_remaining_retries;
    int64_t poll_first_interval, poll_second_interval, poll_remaining_interval; /* ms, whole minutes */
    bool poll_on_login, poll_all_users;
    char *upn, *device_name; /* daemon/common/pattern.h */
    char *help_phone, *help_website, *help_email;
    bool require_message_signing, keep_alive; /* EnableOmaDmKeepAliveMessage */
    char *sync_version;                       /* SyncApplicationVersion */
    char *aad_resource_id;
    struct pke_strings management_servers; /* ManagementServerAddressList */
    char *fragment_file;                   /* proto/provfrag.h */
};

enum conf_tokens { CONF_TOKENS_CUSTOM, CONF_TOKENS_ENTRA };

/** token-issuers.NAME: whose tokens are credentials (jwt: custom, entra-jwt: entra), and by which rules. */
struct conf_token_issuer {
    const char *name;
    char *tenant;
    int kind;        /* enum conf_tokens */
    char *keys_file; /* JWKS or PEM; read again when it changes */
    bool allow_missing_kid;
    char *token_type; /* typ; "JWT": that or none */
    struct pke_strings algorithms;
    struct pke_strings issuer, audience; /* entra: {tid} in issuer stands for the token's own tenant */
    int64_t leeway, max_lifetime;
    char *principal_claim; /* custom */
    char *id_claim;        /* custom; NULL: the name is all that is known */
    struct pke_strings
        principals; /* custom, patterns as in allow; empty: any without a tenant for a domain */
    char *upn_claim;
    bool require_key_binding;   /* custom: cnf names the key of the CSR */
    bool one_time;              /* custom: jti is good for one certificate */
    struct pke_strings tenants; /* entra, GUIDs in any letter case; never empty */
    char *required_scope;       /* entra; "": any */
    struct pke_strings app_ids; /* entra, GUIDs; empty: any */
};

enum conf_authoriser_kind { CONF_AUTHORISER_STATIC, CONF_AUTHORISER_WEBHOOK };

/** authorisers.NAME: who decides beside the template. Default deny: no answer is no certificate. */
struct conf_authoriser {
    const char *name;
    char *tenant;
    int kind;                     /* enum conf_authoriser_kind */
    char *rules_file;             /* static: JSON, doc/authoriser.md */
    char *url;                    /* webhook: https, or http with unix_path */
    char *unix_path;              /* webhook: unix socket of the frontend */
    struct pke_strings peer_uids; /* webhook over unix: users whose socket it may be; then no answer secret */
    char *question_secret_file;   /* HMAC key of what is sent; net has it */
    char *answer_secret_file;     /* HMAC key of what comes back; issuer and auth have it, never net */
    char *tls_ca, *tls_certificate, *tls_key; /* PEM files */
    int64_t timeout;                          /* ms for everything, the retry included */
    uint64_t max_in_flight;
};

/** event-sinks.NAME: a program of the administrator that is told what happened (doc/events.md). */
struct conf_sink {
    const char *name;
    char *tenant;
    char *url;                                /* https, or http with unix_path */
    char *unix_path;                          /* unix socket of the receiver */
    struct pke_strings peer_uids;             /* users whose socket it may be */
    char *secret_file;                        /* HMAC key of what is sent; net has it */
    char *tls_ca, *tls_certificate, *tls_key; /* PEM files */
    struct pke_strings kinds;                 /* of events, ledger/event.h; empty: all but refused */
    int64_t timeout;                          /* ms of one delivery */
    uint64_t max_in_flight;                   /* deliveries at a time */
    uint64_t max_attempts;                    /* of one event that the receiver answers with a refusal */
};

/**
 * tenants.NAME: who shares this daemon and sees nothing of the others. An endpoint belongs to one; everything
 * that a request needs of the configuration belongs to the same, and so do its rows in the ledger. Where the
 * file has no section tenants there is one all the same, of the name of the global option tenant.
 */
struct conf_tenant {
    const char *name;
    struct pke_strings hosts;     /* lower case, with or without a port; they select the endpoint, no more */
    char *path_prefix;            /* before the path of each of its endpoints; NULL: none */
    char *user_file;              /* NULL: none of its endpoints takes user names */
    struct pke_strings audiences; /* aud of its tokens, and of nobody else's; empty: what its issuers say */
    uint64_t max_certificates, max_devices; /* valid, live at a time; 0: any number */
    uint64_t requests_per_minute;           /* of both stages; 0: any number */
};

/**
 * frontends.NAME: an MDM frontend on the control socket, by the kernel's word about its user and groups, and
 * what it is bound to. Default deny: what is not named here it neither sees nor does.
 */
struct conf_frontend {
    const char *name;
    struct pke_strings users, groups; /* names or numbers */
    struct pke_strings certificates;  /* SHA-256 of those that it shows over TLS */
    struct pke_strings tenants;       /* never empty */
    struct pke_strings templates;     /* of which it may have certificates made; empty: none */
    struct pke_strings upn_suffixes, dns_suffixes, email_suffixes, sid_prefixes, uri_prefixes;
    uint64_t requests_per_minute;   /* calls of the control socket; 0: any number */
    uint64_t certificates_per_hour; /* that it may have made; 0: any number */
};

/** endpoints.NAME: path -> what is served there. */
struct conf_endpoint {
    const char *name;
    char *tenant;
    struct pke_strings listeners;
    char *path;
    int flavour;                      /* enum conf_flavour */
    int stage;                        /* enum conf_stage */
    char *enrollment_version;         /* "3.0" .. "7.0", as told to the client at discovery */
    struct pke_strings credentials;   /* enabled kinds: "username" */
    struct pke_strings token_issuers; /* names; of those kinds that are enabled */
    char *authenticator; /* authoriser that knows frontend-token and frontend-password; NULL: none */
    char *template_name;
    char *provisioning;        /* stage enroll */
    char *enroll_endpoint;     /* stage policy: whose URL is advertised */
    char *credential_ca;       /* PEM file: who vouches for signed-header and client-certificate */
    char *credential_crl;      /* PEM file of revocations, or NULL */
    int certificate_principal; /* enum conf_principal */
    const struct policy_template *template_ref;
    const struct conf_provisioning *provisioning_ref;
    const struct conf_endpoint *enroll_ref;
    const struct conf_tenant *tenant_ref;
    const char *route; /* path-prefix of the tenant and path: what a request must ask for, byte by byte */
};

struct conf_global {
    char *state_directory;   /* ledger, PIN latches */
    char *publish_directory; /* what a web server in front gives to everybody */
    char *tenant;            /* NULL where there is a section tenants; for daemon/common/conf*.c only */
    char *ledger_file;
    int64_t retry_window;
    int64_t waiting_lifetime; /* of a request that waits for the key */
    uint64_t waiting_max;
    char *user_file;
    char *identity_map; /* NULL: none */
    char *blocked_keys; /* SHA-256 of SPKIs, one a line; NULL: none */
    uint64_t auth_workers;
    int64_t request_deadline;
    int64_t clock_backward_limit, clock_forward_limit;
    int64_t expiring_notice; /* ms before its end that an event tells of a certificate; 0: never */
    char *control_socket;
    char *control_tls_address;                       /* IP:port of the control API for frontends; NULL: off */
    char *control_tls_certificate, *control_tls_key; /* PEM files */
    struct pke_strings viewer_groups, officer_groups, admin_groups;
};

struct conf {
    struct conf_global global;
    struct conf_key *keys;
    size_t n_keys;
    struct conf_issuer *issuers;
    size_t n_issuers;
    struct policy_template *templates;
    size_t n_templates;
    struct conf_listener *listeners;
    size_t n_listeners;
    struct conf_endpoint *endpoints;
    size_t n_endpoints;
    struct conf_provisioning *provisionings;
    size_t n_provisionings;
    struct conf_token_issuer *token_issuers;
    size_t n_token_issuers;
    struct conf_authoriser *authorisers;
    size_t n_authorisers;
    struct conf_sink *sinks;
    size_t n_sinks;
    struct conf_tenant *tenants;
    size_t n_tenants; /* at least 1 */
    struct conf_frontend *frontends;
    size_t n_frontends;
    uint8_t generation[CONF_GENERATION];
    char generation_hex[2 * CONF_GENERATION + 1];
    const char *file;        /* name for messages */
    struct pke_arena *arena; /* owns everything above */
};

/**
 * A list of "file:line:col: path: message" lines, all errors at once, in the order of the file.
 * The caller zeroes it (`= {0}`), hands it to one or more calls, which append, and ends with
 * conf_errors_done().
 */
struct conf_errors {
    struct pke_buf text;
    unsigned count;
};

/**
 * Parse and validate. No file named in it is opened (conf_check_files does), so that any role can call it.
 * @param file  name for messages; its directory resolves relative paths: give an absolute path when the
 * working directory may change
 * @return PKE_OK with *ret (one reference, conf_unref), or PKE_CONFIG with every error in @p errors. Does not
 *         block.
 */
enum pke_err conf_parse(const char *file, struct pke_bytes text, struct conf **ret,
                        struct conf_errors *errors);

/**
 * Read a file of at most CONF_MAX_BYTES and parse it. Blocks. Refuses a file that others than root and the
 * own user may write. @p bytes is initialised here and holds what was read, also after an error
 * (pke_buf_done).
 */
enum pke_err conf_load(const char *file, struct pke_buf *bytes, struct conf **ret,
                       struct conf_errors *errors);

/**
 * Append an error about one option of one object of a section ("provisioning", "corp", "fragment-file"), for
 * checks of content that are not this folder's. @p option NULL: about the object; @p section NULL, too: about
 * the file. Always PKE_CONFIG.
 */
enum pke_err conf_errors_add(const struct conf *conf, const char *section, const char *name,
                             const char *option, const char *text, struct conf_errors *errors);

/** Check that the files it names exist and are readable. Blocks on disk; main and --check-config. */
enum pke_err conf_check_files(const struct conf *conf, struct conf_errors *errors);

/**
 * One more reference, for a transaction that outlives a reload; give it back with conf_unref. Not for
 * threads.
 */
struct conf *conf_ref(const struct conf *conf);

/** Give back a reference; the last one releases everything. Accepts NULL. */
void conf_unref(struct conf *conf);
void conf_errors_done(struct conf_errors *errors);

/** The list as one PKE_CONFIG failure: as many whole errors as its text takes, then how many there are. */
enum pke_err conf_errors_fail(struct conf_errors *errors, struct pke_fail *fail);

/** Look-ups by name; NULL when there is none. */
const struct conf_key *conf_find_key(const struct conf *conf, const char *name);
const struct conf_issuer *conf_find_issuer(const struct conf *conf, const char *name);

/**
 * Could certificates of template @p t come from @p issuer: it names it, or lies within its bounds (EKUs,
 * policies, validity, backdate) and may come to it by a rollover? What the floor of its key knows of
 * templates are these.
 */
bool conf_issuer_could_sign(const struct conf_issuer *issuer, const struct policy_template *t);
const struct policy_template *conf_find_template(const struct conf *conf, const char *name);
const struct conf_listener *conf_find_listener(const struct conf *conf, const char *name);
const struct conf_endpoint *conf_find_endpoint(const struct conf *conf, const char *name);
const struct conf_provisioning *conf_find_provisioning(const struct conf *conf, const char *name);
const struct conf_token_issuer *conf_find_token_issuer(const struct conf *conf, const char *name);
const struct conf_authoriser *conf_find_authoriser(const struct conf *conf, const char *name);
const struct conf_sink *conf_find_sink(const struct conf *conf, const char *name);
const struct conf_tenant *conf_find_tenant(const struct conf *conf, const char *name);
const struct conf_frontend *conf_find_frontend(const struct conf *conf, const char *name);

/** The name of the only tenant; NULL when there are several. */
const char *conf_only_tenant(const struct conf *conf);

/** What of @p fresh needs a restart of the daemon (PKE_RELOAD_RESTART): PKE_CONFIG and every such option. */
enum pke_err conf_check_reload(const struct conf *old, const struct conf *fresh, struct conf_errors *errors);

/**
 * The effective configuration as YAML that conf_parse accepts, every option with its value (unset texts left
 * out). The APPAUTH values of provisioning are in it: for the administrator's eyes.
 */
enum pke_err conf_dump(const struct conf *conf, struct pke_buf *out);

/** JSON Schema of the file, from the option tables. */
enum pke_err conf_dump_schema(struct pke_buf *out);

/** Value of a list option as its elements; NULL for other types. */
const struct pke_strings *conf_option_list(const struct pke_option *opt, const void *base);

/** One row per section: for the manual page check and the control API ("templates" -> template options). */
struct conf_section {
    const char *name; /* "global" stands for the top level */
    bool named;       /* a mapping of NAME -> options */
    const struct pke_option *options;
    const char *help;
};
extern const struct conf_section conf_sections[]; /* ends with name NULL */

#endif
