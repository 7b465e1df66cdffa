/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "keystore/rv.h"
#include "keystore/tpm.h"
#include "keystore/tpm_rc.h"
#include "keystore/tpm_tcti.h"

#define PAUSE_MIN_MS 20
#define PAUSE_MAX_MS 500
/* A chip may look for the primes of an RSA key for minutes. */
#define CEREMONY_MS 300000
#define STALE_MAX   64 /* more than any TPM keeps loaded */
/* A signature, its recovery (two rungs) and the second signature may each meet a TPM that is busy, and are
 * over before somebody takes this process for stuck. */
#define RETRY_PART 5

int tpm_fail(struct tpm *t, struct ks_error *error, const char *call, TSS2_RC rc)
{
    if (!tpm_tcti_late(t->tcti))
        return tpm_rc_fail(error, call, rc);
    ks_fail(error, KS_TOKEN, "key-tpm-deadline", call, "%s was not answered within %u ms", call,
            t->deadline_ms);
    error->raw = rc;
    return -1;
}

void tpm_auth_value(struct pke_bytes pin, TPM2B_AUTH *ret)
{
    *ret = (TPM2B_AUTH){0};
    if (pin.n > SHA256_DIGEST_LENGTH) {
        SHA256(pin.p, pin.n, ret->buffer);
        ret->size = SHA256_DIGEST_LENGTH;
    } else if (pin.n > 0) {
        memcpy(ret->buffer, pin.p, pin.n);
        ret->size = (UINT16)pin.n;
    }
    while (ret->size > 0 && ret->buffer[ret->size - 1] == 0)
        ret->size--; /* TPM 2.0 part 1, 19.6.4.3: trailing zeros are no part of it */
}

/* Killed processes leave objects and sessions in a TPM that nobody manages; there is room for three. */
static int flush_range(struct tpm *t, TPM2_HANDLE first, struct ks_error *error)
{
    TPMI_YES_NO more;
    TPMS_CAPABILITY_DATA *found = NULL;
    TSS2_RC rc = Esys_GetCapability(t->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_HANDLES,
                                    first, STALE_MAX, &more, &found);
    size_t n = rc == TSS2_RC_SUCCESS ? found->data.handles.count : 0;

    for (size_t i = 0; i < n && rc == TSS2_RC_SUCCESS; i++) {
        ESYS_TR stale;

        rc = Esys_TR_FromTPMPublic(t->esys, found->data.handles.handle[i], ESYS_TR_NONE, ESYS_TR_NONE,
                                   ESYS_TR_NONE, &stale);
        if (rc == TSS2_RC_SUCCESS)
            rc = Esys_FlushContext(t->esys, stale);
    }
    Esys_Free(found);
    return rc == TSS2_RC_SUCCESS ? 0 : tpm_fail(t, error, "TPM2_FlushContext", rc);
}

static int start_up(struct tpm *t, struct ks_error *error)
{
    TPMI_YES_NO more;
    TPMS_CAPABILITY_DATA *found = NULL;
    TSS2_RC rc = Esys_GetCapability(t->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                    TPM2_CAP_TPM_PROPERTIES, TPM2_PT_FAMILY_INDICATOR, 1, &more, &found);

    Esys_Free(found);
    if (rc != TSS2_RC_SUCCESS && tpm_rc_hint(rc) == TPM_RC_NO_STARTUP && t->exclusive) {
        rc = Esys_Startup(t->esys, TPM2_SU_CLEAR);
        if (rc == TPM2_RC_INITIALIZE) /* somebody was faster */
            rc = TSS2_RC_SUCCESS;
    }
    if (rc != TSS2_RC_SUCCESS)
        return tpm_fail(t, error, "TPM2_GetCapability", rc);
    if (!t->exclusive)
        return 0;
    if (flush_range(t, TPM_TRANSIENT_FIRST, error) != 0)
        return -1;
    return flush_range(t, TPM_LOADED_FIRST, error);
}

static int start_step(struct tpm *t, void *arg, struct ks_error *error)
{
    (void)arg;
    return start_up(t, error);
}

int tpm_connect(struct tpm *t, const struct ks_config *config, unsigned deadline_ms, struct ks_error *error)
{
    struct tpm_tcti_kind kind;
    TSS2_RC rc;

    *error = (struct ks_error){.cls = KS_PERMANENT};
    t->object = t->session = ESYS_TR_NONE;
    t->config = config;
    t->deadline_ms = deadline_ms;
    if ((config->uri && tpm_uri_parse(config->uri, &t->uri, &error->fail) != PKE_OK) ||
        tpm_tcti_check(config->tcti, &kind, &error->fail) != PKE_OK)
        return -1;
    t->exclusive = kind.exclusive;
    t->salted = config->session == KS_TPM_SALTED;
    if (!t->salted && !kind.local && !config->allow_weak)
        return ks_fail(error, KS_PERMANENT, "key-tpm-session", "session: password",
                       "the auth value would cross the bus to the TPM in clear: a password session is for "
                       "unix: sockets only");
    if (tpm_tcti_open(config->tcti, deadline_ms, &t->tcti, error) != 0)
        return -1;
    rc = Esys_Initialize(&t->esys, t->tcti, NULL);
    if (rc != TSS2_RC_SUCCESS)
        return tpm_fail(t, error, "Esys_Initialize", rc);
    return tpm_retry(t, start_step, NULL, error);
}

void tpm_drop(struct tpm *t)
{
    if (t->session != ESYS_TR_NONE)
        (void)Esys_FlushContext(t->esys, t->session);
    if (t->object != ESYS_TR_NONE && t->uri.handle)
        (void)Esys_TR_Close(t->esys, &t->object);
    else if (t->object != ESYS_TR_NONE)
        (void)Esys_FlushContext(t->esys, t->object);
    t->object = t->session = ESYS_TR_NONE;
}

void tpm_disconnect(struct tpm *t)
{
    if (t->esys) {
        if (!tpm_tcti_late(t->tcti)) /* it would not answer this one either */
            tpm_drop(t);
        Esys_Finalize(&t->esys);
    }
    t->object = t->session = ESYS_TR_NONE;
    tpm_tcti_close(t->tcti);
    t->tcti = NULL;
}

int tpm_retry(struct tpm *t, tpm_step *step, void *arg, struct ks_error *error)
{
    int64_t until = tpm_now_ms() + t->deadline_ms / RETRY_PART;
    int pause = PAUSE_MIN_MS;

    while (step(t, arg, error) != 0) {
        if (error->cls != KS_TRANSIENT || tpm_now_ms() + pause > until)
            return -1;
        if (tpm_rc_hint((TSS2_RC)error->raw) == TPM_RC_MAKE_ROOM)
            tpm_drop(t);
        poll(NULL, 0, pause);
        pause = pause * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS : pause * 2;
    }
    *error = (struct ks_error){.cls = KS_OK};
    return 0;
}

int tpm_with(const struct ks_config *config, tpm_step *step, void *arg, struct ks_error *error)
{
    struct tpm *t = pke_calloc(1, sizeof *t);
    int rc = tpm_connect(t, config, config->deadline_ms ? config->deadline_ms : CEREMONY_MS, error);

    if (rc == 0)
        rc = tpm_retry(t, step, arg, error);
    tpm_disconnect(t);
    free(t);
    return rc;
}
