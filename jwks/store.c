/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/file.h"
#include "jwks/jwks.h"

enum pke_err jwks_store(const char *path, struct pke_bytes text, struct pke_fail *fail)
{
    int error =
        pke_file_publish(path, text, 0644, PKE_PUBLISH_REPLACE); /* 0644: the daemon is another user */

    if (error == 0)
        return PKE_OK;
    return pke_fail_set(fail, PKE_STORE_DOWN, "jwks-write", "pkienroll-jwks(8)", "%s cannot be written: %s",
                        path, strerror(error));
}
