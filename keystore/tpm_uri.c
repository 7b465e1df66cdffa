/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "keystore/tpm.h"

static enum pke_err refuse(struct pke_fail *fail, const char *text)
{
    return pke_fail_set(fail, PKE_CONFIG, "key-uri", "tpm2: URI", "%s", text);
}

enum pke_err tpm_uri_parse(const char *text, struct tpm_uri *ret, struct pke_fail *fail)
{
    static const char file[] = "tpm2:file=", handle[] = "tpm2:handle=0x";
    unsigned long value;
    const char *digits;
    char *end;

    *ret = (struct tpm_uri){0};
    if (strncmp(text, file, sizeof file - 1) == 0) {
        ret->file = text + sizeof file - 1;
        return ret->file[0] == '/' ? PKE_OK : refuse(fail, "the path of a key file must be absolute");
    }
    if (strncmp(text, handle, sizeof handle - 1) != 0)
        return refuse(fail, "a TPM key is tpm2:file=/PATH or tpm2:handle=0xHANDLE");
    digits = text + sizeof handle - 1;
    errno = 0;
    value = strtoul(digits, &end, 16);
    if (strlen(digits) != 8 || strspn(digits, "0123456789abcdefABCDEF") != 8 || *end || errno)
        return refuse(fail, "a handle is 0x and eight hexadecimal digits");
    /* TPM 2.0 part 2, 7.4: 0x81800000 and above belong to the platform */
    if (value < TPM2_PERSISTENT_FIRST || value > TPM2_PERSISTENT_FIRST + 0x7fffff)
        return refuse(fail, "a persistent handle of the owner is 0x81000000 to 0x817fffff");
    if (value == TPM_SRK_HANDLE)
        return refuse(fail, "0x81000001 is the storage root key");
    ret->handle = (TPM2_HANDLE)value;
    return PKE_OK;
}
