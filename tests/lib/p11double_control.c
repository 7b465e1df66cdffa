/* SPDX-License-Identifier: Apache-2.0 */
/* The control file of the PKCS#11 double; its statements are told in p11double.c. */
#include "tests/lib/p11double.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define RULES_MAX 32

enum action { RV, LATE_RV, DELAY, HANG, CRASH, FLIP, LOSE };

struct rule {
    char function[32], marker[256];
    enum action action;
    unsigned long value, after, times; /* times 0: all */
    unsigned long seen, used;
};

static struct {
    char path[512], log[512];
    struct timespec changed;
    ino_t inode;
    struct rule rules[RULES_MAX];
    size_t n_rules;
} conf;

struct face face;
CK_FUNCTION_LIST *real;

static void add_type(struct types *t, const char *text)
{
    if (t->n < sizeof t->v / sizeof *t->v)
        t->v[t->n++] = strtoul(text, NULL, 0);
}

bool has_type(const struct types *t, CK_ATTRIBUTE_TYPE type)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->v[i] == type)
            return true;
    return false;
}

static void die(const char *what, const char *text)
{
    fprintf(stderr, "p11double: %s: %s\n", what, text);
    _exit(3); /* a typing mistake in a test is no result */
}

static void copy(char *to, size_t size, const char *from)
{
    if (strlen(from) >= size)
        die("too long", from);
    memcpy(to, from, strlen(from) + 1);
}

static void read_rule(char *function, char *rest)
{
    static const struct {
        const char *name;
        enum action action;
    } actions[] = {{"rv", RV},       {"late-rv", LATE_RV}, {"delay", DELAY}, {"hang", HANG},
                   {"crash", CRASH}, {"flip", FLIP},       {"lose", LOSE}};
    struct rule *r = &conf.rules[conf.n_rules];
    bool known = false;

    if (conf.n_rules == RULES_MAX)
        die("too many rules", function);
    *r = (struct rule){.after = 0};
    copy(r->function, sizeof r->function, function);
    for (char *save, *w = strtok_r(rest, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
        char *value = strchr(w, '=');

        if (value)
            *value++ = '\0';
        if (strcmp(w, "after") == 0 && value)
            r->after = strtoul(value, NULL, 0);
        else if (strcmp(w, "times") == 0 && value)
            r->times = strtoul(value, NULL, 0);
        else if (strcmp(w, "marker") == 0 && value)
            copy(r->marker, sizeof r->marker, value);
        else {
            for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
                if (strcmp(w, actions[i].name) == 0) {
                    r->action = actions[i].action;
                    r->value = value ? strtoul(value, NULL, 0) : 0;
                    known = true;
                }
            if (!known)
                die("unknown action", w);
        }
    }
    if (!known)
        die("no action", function);
    conf.n_rules++;
}

static void load_real(const char *path)
{
    CK_C_GetFunctionList get = NULL;
    void *dl = dlopen(path, RTLD_NOW | RTLD_LOCAL);

    if (dl)
        *(void **)&get = dlsym(dl, "C_GetFunctionList");
    if (!get || get(&real) != CKR_OK)
        die("cannot load", path);
}

static void read_line(char *line)
{
    char *rest = strchr(line, ' ');

    if (rest)
        *rest++ = '\0';
    if (strcmp(line, "module") == 0 && rest) {
        if (!real)
            load_real(rest);
    } else if (strcmp(line, "log") == 0 && rest)
        copy(conf.log, sizeof conf.log, rest);
    else if (strncmp(line, "C_", 2) == 0 && rest)
        read_rule(line, rest);
    else if (strcmp(line, "remove") == 0)
        face.remove = true;
    else if (strcmp(line, "twin") == 0)
        face.twin = true;
    else if (strcmp(line, "pin-locked") == 0)
        face.pin_locked = true;
    else if (strcmp(line, "hide") == 0 && rest)
        add_type(&face.hidden, rest);
    else if (strcmp(line, "refuse") == 0 && rest)
        add_type(&face.refused, rest);
    else if (rest) {
        face.no_login = face.no_login || strcmp(line, "no-login") == 0;
        face.protected_path = face.protected_path || strcmp(line, "protected-path") == 0;
        face.always_authenticate = face.always_authenticate || strcmp(line, "always-authenticate") == 0;
        copy(face.pin, sizeof face.pin, rest);
    } else if (line[0] && line[0] != '#')
        die("unknown statement", line);
}

static void find_control(void)
{
    const char *env = getenv("P11DOUBLE");
    Dl_info self;
    char *slash;

    if (env) {
        copy(conf.path, sizeof conf.path, env);
        return;
    }
    if (dladdr((void *)&find_control, &self) == 0)
        die("dladdr", "who am I?");
    copy(conf.path, sizeof conf.path - 20, self.dli_fname);
    slash = strrchr(conf.path, '/');
    strcpy(slash ? slash + 1 : conf.path, "p11double.conf");
}

void refresh(void)
{
    char path[sizeof conf.path], line[600];
    struct stat st;
    FILE *f;

    if (!conf.path[0])
        find_control();
    if (stat(conf.path, &st) != 0)
        die("no control file", conf.path);
    if (st.st_ino == conf.inode && st.st_mtim.tv_sec == conf.changed.tv_sec &&
        st.st_mtim.tv_nsec == conf.changed.tv_nsec)
        return;
    memcpy(path, conf.path, sizeof path);
    memset(&conf, 0, sizeof conf);
    memset(&face, 0, sizeof face);
    memcpy(conf.path, path, sizeof path);
    conf.inode = st.st_ino;
    conf.changed = st.st_mtim;
    f = fopen(conf.path, "re");
    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        read_line(line);
    }
    if (f)
        fclose(f);
    if (!real)
        die("names no module", conf.path);
}

/* ---- rules ---- */

CK_RV note(const char *function, CK_RV rv)
{
    char line[64];
    int fd, n;

    if (!conf.log[0])
        return rv;
    n = snprintf(line, sizeof line, "%s 0x%lx %d\n", function, rv, (int)getpid());
    fd = open(conf.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, line, (size_t)n) != n)
        die("cannot write", conf.log);
    close(fd);
    return rv;
}

static bool first_of_all(const char *marker)
{
    int fd = open(marker, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool applies(struct rule *r, const char *function)
{
    if (strcmp(r->function, function) != 0 || r->seen++ < r->after || (r->times && r->used >= r->times) ||
        (r->marker[0] && !first_of_all(r->marker)))
        return false;
    r->used++;
    return true;
}

static void wait_ms(unsigned long ms)
{
    struct timespec t = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};

    while (nanosleep(&t, &t) != 0)
        ;
}

struct verdict enter(const char *function)
{
    struct verdict v = {.rv = CKR_OK};

    refresh();
    for (size_t i = 0; i < conf.n_rules; i++) {
        struct rule *r = &conf.rules[i];

        if (!applies(r, function))
            continue;
        switch (r->action) {
        case RV:
        case LATE_RV:
            v.instead = r->action == RV;
            v.after = r->action == LATE_RV;
            v.rv = r->value;
            break;
        case DELAY:
            wait_ms(r->value);
            break;
        case HANG:
            note(function, 0xdead);
            for (;;)
                pause();
        case CRASH:
            note(function, 0xdead);
            signal(SIGSEGV, SIG_DFL);
            raise(SIGSEGV);
            break;
        case FLIP:
            v.flip = true;
            break;
        case LOSE:
            v.lose = true;
            break;
        }
    }
    return v;
}
