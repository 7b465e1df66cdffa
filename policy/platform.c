/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/version.h"
#include "policy/renew.h"

static enum pke_err unsupported(struct pke_fail *fail, const char *reason, const char *rule, const char *text)
{
    return pke_fail_set(fail, PKE_DEVICE_UNSUPPORTED, reason, rule, "%s", text);
}

static bool new_enough(const char *least, const char *version)
{
    uint32_t want[PKE_VERSION_PARTS], have[PKE_VERSION_PARTS];

    return pke_version_parse(least, want) && version && pke_version_parse(version, have) &&
           pke_version_compare(have, want) >= 0;
}

static bool has_edition(const struct pke_strings *editions, const char *edition)
{
    for (size_t i = 0; edition && i < editions->n; i++)
        if (strtoul(editions->v[i], NULL, 10) == strtoul(edition, NULL, 10) && *edition &&
            edition[strspn(edition, "0123456789")] == '\0')
            return true;
    return false;
}

static bool has_name(const struct pke_strings *names, const char *name)
{
    for (size_t i = 0; name && i < names->n; i++)
        if (strcasecmp(names->v[i], name) == 0)
            return true;
    return false;
}

enum pke_err policy_platform_check(const struct policy_template *t, const struct policy_platform *p,
                                   struct pke_fail *fail)
{
    if (t->os_min_version && !new_enough(t->os_min_version, p->os_version))
        return unsupported(fail, "os-version", "template: os-min-version",
                           "the operating system is older than allowed, or says nothing about it");
    if (t->os_editions.n && !has_edition(&t->os_editions, p->os_edition))
        return unsupported(fail, "os-edition", "template: os-editions",
                           "this edition of the operating system is not allowed");
    if (t->device_types.n && !has_name(&t->device_types, p->device_type))
        return unsupported(fail, "device-type", "template: device-types",
                           "devices of this type are not allowed");
    return PKE_OK;
}
