/* SPDX-License-Identifier: Apache-2.0 */
/* The options of what clients are served: endpoints and the provisioning document; and the list of sections.
 */
#include "daemon/common/conf_impl.h"

static const struct pke_enum_name flavours[] = {{"mdm", CONF_FLAVOUR_MDM}, {NULL, 0}};
static const struct pke_enum_name stages[] = {
    {"policy", CONF_STAGE_POLICY}, {"enroll", CONF_STAGE_ENROLL}, {NULL, 0}};

static const struct pke_enum_name principals[] = {{"subject-cn", CONF_PRINCIPAL_CN},
                                                  {"san-upn", CONF_PRINCIPAL_UPN},
                                                  {"san-email", CONF_PRINCIPAL_EMAIL},
                                                  {"sha256", CONF_PRINCIPAL_SHA256},
                                                  {NULL, 0}};

#define F(type, field) PKE_FIELD(type, struct conf_endpoint, field)

const struct pke_option conf_endpoint_options[] = {
    {"tenant", PKE_OPT_STRING, F(char *, tenant), NULL, 1, CONF_NAME_MAX,
     .help = "Whose it is; needed where there are several tenants"},
    {"listeners", PKE_OPT_STRINGS, F(struct pke_strings, listeners), NULL, 1, CONF_NAME_MAX, .required = true,
     .help = "Names of the listeners that serve it; the first one makes its URL"},
    {"path", PKE_OPT_STRING, F(char *, path), NULL, 1, 255, .required = true,
     .help = "Path of the URL behind the path-prefix of its tenant, compared byte by byte"},
    {"flavour", PKE_OPT_ENUM, F(int, flavour), "mdm", .names = flavours, .help = "Protocol family"},
    {"stage", PKE_OPT_ENUM, F(int, stage), NULL, .names = stages, .required = true,
     .help = "Policy (MS-XCEP GetPolicies) or enroll (MS-WSTEP RequestSecurityToken)"},
    {"enrollment-version", PKE_OPT_STRING, F(char *, enrollment_version), "4.0", 3, 3,
     .help = "EnrollmentVersion that discovery told the client"},
    {"credentials", PKE_OPT_STRINGS, F(struct pke_strings, credentials), "username", 1, 32,
     .help = "Credential kinds that are accepted: username, one-time-token, jwt, entra-jwt, signed-header, "
             "client-certificate, frontend-token, frontend-password, frontend"},
    {"credential-ca", PKE_OPT_PATH, F(char *, credential_ca), NULL, 1, 4000,
     .help = "PEM file of the CAs whose certificates are credentials (signed-header, client-certificate)"},
    {"credential-crl", PKE_OPT_PATH, F(char *, credential_crl), NULL, 1, 4000,
     .help = "PEM file of their revocation lists; read again when it changes"},
    {"certificate-principal", PKE_OPT_ENUM, F(int, certificate_principal), "subject-cn", .names = principals,
     .help = "What of such a certificate is the principal"},
    {"token-issuers", PKE_OPT_STRINGS, F(struct pke_strings, token_issuers), NULL, 1, CONF_NAME_MAX,
     .help = "Names of the token issuers of the credential kinds jwt and entra-jwt"},
    {"authenticator", PKE_OPT_STRING, F(char *, authenticator), NULL, 1, CONF_NAME_MAX,
     .help = "Name of the authoriser that says whose a frontend-token or frontend-password is"},
    {"template", PKE_OPT_STRING, F(char *, template_name), NULL, 1, CONF_NAME_MAX, .required = true,
     .help = "Name of the certificate template"},
    {"provisioning", PKE_OPT_STRING, F(char *, provisioning), NULL, 1, CONF_NAME_MAX,
     .help = "Stage enroll: name of the provisioning values"},
    {"enroll-endpoint", PKE_OPT_STRING, F(char *, enroll_endpoint), NULL, 1, CONF_NAME_MAX,
     .help = "Stage policy: name of the endpoint whose URL is advertised"},
    PKE_OPTION_END,
};
#undef F

#define F(type, field) PKE_FIELD(type, struct conf_provisioning, field)

const struct pke_option conf_provisioning_options[] = {
    {"tenant", PKE_OPT_STRING, F(char *, tenant), NULL, 1, CONF_NAME_MAX,
     .help = "Whose it is; needed where there are several tenants"},
    {"provider-id", PKE_OPT_STRING, F(char *, provider_id), NULL, 1, 64, .required = true,
     .help = "PROVIDER-ID of the management server"},
    {"display-name", PKE_OPT_STRING, F(char *, display_name), NULL, 1, 128,
     .help = "Name that Windows shows; default the provider-id"},
    {"management-url", PKE_OPT_STRING, F(char *, management_url), NULL, 1, 1024, .required = true,
     .help = "An https URL of the management server"},
    {"connection-retries", PKE_OPT_UINT, F(uint64_t, connection_retries), "3", 1, 100,
     .help = "CONNRETRYFREQ, retries of one connection"},
    {"initial-backoff", PKE_OPT_DURATION, F(int64_t, initial_backoff), "16s", 1, 86400000,
     .help = "INITIALBACKOFFTIME between two retries"},
    {"max-backoff", PKE_OPT_DURATION, F(int64_t, max_backoff), "24h", 1, 604800000,
     .help = "MAXBACKOFFTIME between two retries"},
    {"backcompat-retry-disabled", PKE_OPT_BOOL, F(bool, backcompat_retry_disabled), "no",
     .help = "BACKCOMPATRETRYDISABLED: the retry settings hold for the first session too"},
    {"default-encoding", PKE_OPT_STRING, F(char *, default_encoding), "application/vnd.syncml.dm+xml", 1, 64,
     .help = "DEFAULTENCODING of the management protocol"},
    {"protocol-version", PKE_OPT_STRING, F(char *, protocol_version), NULL, 1, 8,
     .help = "PROTOVER, OMA DM version that the server speaks: 1.1 or 1.2"},
    {"network-access-point", PKE_OPT_STRING, F(char *, network_access_point), NULL, 1, 255,
     .help = "TO-NAPID, connection that the client is to use"},
    {"use-hardware-id", PKE_OPT_BOOL, F(bool, use_hardware_id), "no",
     .help = "USEHWDEVID: the client names itself by its hardware id"},
    {"search-criteria", PKE_OPT_BOOL, F(bool, search_criteria), "yes",
     .help = "Emit SSLCLIENTCERTSEARCHCRITERIA for the issued certificate"},
    {"client-secret-file", PKE_OPT_PATH, F(char *, client_secret_file), NULL, .required = true,
     .help = "File (0600) with the AAUTHSECRET of APPAUTH CLIENT, known to the management server"},
    {"client-nonce", PKE_OPT_STRING, F(char *, client_nonce), NULL, 1, 255, .required = true,
     .help = "AAUTHDATA of APPAUTH CLIENT, base64"},
    {"server-name", PKE_OPT_STRING, F(char *, server_name), NULL, 1, 255, .required = true,
     .help = "AAUTHNAME of APPAUTH APPSRV"},
    {"server-secret-file", PKE_OPT_PATH, F(char *, server_secret_file), NULL, .required = true,
     .help = "File (0600) with the AAUTHSECRET of APPAUTH APPSRV, known to the management server"},
    {"server-nonce", PKE_OPT_STRING, F(char *, server_nonce), NULL, 1, 255,
     .help = "AAUTHDATA of APPAUTH APPSRV, base64; needed for DIGEST"},
    {"server-auth-type", PKE_OPT_STRING, F(char *, server_auth_type), "DIGEST", 1, 16,
     .help = "AAUTHTYPE of APPAUTH APPSRV: BASIC or DIGEST"},
    {"renew-period", PKE_OPT_UINT, F(uint64_t, renew_period), "42", .min = 0, .max = 1000,
     .help = "RenewPeriod: days before expiry when renewal begins; 0 leaves the schedule out"},
    {"retry-interval", PKE_OPT_UINT, F(uint64_t, retry_interval), "7", 1, 1000,
     .help = "RetryInterval: days between two renewal attempts"},
    {"renew-url", PKE_OPT_STRING, F(char *, renew_url), NULL, 1, 1024,
     .help = "ServerURL of renewal; absent, the client starts at discovery"},
    {"poll-first-retries", PKE_OPT_UINT, F(uint64_t, poll_first_retries), "5", .min = 0, .max = 100000,
     .help = "NumberOfFirstRetries of the poll schedule"},
    {"poll-first-interval", PKE_OPT_DURATION, F(int64_t, poll_first_interval), "15m", 60000, 31536000000,
     .help = "IntervalForFirstSetOfRetries, whole minutes"},
    {"poll-second-retries", PKE_OPT_UINT, F(uint64_t, poll_second_retries), "10", .min = 0, .max = 100000,
     .help = "NumberOfSecondRetries; 0 repeats for ever"},
    {"poll-second-interval", PKE_OPT_DURATION, F(int64_t, poll_second_interval), "1h", 60000, 31536000000,
     .help = "IntervalForSecondSetOfRetries, whole minutes"},
    {"poll-remaining-retries", PKE_OPT_UINT, F(uint64_t, poll_remaining_retries), "0", .min = 0,
     .max = 100000, .help = "NumberOfRemainingScheduledRetries; 0 repeats for ever"},
    {"poll-remaining-interval", PKE_OPT_DURATION, F(int64_t, poll_remaining_interval), "24h", 60000,
     31536000000, .help = "IntervalForRemainingScheduledRetries, whole minutes"},
    {"poll-on-login", PKE_OPT_BOOL, F(bool, poll_on_login), "yes",
     .help = "PollOnLogin: poll when the user signs in"},
    {"poll-all-users-on-first-login", PKE_OPT_BOOL, F(bool, poll_all_users), "no",
     .help = "AllUsersPollOnFirstLogin: poll at the first sign-in of every user"},
    {"upn", PKE_OPT_STRING, F(char *, upn), "{upn}", .min = 0, .max = 255,
     .help = "UPN, with placeholders; empty: left out"},
    {"device-name", PKE_OPT_STRING, F(char *, device_name), "{device-name}", .min = 0, .max = 255,
     .help = "EntDeviceName, with placeholders; empty: left out"},
    {"help-phone", PKE_OPT_STRING, F(char *, help_phone), NULL, 1, 64, .help = "HelpPhoneNumber"},
    {"help-website", PKE_OPT_STRING, F(char *, help_website), NULL, 1, 1024, .help = "HelpWebsite"},
    {"help-email", PKE_OPT_STRING, F(char *, help_email), NULL, 1, 320, .help = "HelpEmailAddress"},
    {"require-message-signing", PKE_OPT_BOOL, F(bool, require_message_signing), "no",
     .help = "RequireMessageSigning: the client signs its management messages"},
    {"sync-version", PKE_OPT_STRING, F(char *, sync_version), NULL, 1, 16,
     .help = "SyncApplicationVersion of the management session, such as 5.0"},
    {"keep-alive", PKE_OPT_BOOL, F(bool, keep_alive), "no",
     .help = "EnableOmaDmKeepAliveMessage: the client asks for time while it works"},
    {"aad-resource-id", PKE_OPT_STRING, F(char *, aad_resource_id), NULL, 1, 255,
     .help = "AADResourceID for which the client gets tokens of its user"},
    {"management-servers", PKE_OPT_STRINGS, F(struct pke_strings, management_servers), NULL, 1, 1024,
     .help = "ManagementServerAddressList: https URLs to be used instead of management-url"},
    {"fragment-file", PKE_OPT_PATH, F(char *, fragment_file), NULL,
     .help = "File of further characteristic elements for the document"},
    PKE_OPTION_END,
};
#undef F

/* in the order of enum conf_section_id */
const struct conf_section conf_sections[] = {
    {"global", false, conf_global_options, "the daemon as a whole"},
    {"keys", true, conf_key_options, "CA keys and how to open them"},
    {"issuers", true, conf_issuer_options, "CA certificates, their keys and the limits of each"},
    {"templates", true, policy_template_options, "what may be issued, to whom and with which names"},
    {"listeners", true, conf_listener_options, "where clients and the frontend connect"},
    {"provisioning", true, conf_provisioning_options, "values of the provisioning document"},
    {"token-issuers", true, conf_token_issuer_options, "whose tokens clients may bring, and by which rules"},
    {"authorisers", true, conf_authoriser_options,
     "who decides beside the template whether a request is answered"},
    {"endpoints", true, conf_endpoint_options, "paths and what is served there"},
    {"tenants", true, conf_tenant_options, "who shares the daemon and sees nothing of the others"},
    {"frontends", true, conf_frontend_options, "who may use the control socket for which tenants"},
    {"event-sinks", true, conf_sink_options, "who is told what happened"},
    {NULL, false, NULL, NULL},
};

#define LAYOUT(field, number, type)                                                                     \
    {                                                                                                   \
        offsetof(struct conf, field), offsetof(struct conf, number), sizeof(type), offsetof(type, name) \
    }

const struct conf_layout conf_layouts[CONF__SECTIONS] = {
    [CONF_KEYS] = LAYOUT(keys, n_keys, struct conf_key),
    [CONF_ISSUERS] = LAYOUT(issuers, n_issuers, struct conf_issuer),
    [CONF_TEMPLATES] = LAYOUT(templates, n_templates, struct policy_template),
    [CONF_LISTENERS] = LAYOUT(listeners, n_listeners, struct conf_listener),
    [CONF_PROVISIONING] = LAYOUT(provisionings, n_provisionings, struct conf_provisioning),
    [CONF_TOKEN_ISSUERS] = LAYOUT(token_issuers, n_token_issuers, struct conf_token_issuer),
    [CONF_AUTHORISERS] = LAYOUT(authorisers, n_authorisers, struct conf_authoriser),
    [CONF_ENDPOINTS] = LAYOUT(endpoints, n_endpoints, struct conf_endpoint),
    [CONF_TENANTS] = LAYOUT(tenants, n_tenants, struct conf_tenant),
    [CONF_FRONTENDS] = LAYOUT(frontends, n_frontends, struct conf_frontend),
    [CONF_SINKS] = LAYOUT(sinks, n_sinks, struct conf_sink),
};
