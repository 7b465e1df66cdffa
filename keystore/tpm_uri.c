/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "keystore/tpm.h"

#define FILE_PREFIX   "tpm2:file="
#define HANDLE_PREFIX "tpm2:handle=0x"
#define RULE          "tpm2: key name"

static bool hex8(const char *s, TPM2_HANDLE *ret)
{
    static const char digits[] = "0123456789abcdef";

    *ret = 0;
    if (strlen(s) != 8)
        return false;
    for (; *s; s++) {
        const char *d = strchr(digits, *s >= 'A' && *s <= 'F' ? *s - 'A' + 'a' : *s);

        if (!d)
            return false;
        *ret = *ret << 4 | (TPM2_HANDLE)(d - digits);
    }
    return true;
}

static enum pke_err refuse(struct pke_fail *fail, const char *text)
{
    return pke_fail_set(fail, PKE_CONFIG, "key-uri", RULE, "%s", text);
}

enum pke_err tpm_uri_parse(const char *text, struct tpm_uri *ret, struct pke_fail *fail)
{
    *ret = (struct tpm_uri){0};
    if (strchr(text, '?')) /* somebody thinks of pin-value: it would be kept wherever names are */
        return refuse(fail, "the name has a query part: a secret comes from a file or a credential only");
    if (strncmp(text, FILE_PREFIX, strlen(FILE_PREFIX)) == 0) {
        const char *path = text + strlen(FILE_PREFIX);

        if (path[0] != '/' || path[strlen(path) - 1] == '/')
            return refuse(fail, "tpm2:file= needs the absolute path of a file");
        ret->file = path;
        return PKE_OK;
    }
    if (strncmp(text, HANDLE_PREFIX, strlen(HANDLE_PREFIX)) == 0 &&
        hex8(text + strlen(HANDLE_PREFIX), &ret->handle) && ret->handle >= TPM_PERSISTENT_FIRST &&
        ret->handle < TPM_PLATFORM_FIRST && ret->handle != TPM_SRK_HANDLE)
        return PKE_OK;
    ret->handle = 0;
    return refuse(fail, "a TPM key is tpm2:file=/path or tpm2:handle=0x81000002 to 0x817fffff (eight digits; "
                        "0x81000001 is the storage root key's)");
}
