/* SPDX-License-Identifier: Apache-2.0 */
/* Rules between options: endpoints and the provisioning document. */
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "daemon/common/conf_impl.h"
#include "daemon/common/pattern.h"

#define DAY_MS             86400000
#define MINUTE_MS          60000
#define MANAGEMENT_SERVERS 8

bool conf_https_url(const char *url, bool path)
{
    static const char host[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-[]:";
    size_t n;

    if (strncmp(url, "https://", 8) != 0)
        return false;
    url += 8;
    n = strspn(url, host);
    if (n == 0 || *url == ':' || url[n - 1] == ':')
        return false;
    url += n;
    if (*url == '\0')
        return true;
    if (!path || (*url != '/' && *url != '?'))
        return false;
    for (; *url;
         url++) /* what a URL may hold (RFC 3986 2): nothing that XML or HTTP would have to escape away */
        if ((unsigned char)*url <= 0x20 || (unsigned char)*url >= 0x7f || strchr("\"<>\\^`{|}#", *url))
            return false;
    return true;
}

static void check_version(struct conf_impl *ci, size_t i)
{
    static const char *const known[] = {"3.0", "4.0", "5.0", "6.0", "7.0"};
    const struct conf_endpoint *e = &ci->conf.endpoints[i];

    for (size_t k = 0; k < PKE_LEN(known); k++) {
        if (strcmp(known[k], e->enrollment_version) != 0)
            continue;
        if (k < 2 && e->template_ref && e->template_ref->attestation == POLICY_ATTESTATION_REQUIRE)
            conf_bad(ci, CONF_ENDPOINTS, i, "enrollment-version",
                     "clients attest keys from 5.0 on, and the template %s requires it", e->template_name);
        return;
    }
    conf_bad(ci, CONF_ENDPOINTS, i, "enrollment-version", "expects 3.0, 4.0, 5.0, 6.0 or 7.0");
}

static void check_path(struct conf_impl *ci, size_t i)
{
    const struct conf_endpoint *e = &ci->conf.endpoints[i];

    if (!e->path)
        return;
    if (e->path[0] != '/') {
        conf_bad(ci, CONF_ENDPOINTS, i, "path", "must begin with /");
        return;
    }
    for (const char *c = e->path; *c; c++) {
        if ((unsigned char)*c > 0x20 && (unsigned char)*c < 0x7f && !strchr("?#\"<>\\^`{|}%", *c))
            continue;
        conf_bad(ci, CONF_ENDPOINTS, i, "path", "must be URL characters without %%, ? and #");
        break;
    }
    for (size_t k = 0; k < i; k++) {
        const struct conf_endpoint *o = &ci->conf.endpoints[k];
        if (!conf_same_route(o, e))
            continue;
        for (size_t l = 0; l < e->listeners.n; l++)
            if (pke_strings_has(&o->listeners, e->listeners.v[l]))
                conf_bad(ci, CONF_ENDPOINTS, i, "path",
                         "the endpoint %s has the same path on the listener %s", o->name, e->listeners.v[l]);
    }
}

static bool is_credential_kind(const char *name)
{
    static const char *const kinds[] = {"username",       "one-time-token",    "jwt",
                                        "entra-jwt",      "signed-header",     "client-certificate",
                                        "frontend-token", "frontend-password", "frontend"};

    for (size_t i = 0; i < PKE_LEN(kinds); i++)
        if (strcmp(kinds[i], name) == 0)
            return true;
    return false;
}

static void check_credentials(struct conf_impl *ci, size_t i)
{
    const struct conf_endpoint *e = &ci->conf.endpoints[i];

    if (e->credentials.n == 0)
        conf_bad(ci, CONF_ENDPOINTS, i, "credentials", "must not be empty");
    for (size_t k = 0; k < e->credentials.n; k++)
        if (!is_credential_kind(e->credentials.v[k]))
            conf_bad_item(ci, CONF_ENDPOINTS, i, "credentials", e->credentials.v[k],
                          "%s is not a known credential kind: username, one-time-token, jwt, entra-jwt, "
                          "signed-header, client-certificate, frontend-token, frontend-password, frontend",
                          e->credentials.v[k]);
}

/* A certificate is worth what its CA is; and nobody has one in TLS who is not asked for it. */
static void check_certificates(struct conf_impl *ci, size_t i)
{
    const struct conf_endpoint *e = &ci->conf.endpoints[i];
    bool tls = pke_strings_has(&e->credentials, "client-certificate"), asked = false;
    bool any = tls || pke_strings_has(&e->credentials, "signed-header");

    if (any && !e->credential_ca)
        conf_bad(ci, CONF_ENDPOINTS, i, "credential-ca",
                 "is needed for signed-header and client-certificate");
    if (!any && e->credential_ca)
        conf_bad(ci, CONF_ENDPOINTS, i, "credential-ca",
                 "has no effect without the credentials signed-header or client-certificate");
    if (!e->credential_ca && e->credential_crl)
        conf_bad(ci, CONF_ENDPOINTS, i, "credential-crl", "has no effect without credential-ca");
    for (size_t k = 0; k < e->listeners.n; k++) {
        const struct conf_listener *l = conf_find_listener(&ci->conf, e->listeners.v[k]);

        asked = asked || !l || l->client_cert_header ||
                (l->client_cert != CONF_CLIENT_CERT_OFF && !l->frontend); /* else it is the frontend's own */
    }
    if (tls && !asked)
        conf_bad_item(
            ci, CONF_ENDPOINTS, i, "credentials", "client-certificate",
            "client-certificate needs a listener with client-cert optional or require, or a frontend's "
            "with client-cert-header");
}

/* The URL that is advertised for @p e is made from its first listener. */
static void check_advertised(struct conf_impl *ci, const struct conf_endpoint *e)
{
    const struct conf_listener *l = e->listeners.n ? conf_find_listener(&ci->conf, e->listeners.v[0]) : NULL;

    if (!l || l->public_url)
        return;
    if (l->unix_path || l->socket || !l->tls_certificate ||
        (l->address && strcmp(l->address, "0.0.0.0") == 0) || (l->address && strcmp(l->address, "::") == 0))
        conf_bad(
            ci, CONF_LISTENERS, (size_t)(l - ci->conf.listeners), "public-url",
            "is needed: clients are sent to the endpoint %s, and this listener's address is no URL for them",
            e->name);
}

static void check_policy_stage(struct conf_impl *ci, size_t i)
{
    const struct conf_endpoint *e = &ci->conf.endpoints[i];

    if (e->provisioning)
        conf_bad(ci, CONF_ENDPOINTS, i, "provisioning", "belongs to the stage enroll");
    if (!e->enroll_endpoint && e->template_ref && e->template_ref->advertise_ca)
        conf_bad(ci, CONF_ENDPOINTS, i, "enroll-endpoint", "is needed: the template %s advertises its CA",
                 e->template_name);
    if (!e->enroll_ref ||
        !conf_given(ci, CONF_ENDPOINTS, (size_t)(e->enroll_ref - ci->conf.endpoints), "stage"))
        return;
    if (e->enroll_ref->stage != CONF_STAGE_ENROLL)
        conf_bad(ci, CONF_ENDPOINTS, i, "enroll-endpoint", "the endpoint %s is not of the stage enroll",
                 e->enroll_endpoint);
    else if (e->template_ref && e->enroll_ref->template_ref && e->template_ref != e->enroll_ref->template_ref)
        conf_bad(ci, CONF_ENDPOINTS, i, "enroll-endpoint", "the endpoint %s has another template",
                 e->enroll_endpoint);
    else
        check_advertised(ci, e->enroll_ref);
}

static void check_enroll_stage(struct conf_impl *ci, size_t i)
{
    const struct conf_endpoint *e = &ci->conf.endpoints[i];

    if (e->enroll_endpoint)
        conf_bad(ci, CONF_ENDPOINTS, i, "enroll-endpoint", "belongs to the stage policy");
    if (!e->provisioning)
        conf_bad(ci, CONF_ENDPOINTS, i, "provisioning", "the stage enroll needs provisioning values");
    if (e->provisioning_ref && e->template_ref && e->provisioning_ref->renew_period &&
        (int64_t)e->provisioning_ref->renew_period >= e->template_ref->validity / DAY_MS)
        conf_bad(
            ci, CONF_ENDPOINTS, i, "provisioning",
            "renew-period %u days of %s is not shorter than the validity of the template %s: devices would "
            "renew at once (MS-MDE2 2.2.9.1)",
            (unsigned)e->provisioning_ref->renew_period, e->provisioning, e->template_name);
}

void conf_check_endpoints(struct conf_impl *ci)
{
    for (size_t i = 0; i < ci->conf.n_endpoints; i++) {
        const struct conf_endpoint *e = &ci->conf.endpoints[i];

        check_version(ci, i);
        check_path(ci, i);
        check_credentials(ci, i);
        check_certificates(ci, i);
        if (conf_given(ci, CONF_ENDPOINTS, i, "listeners") && e->listeners.n == 0)
            conf_bad(ci, CONF_ENDPOINTS, i, "listeners", "must not be empty");
        if (conf_given(ci, CONF_ENDPOINTS, i, "stage") && e->stage == CONF_STAGE_POLICY)
            check_policy_stage(ci, i);
        else if (conf_given(ci, CONF_ENDPOINTS, i, "stage"))
            check_enroll_stage(ci, i);
    }
}

static bool base64_ok(const char *text)
{
    struct pke_buf raw;
    bool ok;

    pke_buf_init(&raw, 256);
    ok = pke_base64_decode(pke_bytes_str(text), PKE_B64_STRICT, &raw) == PKE_OK && raw.n > 0;
    pke_buf_done(&raw);
    return ok;
}

static void check_poll(struct conf_impl *ci, size_t i)
{
    const struct conf_provisioning *p = &ci->conf.provisionings[i];
    const struct {
        const char *option;
        int64_t ms;
    } intervals[] = {{"poll-first-interval", p->poll_first_interval},
                     {"poll-second-interval", p->poll_second_interval},
                     {"poll-remaining-interval", p->poll_remaining_interval}};

    if (p->poll_first_retries == 0 && p->poll_second_retries == 0 && p->poll_remaining_retries == 0)
        conf_bad(ci, CONF_PROVISIONING, i, "poll-first-retries",
                 "the three numbers of retries must not all be 0");
    else if (p->poll_first_retries == 0)
        conf_bad(ci, CONF_PROVISIONING, i, "poll-first-retries",
                 "must not be 0: it would repeat for ever and starve the others");
    else if (p->poll_second_retries == 0 && p->poll_remaining_retries == 0)
        conf_bad(ci, CONF_PROVISIONING, i, "poll-second-retries",
                 "only one of the schedules may repeat for ever (0)");
    for (size_t k = 0; k < PKE_LEN(intervals); k++)
        if (intervals[k].ms % MINUTE_MS != 0)
            conf_bad(ci, CONF_PROVISIONING, i, intervals[k].option, "expects whole minutes");
}

static void check_appauth(struct conf_impl *ci, size_t i)
{
    const struct conf_provisioning *p = &ci->conf.provisionings[i];
    bool digest = strcmp(p->server_auth_type, "DIGEST") == 0;

    if (!digest && strcmp(p->server_auth_type, "BASIC") != 0)
        conf_bad(ci, CONF_PROVISIONING, i, "server-auth-type", "expects BASIC or DIGEST");
    if (p->client_nonce && !base64_ok(p->client_nonce))
        conf_bad(ci, CONF_PROVISIONING, i, "client-nonce", "expects base64");
    if (p->server_nonce && !base64_ok(p->server_nonce))
        conf_bad(ci, CONF_PROVISIONING, i, "server-nonce", "expects base64");
    if (digest && !p->server_nonce)
        conf_bad(ci, CONF_PROVISIONING, i, "server-nonce", "is needed with server-auth-type DIGEST");
}

/* What a client only claims is a label; an account name it is not. */
static void check_patterns(struct conf_impl *ci, size_t i)
{
    const struct conf_provisioning *p = &ci->conf.provisionings[i];
    const struct {
        const char *option, *pattern, *known;
        unsigned allowed;
    } patterns[] = {
        {"upn", p->upn, "{upn}, {user}, {device-id} and {ent-dmid}",
         PATTERN_ALL & ~(1u << PATTERN_DEVICE_NAME)},
        {"device-name", p->device_name, "{device-name}, {device-id}, {upn}, {user} and {ent-dmid}",
         PATTERN_ALL},
    };

    for (size_t k = 0; k < PKE_LEN(patterns); k++)
        if (patterns[k].pattern && !pattern_valid(patterns[k].pattern, patterns[k].allowed))
            conf_bad(ci, CONF_PROVISIONING, i, patterns[k].option,
                     "has an unknown placeholder: %s are known here", patterns[k].known);
}

static bool sync_version_ok(const char *s)
{
    size_t major = strspn(s, "0123456789"), minor = s[major] == '.' ? strspn(s + major + 1, "0123456789") : 0;

    return major > 0 && minor > 0 && s[major + 1 + minor] == '\0';
}

static void check_dmclient(struct conf_impl *ci, size_t i)
{
    const struct conf_provisioning *p = &ci->conf.provisionings[i];

    check_patterns(ci, i);
    if (p->protocol_version && strcmp(p->protocol_version, "1.1") != 0 &&
        strcmp(p->protocol_version, "1.2") != 0)
        conf_bad(ci, CONF_PROVISIONING, i, "protocol-version", "expects 1.1 or 1.2");
    if (p->sync_version && !sync_version_ok(p->sync_version))
        conf_bad(ci, CONF_PROVISIONING, i, "sync-version", "expects a version such as 5.0");
    if (p->management_servers.n > MANAGEMENT_SERVERS)
        conf_bad(ci, CONF_PROVISIONING, i, "management-servers", "there are more than %d",
                 MANAGEMENT_SERVERS);
    for (size_t k = 0; k < p->management_servers.n; k++)
        if (!conf_https_url(p->management_servers.v[k], true))
            conf_bad_item(ci, CONF_PROVISIONING, i, "management-servers", p->management_servers.v[k],
                          "expects an https URL");
}

static void check_provisioning(struct conf_impl *ci, size_t i)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    const struct conf_provisioning *p = &ci->conf.provisionings[i];

    if (p->provider_id && p->provider_id[strspn(p->provider_id, plain)])
        conf_bad(ci, CONF_PROVISIONING, i, "provider-id",
                 "expects letters, digits, dots, dashes and underscores: it is a node name of the device");
    if (p->management_url && !conf_https_url(p->management_url, true))
        conf_bad(ci, CONF_PROVISIONING, i, "management-url", "expects an https URL");
    if (p->renew_url && !conf_https_url(p->renew_url, true))
        conf_bad(ci, CONF_PROVISIONING, i, "renew-url", "expects an https URL");
    if (p->initial_backoff > p->max_backoff)
        conf_bad(ci, CONF_PROVISIONING, i, "initial-backoff", "is longer than max-backoff");
    if (strcmp(p->default_encoding, "application/vnd.syncml.dm+xml") != 0 &&
        strcmp(p->default_encoding, "application/vnd.syncml.dm+wbxml") != 0)
        conf_bad(ci, CONF_PROVISIONING, i, "default-encoding",
                 "expects application/vnd.syncml.dm+xml or application/vnd.syncml.dm+wbxml");
    if (p->renew_period && p->retry_interval > p->renew_period)
        conf_bad(ci, CONF_PROVISIONING, i, "retry-interval", "is longer than renew-period (MS-MDE2 2.2.9.1)");
    if (!p->renew_period && p->renew_url)
        conf_bad(ci, CONF_PROVISIONING, i, "renew-url", "has no effect while renew-period is 0");
    check_appauth(ci, i);
    check_dmclient(ci, i);
    check_poll(ci, i);
}

void conf_check_provisioning(struct conf_impl *ci)
{
    for (size_t i = 0; i < ci->conf.n_provisionings; i++)
        check_provisioning(ci, i);
}
