/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "keytool/tool.h"

enum pke_err tool_write_file(const char *path, struct pke_bytes content, bool force, struct pke_fail *fail)
{
    int error = pke_file_publish(path, content, 0644, force ? PKE_PUBLISH_REPLACE : PKE_PUBLISH_NEW);

    if (error == 0)
        return PKE_OK;
    if (error == EEXIST)
        return pke_fail_set(fail, PKE_EXISTS, "output-exists", "no overwriting without --force",
                            "%s exists already", path);
    return pke_fail_set(fail, PKE_INTERNAL, "output-write", "atomic write", "cannot write %s: %s", path,
                        strerror(error));
}
