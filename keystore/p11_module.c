/* SPDX-License-Identifier: Apache-2.0 */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "keystore/p11.h"

#define SLOTS_MAX     256
#define START_RETRIES 3

int p11_load_module(struct p11 *p, const char *module, struct ks_error *error)
{
    CK_C_GetFunctionList get_list;
    void *dl;
    CK_RV rv;

    /* A name without a slash would be searched for in the library path: the module is one file, named
     * exactly. */
    if (!module || module[0] != '/')
        return ks_fail(error, KS_PERMANENT, "key-module", "PKCS#11 module",
                       "the module must be an absolute path");
    dl = dlopen(module, RTLD_NOW | RTLD_LOCAL);
    if (!dl)
        return ks_fail(error, KS_PERMANENT, "key-module", "PKCS#11 module", "cannot load the module: %s",
                       dlerror());
    *(void **)&get_list = dlsym(dl, "C_GetFunctionList");
    if (!get_list)
        return ks_fail(error, KS_PERMANENT, "key-module", "PKCS#11 C_GetFunctionList",
                       "%s is not a PKCS#11 module: it has no C_GetFunctionList", module);
    rv = get_list(&p->f);
    if (rv != CKR_OK)
        return ks_rv_fail(error, "C_GetFunctionList", rv);
    if (!p->f || p->f->version.major != 2)
        return ks_fail(error, KS_PERMANENT, "key-module", "PKCS#11 C_GetFunctionList",
                       "the module does not offer the PKCS#11 2.x function list");
    return 0;
}

int p11_load(struct p11 *p, const struct ks_config *config, struct ks_error *error)
{
    struct pke_fail fail = {0};

    p->pin = config->pin;
    p->login = config->login;
    p->signature = config->signature;
    if (ks_uri_parse(config->uri, &p->uri, &fail) != PKE_OK) {
        *error = (struct ks_error){.cls = KS_PERMANENT, .fail = fail};
        return -1;
    }
    return p11_load_module(p, config->module, error);
}

int p11_initialise(struct p11 *p, struct ks_error *error)
{
    CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};
    CK_RV rv = p->f->C_Initialize(&args);

    /* After a C_Finalize that failed the module is still ours. Otherwise somebody else in this process uses
     * it, and the C_Finalize of the ladder would pull it away under them. */
    if (rv == CKR_CRYPTOKI_ALREADY_INITIALIZED && p->initialised)
        rv = CKR_OK;
    if (rv != CKR_OK)
        return ks_rv_fail(error, "C_Initialize", rv);
    p->initialised = true;
    return 0;
}

static void finalise(struct p11 *p)
{
    CK_RV rv;

    if (!p->initialised)
        return;
    rv = p->f->C_Finalize(NULL);
    if (rv == CKR_OK || rv == CKR_CRYPTOKI_NOT_INITIALIZED)
        p->initialised = false;
}

/* One look at the slots. A token that cannot be read is not the one, but is why the search failed. */
static int find_token(struct p11 *p, struct ks_error *error)
{
    CK_SLOT_ID slots[SLOTS_MAX];
    CK_ULONG n = SLOTS_MAX, found = 0;
    CK_RV rv = p->f->C_GetSlotList(CK_TRUE, slots, &n), unreadable = CKR_OK;

    if (rv != CKR_OK)
        return ks_rv_fail(error, "C_GetSlotList", rv);
    for (CK_ULONG i = 0; i < n && i < SLOTS_MAX; i++) {
        CK_TOKEN_INFO info = {0};

        rv = p->f->C_GetTokenInfo(slots[i], &info);
        if (rv != CKR_OK) {
            unreadable = rv;
        } else if ((info.flags & CKF_TOKEN_INITIALIZED) && ks_uri_match_token(&p->uri, &info)) {
            p->slot = slots[i];
            found++;
        }
    }
    if (found == 1)
        return 0;
    if (found > 1)
        return ks_fail(error, KS_PERMANENT, "key-token-count", "exactly one token",
                       "%lu tokens match the URI, there must be exactly one: name it by serial", found);
    if (unreadable != CKR_OK)
        return ks_rv_fail(error, "C_GetTokenInfo", unreadable);
    return ks_fail(error, KS_TOKEN, "key-token-count", "exactly one token",
                   "0 tokens match the URI (%lu present)", n);
}

static void pause_before(unsigned retry)
{
    static const long ms[START_RETRIES] = {50, 100, 200};
    struct timespec left = {0, ms[retry] * 1000000};

    while (nanosleep(&left, &left) != 0)
        ;
}

int p11_start(struct p11 *p, struct ks_error *error)
{
    for (unsigned retry = 0;; retry++) {
        if (p11_initialise(p, error) == 0 && find_token(p, error) == 0)
            return 0;
        finalise(p);
        if (retry == START_RETRIES || (error->cls != KS_TOKEN && error->cls != KS_TRANSIENT))
            return -1;
        pause_before(retry);
    }
}

int p11_restart(struct p11 *p, struct ks_error *error)
{
    p11_stop(p);
    pause_before(1);
    return p11_start(p, error);
}

void p11_stop(struct p11 *p)
{
    p11_session_close(p);
    finalise(p);
}

void p11_free(struct p11 *p)
{
    if (!p)
        return;
    p11_stop(p);
    ks_uri_done(&p->uri);
    free(p);
}
