/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/password.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/mem.h"

#define PASSWORD_MAX 1024
#define RULE         "pkienrollctl: password"

static volatile sig_atomic_t caught;

static void on_signal(int sig)
{
    caught = sig;
}

/* One line without its newline, byte by byte so that nothing behind it is taken. False at error or when too
 * long. */
static bool read_line(int fd, char *line, size_t *n)
{
    for (*n = 0; *n < PASSWORD_MAX;) {
        ssize_t got = read(fd, line + *n, 1);
        if (got < 0)
            return false;
        if (got == 0 || line[*n] == '\n')
            return *n > 0 || got > 0;
        (*n)++;
    }
    return false;
}

static const int terminal_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};

/* Ask with the echo off; whatever ends the question, the terminal gets its echo back first. */
static bool ask(int tty, const char *prompt, char *line, size_t *n)
{
    struct sigaction act = {.sa_handler = on_signal}, saved[PKE_LEN(terminal_signals)];
    struct termios before, quiet;
    bool ok;

    if (tcgetattr(tty, &before) != 0)
        return false;
    for (size_t i = 0; i < PKE_LEN(terminal_signals); i++)
        sigaction(terminal_signals[i], &act, &saved[i]);
    quiet = before;
    quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
    quiet.c_lflag |= ICANON | ISIG;
    tcsetattr(tty, TCSAFLUSH, &quiet);
    ok = write(tty, prompt, strlen(prompt)) >= 0 && read_line(tty, line, n);
    tcsetattr(tty, TCSAFLUSH, &before);
    ok = write(tty, "\n", 1) == 1 && ok;
    for (size_t i = 0; i < PKE_LEN(terminal_signals); i++)
        sigaction(terminal_signals[i], &saved[i], NULL);
    if (caught)
        raise(caught);
    return ok && !caught;
}

static enum pke_err from_terminal(struct pke_secret **ret, struct pke_fail *fail)
{
    char first[PASSWORD_MAX], second[PASSWORD_MAX];
    size_t n = 0, m = 0;
    int tty = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    enum pke_err err = PKE_OK;

    if (tty < 0)
        return pke_fail_set(fail, PKE_CONFIG, "ctl-no-terminal", RULE,
                            "no terminal to ask on: give --password-file FILE, or - for standard input");
    if (!ask(tty, "Password: ", first, &n) || !ask(tty, "Again: ", second, &m))
        err = pke_fail_set(fail, PKE_CONFIG, "ctl-password", RULE, "no password was given");
    else if (!pke_bytes_eq_secret(PKE_BYTES(first, n), PKE_BYTES(second, m)))
        err = pke_fail_set(fail, PKE_CONFIG, "ctl-password", RULE, "the two passwords differ");
    else
        *ret = pke_secret_new(PKE_BYTES(first, n));
    explicit_bzero(first, sizeof first);
    explicit_bzero(second, sizeof second);
    close(tty);
    return err;
}

static enum pke_err from_stdin(struct pke_secret **ret, struct pke_fail *fail)
{
    char line[PASSWORD_MAX];
    size_t n = 0;
    bool ok = read_line(STDIN_FILENO, line, &n);

    if (ok)
        *ret = pke_secret_new(PKE_BYTES(line, n));
    explicit_bzero(line, sizeof line);
    return ok ? PKE_OK
              : pke_fail_set(fail, PKE_CONFIG, "ctl-password", RULE,
                             "standard input has no line of 1 to %d bytes", PASSWORD_MAX - 1);
}

enum pke_err password_get(const char *file, struct pke_secret **ret, struct pke_fail *fail)
{
    *ret = NULL;
    if (!file)
        return from_terminal(ret, fail);
    if (!strcmp(file, "-"))
        return from_stdin(ret, fail);
    return pke_secret_read_file(file, PASSWORD_MAX - 1, ret, fail);
}
