/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/context_item.h"

#include <string.h>
#include <strings.h>

#include "base/encode.h"
#include "base/mem.h"
#include "base/version.h"
#include "proto/limits.h"

#define CORRELATOR_MAX 100
#define INTEGER_MAX    19 /* digits: below 2^63 */
#define MAC_LEN        17
#define ALNUM          "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

/* mdm.md 6.2. The last ones are in no document of Microsoft's protocol series, but were seen. */
static const struct context_item catalogue[] = {
    {"DeviceID", CONTEXT_TEXT, false, false},
    {"HWDevID", CONTEXT_HEX, false, false},
    {"EnrollmentType", CONTEXT_TEXT, false, false},
    {"DeviceType", CONTEXT_TEXT, false, false},
    {"OSEdition", CONTEXT_INTEGER, false, false},
    {"OSVersion", CONTEXT_VERSION, false, false},
    {"ApplicationVersion", CONTEXT_VERSION, false, false},
    {"DeviceName", CONTEXT_TEXT, false, false},
    {"MAC", CONTEXT_MAC, true, false},
    {"IMEI", CONTEXT_INTEGER, true, false},
    {"TargetedUserLoggedIn", CONTEXT_BOOL, false, false},
    {"EnrollmentData", CONTEXT_TEXT, false, true},
    {"Locale", CONTEXT_TEXT, false, false},
    {"BulkAADJ", CONTEXT_BOOL, false, false},
    {"ZeroTouchProvisioning", CONTEXT_GUID, false, false},
    {"UXInitiated", CONTEXT_BOOL, false, false},
    {"ExternalMgmtAgentHint", CONTEXT_HINT, true, false},
    {"DomainName", CONTEXT_TEXT, false, false},
    {"BootstrapDomainJoin", CONTEXT_BOOL, false, false},
    {"PlugandForget", CONTEXT_BOOL, false, false},
    {"OfflineAutoPilotEnrollmentCorrelator", CONTEXT_CORRELATOR, false, false},
    {"WhiteGlove", CONTEXT_BOOL, false, false},
    {"WhiteGloveHybridJoin", CONTEXT_BOOL, false, false},
    {"NotInOobe", CONTEXT_BOOL, false, false},
    {"RequestVersion", CONTEXT_VERSION, false, false},
    {"EmmDeviceId", CONTEXT_TEXT, false, false},
    {"AIKAttestationClaim", CONTEXT_BASE64, false, true},
    {"AIKPub", CONTEXT_BASE64, false, true},
    {"AIKCert", CONTEXT_BASE64, false, true},
    {"AadAIKAttestationClaim", CONTEXT_BASE64, false, true},
    {"AADPub", CONTEXT_BASE64, false, true},
    {"AzureAttestationBlob", CONTEXT_BASE64, false, true},
    {"AttestationStatus", CONTEXT_TEXT, false, false},
    {"AttestationStatusHResult", CONTEXT_HRESULT, false, false},
    {"AzureAttestationCorrelationVector", CONTEXT_TEXT, false, false},
    {"AIKAlgorithm", CONTEXT_TEXT, false, false},
    {"AzVMIAMExtensionJoin", CONTEXT_TEXT, false, false},
    {"Manufacturer", CONTEXT_TEXT, false, false},
    {"Model", CONTEXT_TEXT, false, false},
    {"DeviceModel", CONTEXT_TEXT, false, false},
    {"SerialNumber", CONTEXT_TEXT, false, false},
};

const struct context_item *context_item_find(const char *name)
{
    for (size_t i = 0; i < PKE_LEN(catalogue); i++)
        if (strcasecmp(catalogue[i].name, name) == 0)
            return &catalogue[i];
    return NULL;
}

static bool is_digits(const char *s, size_t max)
{
    size_t n = strspn(s, "0123456789");

    return n > 0 && n <= max && s[n] == '\0';
}

static bool is_guid(const char *s)
{
    char inner[PKE_UUID_LEN + 1];

    if (*s != '{')
        return pke_uuid_valid(s);
    if (strlen(s) != PKE_UUID_LEN + 2 || s[PKE_UUID_LEN + 1] != '}')
        return false;
    memcpy(inner, s + 1, PKE_UUID_LEN);
    inner[PKE_UUID_LEN] = '\0';
    return pke_uuid_valid(inner);
}

static bool is_hex(const char *s)
{
    size_t n = strlen(s);

    return n > 0 && n % 2 == 0 && strspn(s, "0123456789ABCDEFabcdef") == n;
}

static bool is_base64(const char *s)
{
    PKE_CLEANUP(pke_buf_done) struct pke_buf raw = {0};

    pke_buf_init(&raw, LIMIT_CONTEXT_VALUE);
    return pke_base64_decode(pke_bytes_str(s), PKE_B64_WHITESPACE, &raw) == PKE_OK && raw.n > 0;
}

static bool is_mac(const char *s)
{
    if (*s == '\0')
        return true;
    if (strlen(s) != MAC_LEN)
        return false;
    for (size_t i = 0; i < MAC_LEN; i++)
        if (i % 3 == 2 ? s[i] != s[2] || (s[i] != '-' && s[i] != ':')
                       : !strchr("0123456789ABCDEFabcdef", s[i]))
            return false;
    return true;
}

static bool is_hint(const char *s)
{
    const char *colon = strchr(s, ':');

    return colon && colon > s && colon[1] != '\0';
}

static bool is_correlator(const char *s)
{
    size_t n = strlen(s);

    if (n == 0 || n > CORRELATOR_MAX)
        return false;
    for (size_t part; (part = strspn(s, ALNUM)) > 0; s += part + 1)
        if (s[part] != '-')
            return s[part] == '\0';
    return *s == '\0';
}

static bool is_hresult(const char *s)
{
    size_t n;

    if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
        n = strspn(s + 2, "0123456789ABCDEFabcdef");
        return n > 0 && n <= 8 && s[2 + n] == '\0';
    }
    return is_digits(s + (*s == '-'), 10);
}

bool context_value_fits(enum context_type type, const char *value)
{
    uint32_t version[PKE_VERSION_PARTS];

    switch (type) {
    case CONTEXT_BOOL:
        return strcasecmp(value, "true") == 0 || strcasecmp(value, "false") == 0;
    case CONTEXT_INTEGER:
        return is_digits(value, INTEGER_MAX);
    case CONTEXT_VERSION:
        return pke_version_parse(value, version);
    case CONTEXT_GUID:
        return is_guid(value);
    case CONTEXT_HEX:
        return is_hex(value);
    case CONTEXT_BASE64:
        return is_base64(value);
    case CONTEXT_MAC:
        return is_mac(value);
    case CONTEXT_HINT:
        return is_hint(value);
    case CONTEXT_CORRELATOR:
        return is_correlator(value);
    case CONTEXT_HRESULT:
        return is_hresult(value);
    case CONTEXT_TEXT:
        break;
    }
    return true;
}

const char *context_type_name(enum context_type type)
{
    static const char *const names[] = {
        [CONTEXT_TEXT] = "text",       [CONTEXT_BOOL] = "bool",
        [CONTEXT_INTEGER] = "integer", [CONTEXT_VERSION] = "version",
        [CONTEXT_GUID] = "guid",       [CONTEXT_HEX] = "hex",
        [CONTEXT_BASE64] = "base64",   [CONTEXT_MAC] = "mac",
        [CONTEXT_HINT] = "hint",       [CONTEXT_CORRELATOR] = "correlator",
        [CONTEXT_HRESULT] = "hresult",
    };

    return names[type];
}
