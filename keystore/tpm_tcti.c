/* SPDX-License-Identifier: Apache-2.0 */
#include "keystore/tpm_tcti.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <tss2/tss2_tctildr.h>

#include "base/mem.h"
#include "keystore/rv.h"
#include "keystore/tpm_rc.h"

#define MAGIC       0x706b652d64656164ull
#define UNIX_PREFIX "unix:"

/* A TCTI in front of another: ESAPI waits for ever, this one does not. */
struct tcti {
    TSS2_TCTI_CONTEXT_COMMON_V2 common;
    TSS2_TCTI_CONTEXT *inner;
    bool loaded; /* by tctildr */
    unsigned deadline_ms;
    int64_t until;
    bool late;
};

static TSS2_RC transmit(TSS2_TCTI_CONTEXT *ctx, size_t n, const uint8_t *command)
{
    struct tcti *t = (struct tcti *)ctx;

    t->until = tpm_now_ms() + t->deadline_ms;
    return Tss2_Tcti_Transmit(t->inner, n, (uint8_t *)command);
}

static TSS2_RC receive(TSS2_TCTI_CONTEXT *ctx, size_t *size, uint8_t *response, int32_t timeout)
{
    struct tcti *t = (struct tcti *)ctx;
    int64_t left = t->until - tpm_now_ms();
    bool last = timeout < 0 || timeout >= left;
    TSS2_RC rc = Tss2_Tcti_Receive(t->inner, size, response, !last ? timeout : left < 0 ? 0 : (int32_t)left);

    if (rc != TSS2_TCTI_RC_TRY_AGAIN || !last)
        return rc;
    t->late = true;
    return TSS2_TCTI_RC_IO_ERROR;
}

static TSS2_RC no_cancel(TSS2_TCTI_CONTEXT *ctx)
{
    return Tss2_Tcti_Cancel(((struct tcti *)ctx)->inner);
}

static TSS2_RC no_locality(TSS2_TCTI_CONTEXT *ctx, uint8_t locality)
{
    return Tss2_Tcti_SetLocality(((struct tcti *)ctx)->inner, locality);
}

static void finalize(TSS2_TCTI_CONTEXT *ctx)
{
    struct tcti *t = (struct tcti *)ctx;

    if (t->loaded) {
        Tss2_TctiLdr_Finalize(&t->inner);
    } else if (t->inner) {
        Tss2_Tcti_Finalize(t->inner);
        free(t->inner);
    }
    t->inner = NULL;
}

static TSS2_TCTI_CONTEXT *wrap(TSS2_TCTI_CONTEXT *inner, bool loaded, unsigned deadline_ms)
{
    struct tcti *t = pke_calloc(1, sizeof *t);

    t->inner = inner;
    t->loaded = loaded;
    t->deadline_ms = deadline_ms;
    t->common.v1 = (TSS2_TCTI_CONTEXT_COMMON_V1){.magic = MAGIC,
                                                 .version = 2,
                                                 .transmit = transmit,
                                                 .receive = receive,
                                                 .finalize = finalize,
                                                 .cancel = no_cancel,
                                                 .setLocality = no_locality};
    return (TSS2_TCTI_CONTEXT *)t;
}

static bool starts(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

enum pke_err tpm_tcti_check(const char *tcti, struct tpm_tcti_kind *ret, struct pke_fail *fail)
{
    *ret = (struct tpm_tcti_kind){0};
    if (tcti && starts(tcti, UNIX_PREFIX "/")) {
        *ret = (struct tpm_tcti_kind){.local = true, .exclusive = true};
        return PKE_OK;
    }
    if (tcti && starts(tcti, "device:/")) {
        /* The kernel's resource manager has "rm" in the name of its devices: /dev/tpmrm0. */
        ret->exclusive = strstr(tcti, "tpmrm") == NULL;
        return PKE_OK;
    }
    if (tcti && starts(tcti, "tabrmd:"))
        return PKE_OK;
    return pke_fail_set(fail, PKE_CONFIG, "key-tcti", "tcti",
                        "the TCTI must be device:/dev/..., unix:/path or tabrmd:options");
}

int tpm_tcti_open(const char *tcti, unsigned deadline_ms, TSS2_TCTI_CONTEXT **ret, struct ks_error *error)
{
    struct tpm_tcti_kind kind;
    TSS2_TCTI_CONTEXT *inner = NULL;
    TSS2_RC rc;

    *ret = NULL;
    setenv("TSS2_LOG", "all+none",
           0); /* the TSS writes to stderr by itself; it looks here at its first word */
    if (tpm_tcti_check(tcti, &kind, &error->fail) != PKE_OK) {
        error->cls = KS_PERMANENT;
        return -1;
    }
    if (kind.local) {
        inner = tpm_tcti_fd_new(tcti + strlen(UNIX_PREFIX), deadline_ms);
        if (!inner)
            return ks_fail(error, KS_TOKEN, "key-token-gone", "connect", "no TPM answers on the socket: %s",
                           strerror(errno));
    } else {
        rc = Tss2_TctiLdr_Initialize(tcti, &inner);
        if (rc != TSS2_RC_SUCCESS) {
            tpm_rc_fail(error, "Tss2_TctiLdr_Initialize", rc);
            error->cls = KS_TOKEN; /* no device yet, no library, no daemon: it may come */
            error->fail.err = PKE_KEY_DOWN;
            return -1;
        }
    }
    *ret = wrap(inner, !kind.local, deadline_ms);
    return 0;
}

bool tpm_tcti_late(TSS2_TCTI_CONTEXT *tcti)
{
    return tcti && ((struct tcti *)tcti)->late;
}

void tpm_tcti_close(TSS2_TCTI_CONTEXT *tcti)
{
    if (!tcti)
        return;
    Tss2_Tcti_Finalize(tcti);
    free(tcti);
}
