/* SPDX-License-Identifier: Apache-2.0 */
/* The user files: one of each tenant that has users. A name is a user of its tenant and of no other. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/auth/core_impl.h"
#include "daemon/common/log.h"

enum pke_err auth_users_open(struct auth_core *core, struct pke_fail *fail)
{
    const struct conf *conf = core->conf;
    enum pke_err err = PKE_OK;

    core->users = pke_calloc(conf->n_tenants + 1, sizeof *core->users);
    for (size_t i = 0; err == PKE_OK && i < conf->n_tenants; i++) {
        struct auth_users *u = &core->users[core->n_users];

        if (!conf->tenants[i].user_file)
            continue;
        u->tenant = conf->tenants[i].name;
        u->path = conf->tenants[i].user_file;
        err = userfile_load(u->path, &u->file, &u->seen, fail);
        core->n_users++;
    }
    return err;
}

void auth_users_close(struct auth_core *core)
{
    for (size_t i = 0; i < core->n_users; i++)
        userfile_free(core->users[i].file);
    free(core->users);
}

static enum pke_err refresh(struct auth_core *core, struct auth_users *u, struct pke_fail *fail)
{
    if (userfile_changed(u->path, &u->seen)) {
        password_forget(core->passwords);
        userfile_free(u->file);
        u->file = NULL;
        if (userfile_load(u->path, &u->file, &u->seen, &u->broken) != PKE_OK)
            log_fail(LOG_ERR, "user file refused, nobody of the tenant can authenticate by password",
                     &u->broken, "tenant", u->tenant, NULL);
    }
    if (u->file)
        return PKE_OK;
    /* Fail closed: an old state could hold a user who was just removed. */
    return pke_fail_set(fail, PKE_STORE_DOWN, u->broken.reason, u->broken.rule, "%s", u->broken.text);
}

enum pke_err auth_users_of(struct auth_core *core, const char *tenant, struct auth_users **ret,
                           struct pke_fail *fail)
{
    for (size_t i = 0; i < core->n_users; i++)
        if (strcmp(core->users[i].tenant, tenant) == 0) {
            *ret = &core->users[i];
            return refresh(core, *ret, fail);
        }
    return pke_fail_set(fail, PKE_NOT_FOUND, "tenant-users", "pkienrolld.conf(5) tenants user-file",
                        "there is no tenant of this name that has users");
}
