/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the options make a run. An earlier run may have told what the command line does not say. */
#include "config.h"

#include <string.h>
#include <strings.h>

#include "probe/options.h"

/* MS-MDE2 2.1: both services are HTTPS; a password over plain HTTP would be given to the network. */
static bool is_https(const char *url)
{
    return strncasecmp(url, "https://", 8) == 0 && url[8];
}

static int check_urls(const struct probe_options *opt)
{
    if (!opt->enroll_url)
        return probe_refuse("--enroll-url is missing", NULL);
    if (!opt->policy_url && !opt->skip_policy && opt->command != PROBE_RENEW)
        return probe_refuse("--policy-url is missing (or --skip-policy)", NULL);
    if (!is_https(opt->enroll_url))
        return probe_refuse("--enroll-url is not an https URL", opt->enroll_url);
    if (opt->policy_url && !is_https(opt->policy_url))
        return probe_refuse("--policy-url is not an https URL", opt->policy_url);
    return -1;
}

/* The expiring certificate and key are the credential of an automatic renewal: MS-MDE2 4.4. */
static bool needs_credential(const struct probe_options *opt)
{
    if (opt->command == PROBE_RENEW || (opt->command == PROBE_SOAK && opt->in))
        return opt->manual;
    return true;
}

static int check_credential(const struct probe_options *opt)
{
    bool secret = opt->password || opt->token || opt->jwt;
    if (!needs_credential(opt))
        return secret || opt->sign ? probe_refuse("a credential goes with --manual only", NULL) : -1;
    if (opt->sign && secret)
        return probe_refuse("--sign is a credential of its own: no password, token or JWT besides", NULL);
    if (!secret && !opt->cert_file)
        return probe_refuse("--password-file is missing (or --token-file, --jwt, --cert)", NULL);
    if (opt->user ? !*opt->user : opt->password != NULL)
        return probe_refuse("--user is missing", NULL);
    if (opt->token && !pke_secret_bytes(opt->token).n)
        return probe_refuse("--token is empty", NULL);
    return -1;
}

static int check_certificate(const struct probe_options *opt)
{
    bool renews = opt->command == PROBE_RENEW || opt->command == PROBE_SOAK;
    if (opt->cert_file && !opt->key_file)
        return probe_refuse("--cert needs its --key", NULL);
    if (!opt->cert_file && opt->key_file)
        return probe_refuse("--key and --request-key are the same without --cert", NULL);
    if (opt->sign && !opt->cert_file)
        return probe_refuse("--sign needs --cert and --key", NULL);
    if (opt->tls && !opt->cert_file && !renews)
        return probe_refuse("--tls needs --cert and --key", NULL);
    if (opt->tls && opt->cert_file && !opt->sign)
        return probe_refuse("--cert is presented on the connection already; with --tls comes --sign", NULL);
    return -1;
}

static int check_command(const struct probe_options *opt)
{
    bool renews = opt->command == PROBE_RENEW || opt->command == PROBE_SOAK;
    if (!renews && (opt->manual || opt->same_key))
        return probe_refuse("--manual and --same-key go with renew and soak", NULL);
    if (opt->repeat && opt->command != PROBE_RENEW)
        return probe_refuse("--repeat goes with renew", NULL);
    if ((opt->command == PROBE_SOAK) != (opt->count > 0))
        return probe_refuse(opt->count ? "--count goes with soak" : "soak needs --count", NULL);
    if (opt->in && opt->command == PROBE_ENROLL)
        return probe_refuse("--in goes with renew, recover and soak", NULL);
    if (opt->command != PROBE_ENROLL && opt->csr_file)
        return probe_refuse("--repeat-csr goes with enroll", NULL);
    if (opt->command == PROBE_SOAK && opt->request_key_file)
        return probe_refuse("--request-key does not go with soak", NULL);
    if (opt->same_key && opt->request_key_file)
        return probe_refuse("--same-key and --request-key are two keys", NULL);
    return -1;
}

static int check_device(const struct probe_options *opt)
{
    if (opt->device_id) {
        size_t n = strspn(opt->device_id, "0123456789abcdefABCDEF");
        if (n != 32 || opt->device_id[n])
            return probe_refuse("--device-id takes 32 hexadecimal digits", opt->device_id);
    }
    return -1;
}

int probe_options_validate(const struct probe_options *opt)
{
    static int (*const checks[])(const struct probe_options *opt) = {
        check_command, check_urls, check_certificate, check_credential, check_device,
    };
    int status = -1;
    for (size_t i = 0; status < 0 && i < sizeof checks / sizeof *checks; i++)
        status = checks[i](opt);
    return status;
}
