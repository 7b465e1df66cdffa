/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/common/uids.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define DIGITS_MAX 10

/* (uid_t)-1 is nobody: it means "unchanged" to chown(). */
static bool numeric_uid(const char *text, uid_t *ret)
{
    size_t n = strlen(text);
    unsigned long long v;

    if (!n || n > DIGITS_MAX || strspn(text, "0123456789") != n)
        return false;
    v = strtoull(text, NULL, 10);
    *ret = (uid_t)v;
    return v < (uid_t)-1;
}

static bool named_uid(const char *name, uid_t *ret)
{
    struct passwd p, *found = NULL;
    size_t size = 1024;
    int err;

    do {
        PKE_CLEANUP(pke_free_p) char *buf = pke_malloc(size);
        err = getpwnam_r(name, &p, buf, size, &found);
        if (!err && found)
            *ret = p.pw_uid;
        size *= 2;
    } while (err == ERANGE && size <= (1u << 20));
    return !err && found;
}

enum pke_err uids_resolve(const struct pke_strings *names, const char *option, struct uids *ret,
                          struct pke_fail *fail)
{
    ret->n = 0;
    if (names->n > UIDS_MAX)
        return pke_fail_set(fail, PKE_CONFIG, "uids", "pkienrolld.conf(5)", "%s: more than %d users", option,
                            UIDS_MAX);
    for (size_t i = 0; i < names->n; i++) {
        uid_t uid;

        if (!numeric_uid(names->v[i], &uid) && !named_uid(names->v[i], &uid))
            return pke_fail_set(fail, PKE_CONFIG, "uids", "pkienrolld.conf(5)", "%s: no such user: %s",
                                option, names->v[i]);
        ret->v[ret->n++] = uid;
    }
    return PKE_OK;
}

bool uids_has(const struct uids *set, uid_t uid)
{
    for (size_t i = 0; i < set->n; i++)
        if (set->v[i] == uid)
            return true;
    return false;
}
