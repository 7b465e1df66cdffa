/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/net/unknown_items.h"

#include <string.h>
#include <strings.h>

#include "proto/context_item.h"

bool unknown_items_first(struct unknown_items *seen, const char *name)
{
    size_t n = strlen(name);

    if (context_item_find(name) || n > LIMIT_CONTEXT_NAME)
        return false;
    for (size_t i = 0; i < seen->n; i++)
        if (strcasecmp(seen->names[i], name) == 0)
            return false;
    if (seen->n == UNKNOWN_ITEMS_MAX)
        return false;
    memcpy(seen->names[seen->n++], name, n + 1);
    return true;
}
