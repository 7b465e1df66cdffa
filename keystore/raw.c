/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <tss2/tss2_rc.h>

#include "keystore/rv.h"

void ks_raw_text(enum ks_backend_kind backend, uint64_t raw, char *out, size_t n)
{
    const char *name = NULL;

    if (backend == KS_PKCS11)
        name = ks_rv_name(raw);
    else if (backend == KS_TPM2)
        name = Tss2_RC_Decode((TSS2_RC)raw);
    if (raw == 0)
        snprintf(out, n, "%s", "");
    else
        snprintf(out, n, "0x%08" PRIx64 "%s%s", raw, name ? " " : "", name ? name : "");
}
