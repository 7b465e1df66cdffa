/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/hook_receiver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

void receiver_start(struct receiver *r, const char *kind)
{
    const char *src = getenv("top_srcdir"), *python = getenv("PYTHON3");
    int in[2], out[2];

    r->folder = pke_strdup("/tmp/callout-XXXXXX");
    assert_non_null(mkdtemp(r->folder));
    assert_int_equal(pipe(in) | pipe(out), 0);
    r->pid = fork();
    if (r->pid == 0) {
        PKE_CLEANUP(pke_free_p) char *script = pke_asprintf("%s/tests/lib/hookserver.py", src ? src : "..");

        dup2(in[0], 0);
        dup2(out[1], 1);
        close(in[1]);
        close(out[0]);
        execlp(python ? python : "/usr/bin/python3", "python3", "-B", script, r->folder, kind, (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    r->to = fdopen(in[1], "w");
    r->from = fdopen(out[0], "r");
    assert_non_null(fgets(r->url, sizeof r->url, r->from));
    r->url[strcspn(r->url, "\n")] = '\0';
}

void receiver_stop(struct receiver *r)
{
    PKE_CLEANUP(pke_free_p) char *rm = pke_asprintf("rm -rf '%s'", r->folder);

    fclose(r->to);
    waitpid(r->pid, NULL, 0);
    fclose(r->from);
    assert_int_equal(system(rm), 0);
    free(r->folder);
}

void receiver_counts(struct receiver *r, unsigned *requests, unsigned *bad, unsigned *connections)
{
    fputs("count\n", r->to);
    fflush(r->to);
    assert_int_equal(fscanf(r->from, "%u %u %u", requests, bad, connections), 3);
}
