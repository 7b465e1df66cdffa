/* SPDX-License-Identifier: Apache-2.0 */
/* APPLICATION (w7 APPLICATION CSP) and DMClient of the provisioning document: the management account. */
#include "config.h"

#include <string.h>
#include <strings.h>

#include "base/encode.h"
#include "base/mem.h"
#include "probe/provdoc.h"

#define RULE        "w7 APPLICATION CSP"
#define DM_RULE     "DMClient CSP"
#define APPLICATION "/wap-provisioningdoc/characteristic[@type='APPLICATION']"

static bool is_upper(const char *name)
{
    for (; *name; name++)
        if (*name >= 'a' && *name <= 'z')
            return false;
    return true;
}

static void check_names(struct probe *p, struct xml *x)
{
    size_t n = xml_count(x, NULL, APPLICATION "//parm");
    const char *bad = NULL;
    for (size_t i = 1; i <= n; i++) {
        xmlNode *node = xml_first(x, NULL, pke_arena_printf(p->arena, "(" APPLICATION "//parm)[%zu]", i));
        const char *name = xml_attribute(x, node, "name");
        if (!name || !is_upper(name) || strcmp(name, "INIT") == 0)
            bad = name ? name : "(no name)";
    }
    verdict_check(p->verdict, !bad, "application-names", RULE, "%zu parameters%s%s", n,
                  bad ? ", not allowed: " : ", upper case, no INIT", bad ? bad : "");
}

static bool is_base64(const char *text)
{
    struct pke_buf raw PKE_CLEANUP(pke_buf_done);
    pke_buf_init(&raw, 4096);
    return text && pke_base64_decode(pke_bytes_str(text), PKE_B64_STRICT, &raw) == PKE_OK;
}

/* One APPAUTH of @level: the client needs both, even where TLS client certificates do the work. */
static void check_appauth(struct probe *p, struct xml *x, const char *level)
{
    const char *path = pke_arena_printf(
        p->arena, APPLICATION "/characteristic[@type='APPAUTH'][parm[@name='AAUTHLEVEL' and @value='%s']]",
        level);
    bool server = strcmp(level, "APPSRV") == 0;
    xmlNode *node = xml_first(x, NULL, path);
    const char *type = provdoc_parm(x, node, "AAUTHTYPE"), *secret = provdoc_parm(x, node, "AAUTHSECRET");
    const char *name = provdoc_parm(x, node, "AAUTHNAME"), *data = provdoc_parm(x, node, "AAUTHDATA");
    bool typed = type && (strcmp(type, "DIGEST") == 0 || (server && strcmp(type, "BASIC") == 0));
    bool nonce = is_base64(data) || (type && strcmp(type, "BASIC") == 0 && !data);
    verdict_check(p->verdict,
                  xml_count(x, NULL, path) == 1 && typed && secret && *secret && nonce && (!server || name),
                  server ? "appauth-appsrv" : "appauth-client", RULE, "APPAUTH %s %s%s%s%s", level,
                  node ? "" : "is missing", type ? type : "", secret && *secret ? "" : ", no secret",
                  nonce ? "" : ", AAUTHDATA is not base64");
}

/* "a%20b" to "a b" in place; false on a broken escape. */
static bool percent_decode(char *text)
{
    char *out = text;
    for (; *text; text++) {
        uint8_t byte = (uint8_t)*text;
        size_t n = 1;
        if (*text == '%') {
            if (strlen(text) < 3 || !pke_hex_decode(PKE_BYTES(text + 1, 2), &byte, &n))
                return false;
            text += 2;
        }
        *out++ = (char)byte;
    }
    *out = '\0';
    return true;
}

/* SSLCLIENTCERTSEARCHCRITERIA, when present, must find the certificate that was issued. */
static void check_search(struct probe *p, struct xml *x, xmlNode *app)
{
    const char *criteria = provdoc_parm(x, app, "SSLCLIENTCERTSEARCHCRITERIA");
    const char *subject = criteria ? strstr(criteria, "Subject=") : NULL;
    const char *store = criteria ? strstr(criteria, "Stores=") : NULL;
    char have[256] = "", want[320] = "";
    if (!criteria)
        return;
    if (p->leaf)
        X509_NAME_get_text_by_NID(X509_get_subject_name(p->leaf), NID_commonName, have, sizeof have);
    snprintf(want, sizeof want, "CN=%s", have);
    char *value = subject ? pke_arena_str(p->arena, PKE_BYTES(subject + 8, strcspn(subject + 8, "&"))) : NULL;
    char *place = store ? pke_arena_str(p->arena, PKE_BYTES(store + 7, strcspn(store + 7, "&"))) : NULL;
    bool good = value && percent_decode(value) && strcmp(value, want) == 0 && p->leaf &&
                X509_NAME_entry_count(X509_get_subject_name(p->leaf)) == 1 &&
                (!place || (percent_decode(place) &&
                            strcmp(place, p->opt.type == PROBE_FULL ? "My\\User" : "My\\System") == 0));
    verdict_check(p->verdict, good, "search-criteria", RULE, "%s%s", criteria,
                  good ? "" : " does not find the certificate");
}

void application_check(struct probe *p, struct xml *x)
{
    struct verdict *v = p->verdict;
    xmlNode *app = xml_first(x, NULL, APPLICATION);
    const char *id = provdoc_parm(x, app, "APPID"), *address = provdoc_parm(x, app, "ADDR");
    if (!verdict_check(v, xml_count(x, NULL, APPLICATION) == 1 && id && strcmp(id, "w7") == 0, "application",
                       RULE, "%zu APPLICATION, APPID %s", xml_count(x, NULL, APPLICATION),
                       id ? id : "is missing"))
        return;
    p->provider_id = provdoc_parm(x, app, "PROVIDER-ID");
    p->state.provider_id = p->provider_id ? pke_arena_strdup(p->kept, p->provider_id) : NULL;
    verdict_check(v, p->provider_id && *p->provider_id, "provider-id", RULE, "PROVIDER-ID %s",
                  p->provider_id && *p->provider_id ? p->provider_id : "is missing");
    verdict_check(v, address && strncasecmp(address, "https://", 8) == 0 && address[8], "management-address",
                  RULE, "ADDR %s", address && *address ? address : "is missing");
    check_names(p, x);
    check_appauth(p, x, "CLIENT");
    check_appauth(p, x, "APPSRV");
    check_search(p, x, app);
    verdict_fact(v, "provider-id", p->provider_id);
    verdict_fact(v, "provider-name", provdoc_parm(x, app, "NAME"));
    verdict_fact(v, "management-address", address);
}

/* Retries without a number go on for ever and starve the schedules after them: the first must have one, and
 * only one schedule may be infinite. */
static void check_poll(struct probe *p, struct xml *x, xmlNode *poll)
{
    static const char *const counts[] = {"NumberOfFirstRetries", "NumberOfSecondRetries",
                                         "NumberOfRemainingScheduledRetries"};
    static const char *const intervals[] = {"IntervalForFirstSetOfRetries", "IntervalForSecondSetOfRetries",
                                            "IntervalForRemainingScheduledRetries"};
    unsigned long n[3] = {0}, minutes[3] = {0};
    unsigned infinite = 0;
    bool typed = true, sense = true;
    for (size_t i = 0; i < PKE_LEN(counts); i++) {
        bool there = provdoc_parm(x, poll, counts[i]) != NULL;
        if (there)
            typed = provdoc_integer(x, poll, counts[i], &n[i]) && typed;
        if (provdoc_parm(x, poll, intervals[i]))
            typed = provdoc_integer(x, poll, intervals[i], &minutes[i]) && typed;
        infinite += there && n[i] == 0 && minutes[i] > 0;
        sense = sense && (!there || minutes[i] > 0 || n[i] == 0);
    }
    verdict_check(p->verdict, typed && sense && n[0] != 0 && infinite <= 1, "poll", DM_RULE,
                  "%lu x %lu min, %lu x %lu min, then %lu x %lu min%s", n[0], minutes[0], n[1], minutes[1],
                  n[2], minutes[2], typed ? "" : ", not all typed integers");
    verdict_fact(
        p->verdict, "poll",
        pke_arena_printf(p->arena, "%lu times every %lu min, %lu times every %lu min, then every %lu min%s",
                         n[0], minutes[0], n[1], minutes[1], minutes[2], n[2] ? " for a while" : ""));
}

void dmclient_check(struct probe *p, struct xml *x)
{
    static const char path[] = "/wap-provisioningdoc/characteristic[@type='DMClient']"
                               "/characteristic[@type='Provider']/characteristic";
    xmlNode *provider = xml_first(x, NULL, path);
    const char *name = xml_attribute(x, provider, "type"), *id = provdoc_parm(x, provider, "EntDMID");
    if (!verdict_check(
            p->verdict,
            xml_count(x, NULL, path) == 1 && name && p->provider_id && strcmp(name, p->provider_id) == 0,
            "dmclient-provider", DM_RULE, "Provider %s%s", name ? name : "is missing",
            name && p->provider_id && strcmp(name, p->provider_id) != 0 ? " is not PROVIDER-ID" : ""))
        return;
    verdict_check(p->verdict, id && *id && !xml_has_space(id), "ent-dmid", "MS-MDE2 2.2.9.1", "EntDMID %s",
                  id && *id ? id : "is missing: a renewal could not be bound to the device");
    verdict_fact(p->verdict, "ent-dmid", id);
    p->state.ent_dmid = id ? pke_arena_strdup(p->kept, id) : NULL;
    if (!p->opt.user && provdoc_parm(x, provider, "UPN")) /* of whom a token stood for */
        p->opt.user = pke_arena_strdup(p->kept, provdoc_parm(x, provider, "UPN"));
    xmlNode *poll = xml_first(x, provider, "characteristic[@type='Poll']");
    if (poll)
        check_poll(p, x, poll);
    else
        verdict_note(p->verdict, "no Poll: the client uses its own schedule");
}
