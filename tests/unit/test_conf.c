/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/common/conf*.c: the YAML subset, option tables, rules between options, dump, schema, reload. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "daemon/common/conf.h"

/* tests/data/conf/good.yaml, which other tests start from */
static char *good_text(void)
{
    const char *top = getenv("top_srcdir");
    char *path = pke_asprintf("%s/tests/data/conf/good.yaml", top ? top : ".");
    FILE *f = fopen(path, "re");
    char *text = pke_calloc(1, 65536);

    assert_non_null(f);
    assert_true(fread(text, 1, 65535, f) > 100);
    fclose(f);
    free(path);
    return text;
}

/* good.yaml with the one occurrence of @p from replaced */
static char *changed(const char *from, const char *to)
{
    char *good = good_text(), *at = strstr(good, from), *out;

    if (!at || strstr(at + 1, from))
        fail_msg("'%s' must occur once in good.yaml", from);
    *at = '\0';
    out = pke_asprintf("%s%s%s", good, to, at + strlen(from));
    free(good);
    return out;
}

static struct conf *must_parse(const char *text)
{
    struct conf_errors errors = {0};
    struct conf *conf = NULL;

    if (conf_parse("/etc/p/c.yaml", pke_bytes_str(text), &conf, &errors) != PKE_OK)
        fail_msg("%s", pke_buf_cstr(&errors.text));
    assert_int_equal(errors.count, 0);
    conf_errors_done(&errors);
    return conf;
}

static void must_refuse(const char *text, const char *lines)
{
    struct conf_errors errors = {0};
    struct conf *conf = (struct conf *)&errors;
    unsigned count = 0;

    assert_int_equal(conf_parse("c.yaml", pke_bytes_str(text), &conf, &errors), PKE_CONFIG);
    assert_null(conf);
    assert_string_equal(pke_buf_cstr(&errors.text), lines);
    for (const char *c = lines; *c; c++)
        count += *c == '\n';
    assert_int_equal(errors.count, count);
    conf_errors_done(&errors);
}

static void test_good_file(void **state)
{
    char *text = good_text();
    struct conf *c = must_parse(text);
    const struct conf_endpoint *policy = conf_find_endpoint(c, "policy"),
                               *enroll = conf_find_endpoint(c, "enroll");

    (void)state;
    assert_string_equal(c->global.tenant, "default");
    assert_string_equal(c->global.user_file, "/etc/p/users");
    assert_string_equal(c->global.ledger_file, "/var/lib/pkienrolld/ledger.db");
    assert_int_equal(c->global.retry_window, 3600000);
    assert_int_equal(c->global.auth_workers, 2);
    assert_int_equal(c->global.officer_groups.n, 2);
    assert_string_equal(c->global.officer_groups.v[1], "helpdesk");
    assert_int_equal(c->n_listeners, 2);
    assert_true(conf_find_listener(c, "frontend")->frontend);
    assert_false(conf_find_listener(c, "main")->frontend);
    assert_string_equal(conf_find_listener(c, "main")->tls_key, "/etc/p/tls.key");
    assert_ptr_equal(conf_find_issuer(c, "device-ca")->key_ref, conf_find_key(c, "device-ca"));
    assert_ptr_equal(policy->enroll_ref, enroll);
    assert_ptr_equal(policy->template_ref, conf_find_template(c, "device"));
    assert_string_equal(policy->template_ref->policy_id, "device");
    assert_ptr_equal(enroll->provisioning_ref, conf_find_provisioning(c, "corp"));
    assert_int_equal(policy->stage, CONF_STAGE_POLICY);
    assert_int_equal(enroll->stage, CONF_STAGE_ENROLL);
    assert_string_equal(policy->credentials.v[0], "username");
    assert_string_equal(enroll->provisioning_ref->display_name, "Corp \"Device\" \\ Management");
    assert_null(conf_find_key(c, "other"));
    assert_int_equal(strlen(c->generation_hex), 64);
    conf_unref(c);
    free(text);
}

/* One change of good.yaml each. The lines are those of the result. */
static void test_one_mistake(void **state)
{
    static const struct {
        const char *from, *to, *lines;
    } cases[] = {
        /* the language */
        {"keys:\n", "keys: &anchor\n",
         "c.yaml:9:7: keys: anchors are not part of the configuration language\n"},
        {"admin-groups: [pkienroll-admin]", "admin-groups: [*alias]",
         "c.yaml:4:16: admin-groups[0]: aliases are not part of the configuration language\n"},
        {"port: 0", "port: !!int 0",
         "c.yaml:29:11: listeners.main.port: tags are not part of the configuration language\n"},
        {"    port: 0", "    <<: {port: 0}",
         "c.yaml:27:3: listeners.main.port: is needed with address\n"
         "c.yaml:29:5: listeners.main.<<: merge keys are not part of the configuration language\n"},
        {"    port: 0", "    port: 0\n    port: 1",
         "c.yaml:30:5: listeners.main.port: is there already, in line 29\n"},
        {"    port: 0", "    ? [a]\n    : 0", "c.yaml:29:7: listeners.main: a key must be a plain word\n"},
        {"    port: 0", "    ? !!str port\n    : 0",
         "c.yaml:29:7: listeners.main: a key must be a plain word\n"},
        {"    port: 0", "\tport: 0",
         "c.yaml:29:1: found a tab character that violates indentation while scanning a plain scalar\n"},
        {"    port: 0", "    port:", "c.yaml:29:10: listeners.main.port: has no value\n"},
        {"display-name: 'Corp", "display-name: \"a\\0b\" #",
         "c.yaml:38:19: provisioning.corp.display-name: contains a NUL character\n"},
        {"# A whole", "%YAML 1.1\n---\n# A whole",
         "c.yaml:1:1: directives are not part of the configuration language\n"},
        {"    path: /EnrollmentServer/Enrollment.svc", "    path: \"/\xc3",
         "c.yaml:55:1: the line is not UTF-8 text\n"},
        /* option tables */
        {"    port: 0", "    port: http", "c.yaml:29:11: listeners.main.port: expects a whole number\n"},
        {"    port: 0", "    port: [1]",
         "c.yaml:29:11: listeners.main.port: expects a value, not a mapping or list\n"},
        {"    port: 0", "    port: 65536",
         "c.yaml:29:11: listeners.main.port: expects a value from 0 to 65535\n"},
        {"    port: 0", "    port: 0\n    prot: 1", "c.yaml:30:5: listeners.main.prot: unknown option\n"},
        {"# A whole", "Keys: 1\n# A whole", "c.yaml:1:1: Keys: unknown option\n"},
        {"# A whole", "endpoint: 1\n# A whole", "c.yaml:1:1: endpoint: unknown option\n"},
        {"[pkienroll-admin]", "pkienroll-admin", "c.yaml:4:15: admin-groups: expects a list\n"},
        {"[pkienroll-admin]", "[a, [b]]",
         "c.yaml:4:19: admin-groups[1]: expects a value, not a mapping or list\n"},
        {"  - helpdesk", "  - pkienroll-officer", "c.yaml:7:5: officer-groups[1]: is in the list already\n"},
        {"state-directory: /var/lib/pkienrolld\n", "", "c.yaml:2:1: the option state-directory is missing\n"},
        {"    certificate: device-ca.pem\n", "",
         "c.yaml:16:3: issuers.device-ca: the option certificate is missing\n"},
        {"provisioning:\n  corp:", "provisioning:\n  -corp:",
         "c.yaml:36:3: provisioning.-corp: a name is 1 to 63 lower-case letters, digits and inner dashes\n"
         "c.yaml:58:19: endpoints.enroll.provisioning: there is no provisioning corp\n"},
        {"# A whole", "retry-window: 25h\n# A whole",
         "c.yaml:1:15: retry-window: expects a value from 0 to 1d\n"},
        {"# A whole", "auth-workers: 17\n# A whole",
         "c.yaml:1:15: auth-workers: expects a value from 1 to 16\n"},
        {"# A whole", "request-deadline: 10\n# A whole",
         "c.yaml:1:19: request-deadline: expects a duration with its unit, such as 250ms, 10s, 5m, 24h or "
         "365d\n"},
        {"# A whole", "tenant: a_b\n# A whole",
         "c.yaml:1:9: tenant: a name is 1 to 63 lower-case letters, digits and inner dashes\n"},
        /* keys and issuers */
        {"    module: /usr/lib/softhsm/libsofthsm2.so\n", "",
         "c.yaml:10:3: keys.device-ca.module: the backend pkcs11 needs a module\n"},
        {"    module: /usr/lib/softhsm/libsofthsm2.so", "    backend: file",
         "c.yaml:12:10: keys.device-ca.uri: the backend file expects the path of a PEM file\n"},
        {"\"pkcs11:token", "\"pkcs12:token",
         "c.yaml:12:10: keys.device-ca.uri: must begin with pkcs11: (RFC 7512)\n"},
        {"type=private", "type=private?pin-value=1",
         "c.yaml:12:10: keys.device-ca.uri: must not name a PIN: use pin-file or pin-credential\n"},
        {"    pin-credential: device-ca-pin\n", "",
         "c.yaml:10:3: keys.device-ca.pin-file: pin-file or pin-credential is needed\n"},
        {"    pin-credential: device-ca-pin", "    pin-credential: a\n    login: protected-path",
         "c.yaml:14:12: keys.device-ca.login: no PIN is used with it: pin-file and pin-credential must be "
         "absent\n"},
        {"    pin-credential: device-ca-pin", "    pin-credential: a\n    login: keypad",
         "c.yaml:14:12: keys.device-ca.login: expects one of pin, protected-path, none\n"},
        {"    pin-credential: device-ca-pin", "    pin-credential: a\n    pin-file: b",
         "c.yaml:13:21: keys.device-ca.pin-credential: pin-file and pin-credential exclude each other\n"},
        {"    pin-credential: device-ca-pin", "    pin-credential: ../a",
         "c.yaml:13:21: keys.device-ca.pin-credential: is the name of a credential, not a path\n"},
        {"    key: device-ca", "    key: other",
         "c.yaml:18:10: issuers.device-ca.key: there is no key other\n"},
        {"    key: device-ca", "    key: device-ca\n  second: {certificate: b.pem, key: device-ca}",
         "c.yaml:19:37: issuers.second.key: the key belongs to the issuer device-ca already\n"},
        {"    key: device-ca", "    key: device-ca\n    max-validity: 364d",
         "c.yaml:22:3: templates.device.validity: is longer than max-validity 364d of the issuer "
         "device-ca\n"},
        {"    key: device-ca", "    key: device-ca\n    max-backdate: 5m",
         "c.yaml:22:3: templates.device.backdate: is longer than max-backdate 5m of the issuer device-ca\n"},
        {"    issuer: device-ca", "    ekus: [client-auth, 1.3.6.1.5.5.7.3.4]\n    issuer: device-ca",
         "c.yaml:22:25: templates.device.ekus[1]: 1.3.6.1.5.5.7.3.4 is not in allowed-ekus of the issuer "
         "device-ca\n"},
        {"    issuer: device-ca", "    certificate-policies: [1.2.3.4]\n    issuer: device-ca",
         "c.yaml:22:28: templates.device.certificate-policies[0]: 1.2.3.4 is not in allowed-policies of the "
         "issuer device-ca\n"},
        {"    issuer: device-ca", "    key-usage: [digital-signature, key-cert-sign]\n    issuer: device-ca",
         "c.yaml:22:16: templates.device.key-usage: takes digital-signature, non-repudiation, "
         "key-encipherment, data-encipherment and key-agreement (template options)\n"},
        {"    issuer: device-ca", "    key-usage: [key-agreement]\n    issuer: device-ca",
         "c.yaml:22:16: templates.device.key-usage: has nothing that an RSA key can do (template "
         "options)\n"},
        {"    issuer: device-ca", "    application-policies: [server-auth]\n    issuer: device-ca",
         "c.yaml:22:27: templates.device.application-policies: names one that is not in ekus (template "
         "options)\n"},
        {"    issuer: device-ca", "    cps-uri: http://a/\n    issuer: device-ca",
         "c.yaml:22:14: templates.device.cps-uri: needs certificate-policies (template options)\n"},
        {"    issuer: device-ca", "    template-extension: oid\n    issuer: device-ca",
         "c.yaml:21:3: templates.device.template-oid: must be an object identifier where template-extension "
         "is oid (template options)\n"},
        {"    issuer: device-ca", "    template-oid: 1.2.3\n    issuer: device-ca",
         "c.yaml:22:19: templates.device.template-oid: means something with template-extension: oid only "
         "(template options)\n"},
        {"    issuer: device-ca", "    template-extension: both\n    issuer: device-ca",
         "c.yaml:22:25: templates.device.template-extension: expects one of none, name, oid\n"},
        {"    issuer: device-ca", "    san: [\"dns:{dns}\"]\n    issuer: device-ca",
         "c.yaml:22:11: templates.device.san[0]: can never be within dns-suffixes of the issuer device-ca\n"},
        {"    issuer: device-ca", "    san: [\"email?:{email}\"]\n    issuer: device-ca",
         "c.yaml:22:11: templates.device.san[0]: can never be within email-suffixes of the issuer "
         "device-ca\n"},
        {"    issuer: device-ca", "    san: [\"upn:{upn}\"]\n    issuer: device-ca",
         "c.yaml:22:11: templates.device.san[0]: can never be within upn-suffixes of the issuer device-ca\n"},
        {"    issuer: device-ca",
         "    san: [\"uri:https://corp.example/{device-id}\"]\n    issuer: device-ca",
         "c.yaml:22:11: templates.device.san[0]: can never be within uri-prefixes of the issuer device-ca\n"},
        {"    issuer: device-ca", "    san: [\"sid-uri:{sid}\"]\n    issuer: device-ca",
         "c.yaml:22:11: templates.device.san[0]: can never be within sid-prefixes of the issuer device-ca\n"},
        {"    issuer: device-ca", "    san: [\"guid:{guid}\"]\n    issuer: device-ca",
         "c.yaml:22:11: templates.device.san[0]: can never be within allow-guid of the issuer device-ca\n"},
        {"    issuer: device-ca", "    sid-extension: require\n    issuer: device-ca",
         "c.yaml:22:20: templates.device.sid-extension: the issuer device-ca has no sid-prefixes\n"},
        /* what an issuer certifies */
        {"    key: device-ca",
         "    key: device-ca\n    upn-suffixes: [corp.example, .corp.example, \"@corp.example\"]",
         "c.yaml:19:49: issuers.device-ca.upn-suffixes[2]: expects domains such as corp.example, or "
         ".corp.example for those below\n"},
        {"    key: device-ca", "    key: device-ca\n    email-suffixes: [\"*.corp.example\"]",
         "c.yaml:19:22: issuers.device-ca.email-suffixes[0]: expects domains such as corp.example, or "
         ".corp.example for those below\n"},
        {"    key: device-ca", "    key: device-ca\n    dns-suffixes: [.corp.example]",
         "c.yaml:19:20: issuers.device-ca.dns-suffixes[0]: expects domains such as corp.example\n"},
        {"    key: device-ca", "    key: device-ca\n    dns-suffixes: [a.example, a.example]",
         "c.yaml:19:31: issuers.device-ca.dns-suffixes[1]: is in the list already\n"},
        {"    key: device-ca", "    key: device-ca\n    sid-prefixes: [S-1-5-21-]",
         "c.yaml:19:20: issuers.device-ca.sid-prefixes[0]: expects security identifiers such as "
         "S-1-5-21-1-2-3\n"},
        {"    key: device-ca", "    key: device-ca\n    uri-prefixes: [\"https://corp.example\"]",
         "c.yaml:19:20: issuers.device-ca.uri-prefixes[0]: expects beginnings of URIs that end with one of "
         ":/?#=, with a whole host and / where they have one\n"},
        {"    key: device-ca", "    key: device-ca\n    uri-prefixes: [\"https://corp.example:\"]",
         "c.yaml:19:20: issuers.device-ca.uri-prefixes[0]: expects beginnings of URIs that end with one of "
         ":/?#=, with a whole host and / where they have one\n"},
        {"    key: device-ca", "    key: device-ca\n    uri-prefixes: [\"https:\"]",
         "c.yaml:19:20: issuers.device-ca.uri-prefixes[0]: expects beginnings of URIs that end with one of "
         ":/?#=, with a whole host and / where they have one\n"},
        {"    key: device-ca", "    key: device-ca\n    uri-prefixes: [\"https:/\"]",
         "c.yaml:19:20: issuers.device-ca.uri-prefixes[0]: expects beginnings of URIs that end with one of "
         ":/?#=, with a whole host and / where they have one\n"},
        {"    key: device-ca", "    key: device-ca\n    uri-prefixes: [\"HTTP:x/\"]",
         "c.yaml:19:20: issuers.device-ca.uri-prefixes[0]: expects beginnings of URIs that end with one of "
         ":/?#=, with a whole host and / where they have one\n"},
        {"    key: device-ca", "    key: device-ca\n    uri-prefixes: [\"urn:/\"]",
         "c.yaml:19:20: issuers.device-ca.uri-prefixes[0]: expects beginnings of URIs that end with one of "
         ":/?#=, with a whole host and / where they have one\n"},
        {"    key: device-ca", "    key: device-ca\n    uri-prefixes: [\"//corp.example/\"]",
         "c.yaml:19:20: issuers.device-ca.uri-prefixes[0]: expects beginnings of URIs that end with one of "
         ":/?#=, with a whole host and / where they have one\n"},
        {"    key: device-ca", "    key: device-ca\n    uri-prefixes: [\"corp.example/\"]",
         "c.yaml:19:20: issuers.device-ca.uri-prefixes[0]: expects beginnings of URIs that end with one of "
         ":/?#=, with a whole host and / where they have one\n"},
        {"    key: device-ca", "    key: device-ca\n    uri-prefixes: [\"https:///\"]",
         "c.yaml:19:20: issuers.device-ca.uri-prefixes[0]: expects beginnings of URIs that end with one of "
         ":/?#=, with a whole host and / where they have one\n"},
        {"    key: device-ca", "    key: device-ca\n    uri-prefixes: [\"https://?\"]",
         "c.yaml:19:20: issuers.device-ca.uri-prefixes[0]: expects beginnings of URIs that end with one of "
         ":/?#=, with a whole host and / where they have one\n"},
        {"    key: device-ca", "    key: device-ca\n    uri-prefixes: [\"https://h?a/\"]",
         "c.yaml:19:20: issuers.device-ca.uri-prefixes[0]: expects beginnings of URIs that end with one of "
         ":/?#=, with a whole host and / where they have one\n"},
        {"    key: device-ca", "    key: device-ca\n    uri-prefixes: [\"https://corp.example/a/../\"]",
         "c.yaml:19:20: issuers.device-ca.uri-prefixes[0]: expects beginnings of URIs that end with one of "
         ":/?#=, with a whole host and / where they have one\n"},
        {"    key: device-ca", "    key: device-ca\n    uri-prefixes: [\"https://corp.example/a/%2E./\"]",
         "c.yaml:19:20: issuers.device-ca.uri-prefixes[0]: expects beginnings of URIs that end with one of "
         ":/?#=, with a whole host and / where they have one\n"},
        {"    key: device-ca", "    key: device-ca\n    uri-prefixes: [\"1x:\"]",
         "c.yaml:19:20: issuers.device-ca.uri-prefixes[0]: expects beginnings of URIs that end with one of "
         ":/?#=, with a whole host and / where they have one\n"},
        {"    key: device-ca",
         "    key: device-ca\n    uri-prefixes: [\"tag:microsoft.com,2022-09-14:sid:\"]",
         "c.yaml:19:20: issuers.device-ca.uri-prefixes[0]: expects beginnings of URIs that end with one of "
         ":/?#=, with a whole host and / where they have one\n"},
        {"    key: device-ca", "    key: device-ca\n    uri-prefixes: [\"ldaps://corp.example:636\"]",
         "c.yaml:19:20: issuers.device-ca.uri-prefixes[0]: expects beginnings of URIs that end with one of "
         ":/?#=, with a whole host and / where they have one\n"},
        {"    path: /EnrollmentServer/Policy.svc\n",
         "    path: /EnrollmentServer/Policy.svc\n    credentials: [frontend-token]\n",
         "c.yaml:47:3: endpoints.policy.authenticator: is needed for frontend-token and frontend-password\n"},
        {"    path: /EnrollmentServer/Policy.svc\n",
         "    path: /EnrollmentServer/Policy.svc\n    authenticator: mdm\n",
         "c.yaml:50:20: endpoints.policy.authenticator: has no effect without the credentials frontend-token "
         "or frontend-password\n"},
        {"    path: /EnrollmentServer/Policy.svc\n",
         "    path: /EnrollmentServer/Policy.svc\n    credentials: [frontend-token, one-time-token]\n    "
         "authenticator: mdm\n",
         "c.yaml:50:19: endpoints.policy.credentials[0]: frontend-token and one-time-token cannot be told "
         "apart: one of both\n"},
        {"    path: /EnrollmentServer/Policy.svc\n",
         "    path: /EnrollmentServer/Policy.svc\n    credentials: [username, frontend-password]\n    "
         "authenticator: mdm\n",
         "c.yaml:50:29: endpoints.policy.credentials[1]: frontend-password and username cannot be told "
         "apart: one of both\n"},
        {"    path: /EnrollmentServer/Policy.svc\n",
         "    path: /EnrollmentServer/Policy.svc\n    credentials: [frontend-password]\n    authenticator: "
         "other\n",
         "c.yaml:51:20: endpoints.policy.authenticator: there is no authoriser other\n"},
        {"    key: device-ca", "    key: device-ca\n    crl-urls: [\"ftp://corp.example/a.crl\"]",
         "c.yaml:19:16: issuers.device-ca.crl-urls[0]: expects URIs that begin with http://, https:// or "
         "ldap://\n"},
        {"    key: device-ca", "    key: device-ca\n    allowed-policies: [2.5.29.32.0]",
         "c.yaml:19:24: issuers.device-ca.allowed-policies[0]: must not hold anyPolicy\n"},
        {"    issuer: device-ca", "    issuer: other",
         "c.yaml:22:13: templates.device.issuer: there is no issuer other\n"},
        /* listeners */
        {"    address: 127.0.0.1", "    address: localhost",
         "c.yaml:28:14: listeners.main.address: expects an IP address such as 127.0.0.1 or ::1\n"},
        {"    address: 127.0.0.1", "    unix: /run/a",
         "c.yaml:27:3: listeners.main.public-url: is needed: clients are sent to the endpoint enroll, and "
         "this "
         "listener's address is no URL for them\n"
         "c.yaml:30:22: listeners.main.tls-certificate: a unix socket has no TLS\n"},
        {"    port: 0\n", "", "c.yaml:27:3: listeners.main.port: is needed with address\n"},
        {"    tls-key: tls.key\n", "",
         "c.yaml:27:3: listeners.main.tls-key: tls-certificate and tls-key are given together\n"},
        {"    tls-certificate: tls.pem\n    tls-key: tls.key\n", "    public-url: https://a\n",
         "c.yaml:27:3: listeners.main.tls-certificate: TCP without TLS is only for a frontend listener on a "
         "loopback address\n"},
        {"    tls-key: tls.key\n", "    tls-key: tls.key\n    client-cert: optional\n",
         "c.yaml:27:3: listeners.main.client-ca: is needed with client-cert\n"},
        {"    tls-key: tls.key\n", "    tls-key: tls.key\n    client-ca: a.pem\n",
         "c.yaml:32:16: listeners.main.client-ca: has no effect while client-cert is off\n"},
        {"    path: /EnrollmentServer/Policy.svc\n",
         "    path: /EnrollmentServer/Policy.svc\n    credentials: [signed-header]\n",
         "c.yaml:47:3: endpoints.policy.credential-ca: is needed for signed-header and client-certificate\n"},
        {"    path: /EnrollmentServer/Policy.svc\n",
         "    path: /EnrollmentServer/Policy.svc\n    credential-ca: a.pem\n",
         "c.yaml:50:20: endpoints.policy.credential-ca: has no effect without the credentials signed-header "
         "or client-certificate\n"},
        {"    path: /EnrollmentServer/Policy.svc\n",
         "    path: /EnrollmentServer/Policy.svc\n    credential-crl: a.pem\n",
         "c.yaml:50:21: endpoints.policy.credential-crl: has no effect without credential-ca\n"},
        {"    path: /EnrollmentServer/Policy.svc\n",
         "    path: /EnrollmentServer/Policy.svc\n    credentials: [client-certificate]\n    credential-ca: "
         "a.pem\n",
         "c.yaml:50:19: endpoints.policy.credentials[0]: client-certificate needs a listener with "
         "client-cert optional or require, or a frontend's with client-cert-header\n"},
        {"    path: /EnrollmentServer/Policy.svc\n",
         "    path: /EnrollmentServer/Policy.svc\n    certificate-principal: dns\n",
         "c.yaml:50:28: endpoints.policy.certificate-principal: expects one of subject-cn, san-upn, "
         "san-email, sha256\n"},
        {"    tls-key: tls.key\n", "    tls-key: tls.key\n    public-url: https://a/b\n",
         "c.yaml:32:17: listeners.main.public-url: expects https://HOST or https://HOST:PORT\n"},
        {"    address: 127.0.0.1", "    address: '::'",
         "c.yaml:27:3: listeners.main.public-url: is needed: clients are sent to the endpoint enroll, and "
         "this "
         "listener's address is no URL for them\n"},
        {"    unix: /run/pkienrolld/frontend.sock", "    unix: /run/pkienrolld/control.sock",
         "c.yaml:33:11: listeners.frontend.unix: is the control socket\n"},
        {"    unix: /run/pkienrolld/frontend.sock",
         "    unix: /run/pkienrolld/frontend.sock\n    client-cert-header: x-cert",
         "c.yaml:34:25: listeners.frontend.client-cert-header: anybody could send it: the listener needs "
         "peer-uids (unix), client-cert require (TLS) or proxy-protocol with proxy-from\n"},
        {"    unix: /run/pkienrolld/frontend.sock",
         "    unix: /run/pkienrolld/frontend.sock\n    peer-uids: [root]\n    source-header: Connection",
         "c.yaml:35:20: listeners.frontend.source-header: expects the name of a header field, letters, "
         "digits and "
         "dashes, that does not frame the request\n"},
        {"    unix: /run/pkienrolld/frontend.sock",
         "    unix: /run/pkienrolld/frontend.sock\n    proxy-from: [192.0.2.1]",
         "c.yaml:34:17: listeners.frontend.proxy-from: has no effect without proxy-protocol on TCP\n"},
        {"    port: 0", "    port: 0\n    proxy-protocol: yes",
         "c.yaml:27:3: listeners.main.proxy-from: is needed with proxy-protocol: whose word is taken\n"},
        {"    port: 0", "    port: 0\n    proxy-protocol: yes\n    proxy-from: [10.0.0.1/8]",
         "c.yaml:31:18: listeners.main.proxy-from[0]: 10.0.0.1/8 is no address and no network such as "
         "10.1.0.0/16\n"},
        {"    unix: /run/pkienrolld/frontend.sock", "    frontend: no\n    unix: /run/f",
         "c.yaml:33:15: listeners.frontend.frontend: a unix socket is always a frontend listener\n"},
        {"    unix: /run/pkienrolld/frontend.sock", "    unix: /run/f\n  third:\n    unix: /run/f",
         "c.yaml:35:11: listeners.third.unix: the listener frontend is there already\n"},
        {"    unix: /run/pkienrolld/frontend.sock", "    frontend: yes",
         "c.yaml:32:3: listeners.frontend.address: exactly one of address, unix and socket is needed\n"},
        {"    unix: /run/pkienrolld/frontend.sock", "    unix: /run/f\n    socket: f",
         "c.yaml:34:13: listeners.frontend.socket: exactly one of address, unix and socket is needed\n"},
        {"    unix: /run/pkienrolld/frontend.sock", "    socket: f",
         "c.yaml:32:3: listeners.frontend.tls-certificate: TCP without TLS is only for a frontend listener "
         "on a "
         "loopback address\n"},
        {"    unix: /run/pkienrolld/frontend.sock", "    frontend: yes\n    socket: f\n    port: 443",
         "c.yaml:35:11: listeners.frontend.port: the service manager chose the port of the socket\n"},
        {"    unix: /run/pkienrolld/frontend.sock",
         "    frontend: yes\n    socket: f\n  third:\n    frontend: yes\n    socket: f",
         "c.yaml:37:13: listeners.third.socket: the listener frontend is there already\n"},
        {"    address: 127.0.0.1\n    port: 0\n", "    socket: main\n",
         "c.yaml:27:3: listeners.main.public-url: is needed: clients are sent to the endpoint enroll, and "
         "this listener's address is no URL for them\n"},
        /* provisioning: mdm.md checklist 51 and 54 */
        {"provider-id: corp.example", "provider-id: corp&co",
         "c.yaml:37:18: provisioning.corp.provider-id: expects letters, digits, dots, dashes and "
         "underscores: it is "
         "a node name of the device\n"},
        {"management-url: https://mdm", "management-url: http://mdm",
         "c.yaml:39:21: provisioning.corp.management-url: expects an https URL\n"},
        {"client-nonce: bm9uY2U=", "client-nonce: bm9uY2U",
         "c.yaml:41:19: provisioning.corp.client-nonce: expects base64\n"},
        {"    server-nonce: bm9uY2U=\n", "",
         "c.yaml:36:3: provisioning.corp.server-nonce: is needed with server-auth-type DIGEST\n"},
        {"server-name: device", "server-name: device\n    server-auth-type: HMAC",
         "c.yaml:43:23: provisioning.corp.server-auth-type: expects BASIC or DIGEST\n"},
        {"server-name: device", "server-name: device\n    init: yes",
         "c.yaml:43:5: provisioning.corp.init: unknown option\n"},
        {"server-name: device", "server-name: device\n    renew-period: 6",
         "c.yaml:36:3: provisioning.corp.retry-interval: is longer than renew-period (MS-MDE2 2.2.9.1)\n"},
        {"server-name: device", "server-name: device\n    renew-period: 1001",
         "c.yaml:43:19: provisioning.corp.renew-period: expects a value from 0 to 1000\n"},
        {"server-name: device", "server-name: device\n    renew-period: 0\n    renew-url: https://r",
         "c.yaml:44:16: provisioning.corp.renew-url: has no effect while renew-period is 0\n"},
        {"server-name: device", "server-name: device\n    retry-interval: 0",
         "c.yaml:43:21: provisioning.corp.retry-interval: expects a value from 1 to 1000\n"},
        {"server-name: device", "server-name: device\n    renew-period: 365",
         "c.yaml:59:19: endpoints.enroll.provisioning: renew-period 365 days of corp is not shorter than the "
         "validity of the template device: devices would renew at once (MS-MDE2 2.2.9.1)\n"},
        {"server-name: device", "server-name: device\n    poll-first-retries: 0",
         "c.yaml:43:25: provisioning.corp.poll-first-retries: must not be 0: it would repeat for ever and "
         "starve "
         "the others\n"},
        {"server-name: device", "server-name: device\n    poll-first-retries: 0\n    poll-second-retries: 0",
         "c.yaml:43:25: provisioning.corp.poll-first-retries: the three numbers of retries must not all be "
         "0\n"},
        {"server-name: device", "server-name: device\n    poll-second-retries: 0",
         "c.yaml:43:26: provisioning.corp.poll-second-retries: only one of the schedules may repeat for ever "
         "(0)\n"},
        {"server-name: device", "server-name: device\n    poll-second-interval: 61s",
         "c.yaml:43:27: provisioning.corp.poll-second-interval: expects whole minutes\n"},
        {"server-name: device", "server-name: device\n    initial-backoff: 25h",
         "c.yaml:43:22: provisioning.corp.initial-backoff: expects a value from 1ms to 1d\n"},
        {"server-name: device", "server-name: device\n    max-backoff: 15s",
         "c.yaml:36:3: provisioning.corp.initial-backoff: is longer than max-backoff\n"},
        {"server-name: device", "server-name: device\n    default-encoding: text/xml",
         "c.yaml:43:23: provisioning.corp.default-encoding: expects application/vnd.syncml.dm+xml or "
         "application/vnd.syncml.dm+wbxml\n"},
        {"server-name: device", "server-name: device\n    protocol-version: \"2.0\"",
         "c.yaml:43:23: provisioning.corp.protocol-version: expects 1.1 or 1.2\n"},
        {"server-name: device", "server-name: device\n    sync-version: 5",
         "c.yaml:43:19: provisioning.corp.sync-version: expects a version such as 5.0\n"},
        {"server-name: device", "server-name: device\n    upn: \"{device-name}\"",
         "c.yaml:43:10: provisioning.corp.upn: has an unknown placeholder: {upn}, {user}, {device-id} and "
         "{ent-dmid} are known here\n"},
        {"server-name: device", "server-name: device\n    device-name: \"{serial}\"",
         "c.yaml:43:18: provisioning.corp.device-name: has an unknown placeholder: {device-name}, "
         "{device-id}, "
         "{upn}, {user} and {ent-dmid} are known here\n"},
        {"server-name: device", "server-name: device\n    management-servers: [https://a, http://b]",
         "c.yaml:43:37: provisioning.corp.management-servers[1]: expects an https URL\n"},
        {"server-name: device",
         "server-name: device\n    management-servers: [https://a, https://b, https://c, https://d, "
         "https://e, "
         "https://f, https://g, https://h, https://i]",
         "c.yaml:43:25: provisioning.corp.management-servers: there are more than 8\n"},
        {"server-name: device", "server-name: device\n    fragment: \"<x/>\"",
         "c.yaml:43:5: provisioning.corp.fragment: unknown option\n"},
        /* endpoints */
        {"    listeners: [main]", "    listeners: [main, other]",
         "c.yaml:48:23: endpoints.policy.listeners[1]: there is no listener other\n"},
        {"    listeners: [main]", "    listeners: []",
         "c.yaml:48:16: endpoints.policy.listeners: must not be empty\n"},
        {"    listeners: [main]", "    credentials: []\n    listeners: [main]",
         "c.yaml:48:18: endpoints.policy.credentials: must not be empty\n"},
        {"    listeners: [main]", "    credentials: [username, jot]\n    listeners: [main]",
         "c.yaml:48:29: endpoints.policy.credentials[1]: jot is not a known credential kind: username, "
         "one-time-token, jwt, entra-jwt, signed-header, client-certificate, "
         "frontend-token, frontend-password, frontend\n"},
        {"    common-name: Device",
         "    attestation: require\n    attestation-roots: /etc/r.pem\n    providers: [Microsoft Platform "
         "Crypto Provider]\n    common-name: Device",
         "c.yaml:50:3: endpoints.policy.enrollment-version: clients attest keys from 5.0 on, and the "
         "template device requires it\n"
         "c.yaml:56:3: endpoints.enroll.enrollment-version: clients attest keys from 5.0 on, and the "
         "template device requires it\n"},
        {"    listeners: [main]", "    enrollment-version: 8.0\n    listeners: [main]",
         "c.yaml:48:25: endpoints.policy.enrollment-version: expects 3.0, 4.0, 5.0, 6.0 or 7.0\n"},
        {"/EnrollmentServer/Enrollment.svc", "/EnrollmentServer/Policy.svc",
         "c.yaml:55:11: endpoints.enroll.path: the endpoint policy has the same path on the listener main\n"},
        {"/EnrollmentServer/Enrollment.svc", "EnrollmentServer",
         "c.yaml:55:11: endpoints.enroll.path: must begin with /\n"},
        {"/EnrollmentServer/Enrollment.svc", "/a?b",
         "c.yaml:55:11: endpoints.enroll.path: must be URL characters without %, ? and #\n"},
        {"    enroll-endpoint: enroll\n", "",
         "c.yaml:47:3: endpoints.policy.enroll-endpoint: is needed: the template device advertises its CA\n"},
        {"    enroll-endpoint: enroll\n", "    enroll-endpoint: policy\n",
         "c.yaml:52:22: endpoints.policy.enroll-endpoint: the endpoint policy is not of the stage enroll\n"},
        {"    enroll-endpoint: enroll\n", "    enroll-endpoint: none\n",
         "c.yaml:52:22: endpoints.policy.enroll-endpoint: there is no endpoint none\n"},
        {"    enroll-endpoint: enroll\n", "    enroll-endpoint: enroll\n    provisioning: corp\n",
         "c.yaml:53:19: endpoints.policy.provisioning: belongs to the stage enroll\n"},
        {"    provisioning: corp\n", "",
         "c.yaml:53:3: endpoints.enroll.provisioning: the stage enroll needs provisioning values\n"},
        {"    provisioning: corp\n", "    provisioning: corp\n    enroll-endpoint: enroll\n",
         "c.yaml:59:22: endpoints.enroll.enroll-endpoint: belongs to the stage policy\n"},
        {"    stage: enroll", "    stage: both",
         "c.yaml:56:12: endpoints.enroll.stage: expects one of policy, enroll\n"},
    };

    (void)state;
    for (size_t i = 0; i < PKE_LEN(cases); i++) {
        char *text = changed(cases[i].from, cases[i].to);
        must_refuse(text, cases[i].lines);
        free(text);
    }
}

/* What cannot be a tree of options at all. */
static void test_no_document(void **state)
{
    char *deep = pke_calloc(1, 64), *big = pke_calloc(1, CONF_MAX_BYTES + 2), *wide = pke_calloc(1, 8192);

    (void)state;
    must_refuse("", "c.yaml:1:1: the file is empty\n");
    must_refuse("# nothing\n", "c.yaml:2:1: the file is empty\n");
    must_refuse("- a\n", "c.yaml:1:1: the file must be a mapping of options\n");
    must_refuse("tenant: a\n---\ntenant: b\n", "c.yaml:2:1: a second document is not allowed\n");
    must_refuse("a: b\n c: d\n", "c.yaml:2:3: mapping values are not allowed in this context\n");
    must_refuse("a: [b\n", "c.yaml:2:1: did not find expected ',' or ']' while parsing a flow sequence\n");
    must_refuse("a: \x01\n", "c.yaml:1:4: control characters are not allowed\n");
    must_refuse("\xff\xfe"
                "a",
                "c.yaml:1:1: the line is not UTF-8 text\n"); /* UTF-16 */
    strcpy(deep, "a: ");
    memset(deep + 3, '[', 16);
    must_refuse(deep,
                "c.yaml:1:19: a[0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]: is nested deeper than 16\n");
    memset(big, '#', CONF_MAX_BYTES + 1);
    must_refuse(big, "c.yaml:1:1: the file is larger than 1048576 bytes\n");
    strcpy(wide, "a: [");
    for (int i = 0; i < 1025; i++)
        strcpy(wide + 4 + 3 * i, "x, ");
    must_refuse(wide, "c.yaml:1:3077: a: has more than 1024 entries\n");
    free(deep);
    free(big);
    free(wide);
}

static void test_all_errors_at_once(void **state)
{
    (void)state;
    must_refuse("state-directory: [a]\n"
                "tenant: Big Tenant\n"
                "tenant: other\n"
                "retry-window: 2d\n"
                "\"odd\\nkey\": 1\n"
                "keys:\n"
                "  K1:\n"
                "    backend: tpm\n"
                "    uri: pkcs11:object=a?pin-value=1234\n"
                "  k2: 7\n"
                "issuers:\n"
                "  a: {certificate: a.pem, key: nokey, allowed-ekus: []}\n"
                "listeners: [l1]\n"
                "endpoints:\n"
                "  e:\n"
                "    listeners: [nope, nope]\n"
                "    path: x y\n"
                "    stage: enrol\n"
                "    credentials: [username, magic]\n"
                "    template: t2\n"
                "  f: &a\n"
                "provisioning: {p: 7, q: *a}\n"
                "templates: {t: no, u: *a}\n",
                "c.yaml:1:1: the option control-socket is missing\n"
                "c.yaml:1:18: state-directory: expects a value, not a mapping or list\n"
                "c.yaml:2:9: tenant: a name is 1 to 63 lower-case letters, digits and inner dashes\n"
                "c.yaml:3:1: tenant: is there already, in line 2\n"
                "c.yaml:4:15: retry-window: expects a value from 0 to 1d\n"
                "c.yaml:5:1: odd?key: unknown option\n"
                "c.yaml:7:3: keys.K1: a name is 1 to 63 lower-case letters, digits and inner dashes\n"
                "c.yaml:8:14: keys.K1.backend: expects one of pkcs11, tpm2, file\n"
                "c.yaml:9:10: keys.K1.uri: must not name a PIN: use pin-file or pin-credential\n"
                "c.yaml:10:7: keys.k2: expects options\n"
                "c.yaml:12:32: issuers.a.key: there is no key nokey\n"
                "c.yaml:12:53: issuers.a.allowed-ekus: must not be empty\n"
                "c.yaml:13:12: listeners: expects names, each with its options\n"
                "c.yaml:16:17: endpoints.e.listeners[0]: there is no listener nope\n"
                "c.yaml:16:23: endpoints.e.listeners[1]: is in the list already\n"
                "c.yaml:17:11: endpoints.e.path: must begin with /\n"
                "c.yaml:18:12: endpoints.e.stage: expects one of policy, enroll\n"
                "c.yaml:19:29: endpoints.e.credentials[1]: magic is not a known credential kind: username, "
                "one-time-token, jwt, entra-jwt, signed-header, client-certificate, "
                "frontend-token, frontend-password, frontend\n"
                "c.yaml:20:15: endpoints.e.template: there is no template t2\n"
                "c.yaml:21:6: endpoints.f: anchors are not part of the configuration language\n"
                "c.yaml:22:19: provisioning.p: expects options\n"
                "c.yaml:22:25: provisioning.q: aliases are not part of the configuration language\n"
                "c.yaml:23:16: templates.t: expects options\n"
                "c.yaml:23:23: templates.u: aliases are not part of the configuration language\n");
}

/* What `pkienrollctl reload` says. */
static void test_errors_as_one_failure(void **state)
{
    struct conf_errors errors = {0};
    struct conf *conf = NULL;
    struct pke_fail fail = {0};

    (void)state;
    assert_int_equal(conf_parse("c.yaml", pke_bytes_str("user-fil: /u\ntenant: Big\n"), &conf, &errors),
                     PKE_CONFIG);
    assert_int_equal(conf_errors_fail(&errors, &fail), PKE_CONFIG);
    assert_null(strchr(fail.text, '?'));
    assert_non_null(strstr(fail.text, "; c.yaml:1:1: "));
    assert_non_null(strstr(fail.text, " errors in all (--check-config)"));
    conf_errors_done(&errors);
}

static void test_errors_are_bounded(void **state)
{
    struct conf_errors errors = {0};
    char *text = pke_calloc(1, 65536);
    struct conf *conf;

    (void)state;
    for (int i = 0; i < 1000; i++)
        sprintf(text + strlen(text), "x%d: 1\n", i);
    assert_int_equal(conf_parse("c.yaml", pke_bytes_str(text), &conf, &errors), PKE_CONFIG);
    assert_int_equal(errors.count, 1002);
    assert_non_null(strstr(pke_buf_cstr(&errors.text), "c.yaml: and 802 more errors\n"));
    conf_errors_done(&errors);
    free(text);
}

/* c.yaml with @p n more unix listeners, or with @p n more keys, and what is said of it. */
static char *errors_of_many(int n, bool keys)
{
    struct conf_errors errors = {0};
    struct pke_buf more;
    struct conf *conf = NULL;
    char *text, *said;

    pke_buf_init(&more, 1 << 20);
    pke_buf_printf(&more, keys ? "keys:\n" : "listeners:\n");
    for (int i = 0; i < n; i++)
        pke_buf_printf(&more,
                       keys ? "  k%d: {module: /m, uri: 'pkcs11:object=k%d', pin-file: /p}\n"
                            : "  l%d: {unix: /run/l%d}\n",
                       i, i);
    text = changed(keys ? "keys:\n" : "listeners:\n", pke_buf_cstr(&more));
    said = conf_parse("c.yaml", pke_bytes_str(text), &conf, &errors) == PKE_OK
               ? pke_strdup("")
               : pke_strdup(pke_buf_cstr(&errors.text));
    conf_unref(conf);
    conf_errors_done(&errors);
    pke_buf_done(&more);
    free(text);
    return said;
}

/* good.yaml has one key, two listeners and two endpoints. */
static void test_numbers_are_bounded(void **state)
{
    static const struct {
        int more;
        bool keys;
        const char *said;
    } cases[] = {
        {CONF_MAX_KEYS - 1, true, ""},
        {CONF_MAX_KEYS, true, "c.yaml:42:3: keys.device-ca: there are more than 32 keys\n"},
        {CONF_MAX_PLACES - 4, false, ""},
        {CONF_MAX_PLACES - 3, false, "endpoints.enroll: there are more than 255 listeners and endpoints\n"},
        {CONF_MAX_PLACES, false, "listeners.main: there are more than 255 listeners\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *said = errors_of_many(cases[i].more, cases[i].keys);

        if (*cases[i].said ? !strstr(said, cases[i].said) : *said)
            fail_msg("%zu: %s", i, said);
        free(said);
    }
}

static void test_dump_round_trip(void **state)
{
    char *good = good_text(), *first;
    char *text = pke_asprintf("%s%s", good,
                              "tenants: {default: {}}\n"
                              "frontends: {mdm: {users: [mdm]}}\n");
    struct conf *a = must_parse(text), *b;
    struct pke_buf out;

    (void)state;
    pke_buf_init(&out, 1 << 20);
    assert_int_equal(conf_dump(a, &out), PKE_OK);
    first = pke_strdup(pke_buf_cstr(&out));
    b = must_parse(first);
    pke_buf_clear(&out);
    assert_int_equal(conf_dump(b, &out), PKE_OK);
    assert_string_equal(pke_buf_cstr(&out), first);
    assert_string_equal(conf_find_provisioning(b, "corp")->display_name, "Corp \"Device\" \\ Management");
    for (const struct conf_section *s = conf_sections; s->name; s++)
        for (const struct pke_option *o = s->options; o->name; o++)
            if (o->fallback && !strstr(first, o->name)) /* every default is visible */
                fail_msg("%s is not in the dump", o->name);
    assert_memory_not_equal(a->generation, b->generation, CONF_GENERATION);
    conf_unref(a);
    conf_unref(b);
    free(first);
    free(text);
    free(good);
    pke_buf_done(&out);
}

static void test_generation(void **state)
{
    struct conf_errors errors = {0};
    char *text = good_text(), *other = changed("# A whole", "# a whole");
    struct conf *a = must_parse(text), *b = must_parse(text), *c = must_parse(other);

    (void)state;
    assert_string_equal(a->generation_hex, b->generation_hex);
    assert_string_not_equal(a->generation_hex, c->generation_hex); /* the bytes count, not the values */
    assert_int_equal(conf_check_reload(a, c, &errors), PKE_OK);
    conf_errors_done(&errors);
    conf_unref(a);
    conf_unref(b);
    conf_unref(c);
    free(text);
    free(other);
}

static void test_references_keep_it(void **state)
{
    char *text = good_text();
    struct conf *a = must_parse(text), *b = conf_ref(a);

    (void)state;
    assert_ptr_equal(a, b);
    conf_unref(a);
    assert_string_equal(b->global.tenant, "default"); /* the sanitizer would see the difference */
    conf_unref(b);
    conf_unref(NULL);
    free(text);
}

static void test_every_option_is_described(void **state)
{
    char *text = good_text();
    struct conf *conf = must_parse(text);
    size_t n = 0;

    (void)state;
    for (const struct conf_section *s = conf_sections; s->name; s++, n++) {
        assert_true(*s->help);
        for (const struct pke_option *o = s->options; o->name; o++) {
            if (!o->help || strlen(o->help) < 4 || o->help[strlen(o->help) - 1] == '.' ||
                strchr(o->help, '\n'))
                fail_msg("%s.%s needs one line of help", s->name, o->name);
            assert_int_equal(strspn(o->name, "abcdefghijklmnopqrstuvwxyz0123456789-"), strlen(o->name));
            assert_false(o->required && o->fallback);
            assert_ptr_equal(pke_option_find(s->options, o->name, strlen(o->name)), o);
            assert_true(o->type != PKE_OPT_ENUM || o->names);
        }
    }
    assert_int_equal(n, 12);
    conf_unref(conf);
    free(text);
}

static void test_reload(void **state)
{
    static const struct {
        const char *from, *to, *lines;
    } cases[] = {
        {"# A whole", "auth-workers: 3\n# A whole",
         "/etc/p/c.yaml:1:15: auth-workers: a change needs a restart of the daemon\n"},
        {"pin-credential: device-ca-pin", "pin-credential: other",
         "/etc/p/c.yaml:13:21: keys.device-ca.pin-credential: a change needs a restart of the daemon\n"},
        {"    pin-credential: device-ca-pin\n",
         "    pin-credential: device-ca-pin\n  b: {module: m, uri: 'pkcs11:', pin-file: p}\n", ""},
        {"[pkienroll-admin]", "[other]", ""},
        {"path: /EnrollmentServer/Enrollment.svc", "path: /other", ""},
    };
    char *text = good_text();
    struct conf *old = must_parse(text);

    (void)state;
    for (size_t i = 0; i < PKE_LEN(cases); i++) {
        char *other = changed(cases[i].from, cases[i].to);
        struct conf_errors errors = {0};
        struct conf *fresh = must_parse(other);
        assert_int_equal(conf_check_reload(old, fresh, &errors), *cases[i].lines ? PKE_CONFIG : PKE_OK);
        assert_string_equal(pke_buf_cstr(&errors.text), cases[i].lines);
        conf_errors_done(&errors);
        if (strstr(cases[i].to, "  b: {")) { /* and the other way round */
            assert_int_equal(conf_check_reload(fresh, old, &errors), PKE_CONFIG);
            assert_string_equal(pke_buf_cstr(&errors.text),
                                "/etc/p/c.yaml:2:1: keys: removing b needs a restart of the daemon\n");
            conf_errors_done(&errors);
        }
        conf_unref(fresh);
        free(other);
    }
    conf_unref(old);
    free(text);
}

/* man/pkienrolld.conf.5 has each option in its section, and no other. */
static void test_manual_page(void **state)
{
    const char *top = getenv("top_srcdir");
    char *path = pke_asprintf("%s/man/pkienrolld.conf.5", top ? top : "."), *page = pke_calloc(1, 1 << 18),
         *c;
    size_t items = 0, options = 0;
    FILE *f = fopen(path, "re");

    (void)state;
    assert_non_null(f);
    assert_true(fread(page, 1, (1 << 18) - 1, f) > 1000);
    fclose(f);
    for (const struct conf_section *s = conf_sections; s->name; s++) {
        char *head = pke_asprintf(s->named ? "\n.Ss Section %s\n" : "\n.Ss Global options\n", s->name);
        char *start = strstr(page, head), *end = start ? strstr(start + 1, "\n.S") : NULL;

        while (end && end[3] != 's' && end[3] != 'h') /* .Sx is a reference */
            end = strstr(end + 1, "\n.S");

        if (!start || !end)
            fail_msg("the manual page has no section %s", s->name);
        for (const struct pke_option *o = s->options; o->name; o++, options++) {
            char *item = pke_asprintf("\n.It Cm %s : ", o->name), *at = strstr(start, item);
            if (!at || at > end)
                fail_msg("the manual page does not have %s.%s", s->name, o->name);
            free(item);
        }
        free(head);
    }
    for (c = strstr(page, ".It Cm "); c; c = strstr(c + 1, ".It Cm "))
        items++;
    assert_int_equal(items, options);
    free(page);
    free(path);
}

static void write_file(const char *path, const char *text, mode_t mode)
{
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static enum pke_err load(const char *path, struct conf **conf, struct conf_errors *errors)
{
    struct pke_buf bytes;
    enum pke_err err = conf_load(path, &bytes, conf, errors);

    pke_buf_done(&bytes);
    return err;
}

static void test_files(void **state)
{
    char dir[] = "/tmp/pke-conf-XXXXXX", *path, *text, *want;
    struct conf_errors errors = {0};
    struct conf *conf = NULL;

    (void)state;
    assert_non_null(mkdtemp(dir));
    path = pke_asprintf("%s/c.yaml", dir);
    assert_int_equal(load(path, &conf, &errors), PKE_CONFIG);
    want = pke_asprintf("%s:1:1: the file cannot be used: No such file or directory\n", path);
    assert_string_equal(pke_buf_cstr(&errors.text), want);
    conf_errors_done(&errors);
    free(want);
    text = pke_asprintf(
        "state-directory: .\ncontrol-socket: no/c\nuser-file: u\nissuers:\n  a:\n    certificate: a.pem\n"
        "    key: k\nkeys:\n  k: {module: /dev/null, uri: 'pkcs11:', pin-file: pin}\n");
    write_file(path, text, 0620);
    assert_int_equal(load(path, &conf, &errors), PKE_CONFIG);
    assert_non_null(strstr(pke_buf_cstr(&errors.text), "chmod go-w"));
    conf_errors_done(&errors);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(load(path, &conf, &errors), PKE_OK);
    want = pke_asprintf("%s/pin", dir);
    write_file(want, "1234", 0640);
    assert_int_equal(conf_check_files(conf, &errors), PKE_CONFIG);
    unlink(want);
    free(want);
    want = pke_asprintf(
        "%1$s/c.yaml:2:17: control-socket: %1$s/no: No such file or directory\n"
        "%1$s/c.yaml:6:18: issuers.a.certificate: %1$s/a.pem: No such file or directory\n"
        "%1$s/c.yaml:9:15: keys.k.module: /dev/null: not a regular file\n"
        "%1$s/c.yaml:9:52: keys.k.pin-file: %1$s/pin is accessible by group or others (mode 0640), it "
        "must be 0600 or 0400\n",
        dir);
    assert_string_equal(pke_buf_cstr(&errors.text), want);
    conf_errors_done(&errors);
    conf_unref(conf);
    assert_int_equal(load(dir, &conf, &errors), PKE_CONFIG);
    assert_non_null(strstr(pke_buf_cstr(&errors.text), "is not a regular file"));
    conf_errors_done(&errors);
    unlink(path);
    assert_int_equal(rmdir(dir), 0);
    free(want);
    free(text);
    free(path);
}

static json_t *at(json_t *o, const char *const *path)
{
    for (; *path; path++)
        o = json_object_get(o, *path);
    return o;
}

static void test_schema(void **state)
{
    static const char *const port[] = {
        "properties", "listeners", "patternProperties", "^[a-z0-9][a-z0-9-]{0,62}$",
        "properties", "port",      "maximum",           NULL};
    struct pke_buf out;
    json_t *schema;

    (void)state;
    pke_buf_init(&out, 1 << 20);
    assert_int_equal(conf_dump_schema(&out), PKE_OK);
    schema = json_loads(pke_buf_cstr(&out), JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(schema);
    assert_int_equal(json_integer_value(at(schema, port)), 65535);
    for (const struct conf_section *s = conf_sections; s->name; s++) {
        const char *const global[] = {"properties", NULL};
        const char *const named[] = {"properties", s->name, port[2], port[3], "properties", NULL};
        for (const struct pke_option *o = s->options; o->name; o++) {
            json_t *p = json_object_get(at(schema, s->named ? named : global), o->name);
            assert_string_equal(json_string_value(json_object_get(p, "description")), o->help);
        }
    }
    json_decref(schema);
    pke_buf_done(&out);
}

/* A check of another folder tells its error as ours: at the option, or at its object. */
static void test_error_of_another(void **state)
{
    struct conf_errors errors = {0};
    char *text = good_text();
    struct conf *conf = must_parse(text);

    (void)state;
    assert_int_equal(conf_errors_add(conf, "provisioning", "corp", "provider-id", "f:3: bad", &errors),
                     PKE_CONFIG);
    assert_int_equal(conf_errors_add(conf, "provisioning", "corp", "fragment-file", "worse", &errors),
                     PKE_CONFIG);
    assert_string_equal(pke_buf_cstr(&errors.text),
                        "/etc/p/c.yaml:37:18: provisioning.corp.provider-id: f:3: bad\n"
                        "/etc/p/c.yaml:36:3: provisioning.corp.fragment-file: worse\n");
    assert_int_equal(errors.count, 2);
    conf_errors_done(&errors);
    conf_unref(conf);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_file),
        cmocka_unit_test(test_one_mistake),
        cmocka_unit_test(test_no_document),
        cmocka_unit_test(test_all_errors_at_once),
        cmocka_unit_test(test_errors_as_one_failure),
        cmocka_unit_test(test_errors_are_bounded),
        cmocka_unit_test(test_numbers_are_bounded),
        cmocka_unit_test(test_dump_round_trip),
        cmocka_unit_test(test_generation),
        cmocka_unit_test(test_references_keep_it),
        cmocka_unit_test(test_every_option_is_described),
        cmocka_unit_test(test_reload),
        cmocka_unit_test(test_schema),
        cmocka_unit_test(test_manual_page),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_error_of_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
