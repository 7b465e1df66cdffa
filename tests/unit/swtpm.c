/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/swtpm.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <tss2/tss2_esys.h>
#include <unistd.h>

#include "base/bytes.h"
#include "keystore/tpm.h"
#include "keystore/tpm_tcti.h"

extern char **environ;

bool swtpm_here(void)
{
    return access("/usr/bin/swtpm", X_OK) == 0;
}

/* The name is there before swtpm listens; the kernel tells who does (flag __SO_ACCEPTCON). */
static bool is_listening(const char *path)
{
    FILE *f = fopen("/proc/net/unix", "re");
    char line[512], name[256];
    unsigned long flags;
    bool found = false;

    while (f && !found && fgets(line, sizeof line, f))
        found = sscanf(line, "%*s %*s %*s %lx %*s %*s %*s %255s", &flags, name) == 2 && flags & 0x10000 &&
                strcmp(name, path) == 0;
    if (f)
        fclose(f);
    return found;
}

/* Nobody may connect before the program under test: swtpm takes one client. */
static bool wait_for(const char *path, pid_t pid)
{
    for (int i = 0; i < 2000; i++) {
        if (is_listening(path))
            return true;
        if (waitpid(pid, NULL, WNOHANG) != 0)
            return false;
        poll(NULL, 0, 5);
    }
    return false;
}

static bool launch(struct swtpm *s)
{
    char state[64], server[96];
    const char *const argv[] = {"swtpm",    "socket", "--tpm2",  "--tpmstate",    state,
                                "--server", server,   "--flags", "not-need-init", NULL};
    posix_spawn_file_actions_t quiet;
    const char *path = s->tcti + strlen("unix:");
    bool ok;

    snprintf(state, sizeof state, "dir=%s/state", s->dir);
    snprintf(server, sizeof server, "type=unixio,path=%s", path);
    (void)mkdir(state + strlen("dir="), 0700);
    (void)unlink(path);
    posix_spawn_file_actions_init(&quiet);
    for (int fd = 0; fd < 3; fd++)
        posix_spawn_file_actions_addopen(&quiet, fd, "/dev/null", O_RDWR, 0);
    ok = posix_spawnp(&s->pid, argv[0], &quiet, NULL, (char **)argv, environ) == 0;
    posix_spawn_file_actions_destroy(&quiet);
    return ok && wait_for(path, s->pid);
}

bool swtpm_start(struct swtpm *s)
{
    *s = (struct swtpm){.dir = "/tmp/pke-swtpm-XXXXXX"};
    if (!mkdtemp(s->dir))
        return false;
    snprintf(s->tcti, sizeof s->tcti, "unix:%s/sock", s->dir);
    return launch(s);
}

void swtpm_kill(struct swtpm *s)
{
    if (s->pid > 0) {
        kill(s->pid, SIGKILL);
        waitpid(s->pid, NULL, 0);
    }
    s->pid = 0;
}

static void run(const char *const argv[])
{
    pid_t pid;

    if (posix_spawnp(&pid, argv[0], NULL, NULL, (char **)argv, environ) == 0)
        waitpid(pid, NULL, 0);
}

bool swtpm_again(struct swtpm *s, bool clear)
{
    char state[64];

    swtpm_kill(s);
    snprintf(state, sizeof state, "%s/state", s->dir);
    if (clear)
        run((const char *const[]){"rm", "-rf", state, NULL});
    return launch(s);
}

void swtpm_stop(struct swtpm *s)
{
    swtpm_kill(s);
    run((const char *const[]){"rm", "-rf", s->dir, NULL});
}

/* A connection that flushes nothing. */
static ESYS_CONTEXT *connect_to(const struct swtpm *s, TSS2_TCTI_CONTEXT **tcti)
{
    ESYS_CONTEXT *esys = NULL;
    struct ks_error e;

    if (tpm_tcti_open(s->tcti, 20000, tcti, &e) != 0 || Esys_Initialize(&esys, *tcti, NULL) != 0)
        return NULL;
    return esys;
}

size_t swtpm_handles(const struct swtpm *s, unsigned first)
{
    TSS2_TCTI_CONTEXT *tcti = NULL;
    ESYS_CONTEXT *esys = connect_to(s, &tcti);
    TPMS_CAPABILITY_DATA *found = NULL;
    TPMI_YES_NO more;
    size_t n = SIZE_MAX;

    if (esys && Esys_GetCapability(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_HANDLES, first,
                                   100, &more, &found) == 0)
        n = found->data.handles.count;
    Esys_Free(found);
    Esys_Finalize(&esys);
    tpm_tcti_close(tcti);
    return n;
}

bool swtpm_litter(const struct swtpm *s)
{
    struct tpm t = {.deadline_ms = 20000};
    struct ks_error e;
    ESYS_TR left;
    bool done;

    t.esys = connect_to(s, &t.tcti);
    done = t.esys && tpm_primary_create(&t, &left, &e) == 0;
    Esys_Finalize(&t.esys);
    tpm_tcti_close(t.tcti);
    return done;
}
