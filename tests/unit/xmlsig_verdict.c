/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What xmlsig/ says of signed documents: one line each for test_xmlsig_vectors.py. Usage: xmlsig_verdict NOW
 * FILE...; the first FILE must verify. All files are read first, then the kernel is told to kill this process
 * at the first open, socket, connect or exec: a verdict is proof that none was tried.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <openssl/evp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/encode.h"
#include "proto/wstep.h"
#include "xmlsig/xmlsig.h"

#define DENY(call) \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)

static void lock_down(void)
{
    static struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
#ifdef SYS_open
        DENY(SYS_open),
#endif
        DENY(SYS_openat),
        DENY(SYS_openat2),
        DENY(SYS_socket),
        DENY(SYS_connect),
        DENY(SYS_execve),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog prog = {sizeof code / sizeof *code, code};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) != 0) {
        perror("seccomp");
        exit(77);
    }
}

static struct pke_bytes read_file(const char *path, struct pke_arena *arena)
{
    FILE *f = fopen(path, "rb");
    char *p = pke_arena_alloc(arena, 1 << 20);
    size_t n = f ? fread(p, 1, 1 << 20, f) : 0;

    if (!f) {
        perror(path);
        exit(2);
    }
    fclose(f);
    return PKE_BYTES(p, n);
}

static void print_hash(struct pke_bytes b)
{
    uint8_t hash[32];
    char hex[65];

    EVP_Digest(b.p, b.n, hash, NULL, EVP_sha256(), NULL);
    pke_hex(PKE_BYTES(hash, sizeof hash), false, hex);
    printf(" %s", hex);
}

static bool verdict(struct xmlsig *x, struct pke_bytes document, int64_t now)
{
    static const struct xmlsig_rules rules = {.skew_seconds = XMLSIG_SKEW_SECONDS,
                                              .life_seconds = XMLSIG_LIFE_SECONDS};
    struct pke_arena *arena = pke_arena_new();
    struct xmlsig_result r;
    struct wstep_request rst = {.request = {NULL, 0}};
    struct pke_fail fail = {0};
    enum pke_err err = xmlsig_verify(x, document, now, &rules, arena, &r, &fail);

    if (err == PKE_OK && r.request.stage == SOAP_REQUEST_SECURITY_TOKEN)
        err = wstep_request_read(r.request.body, arena, &rst, &fail);
    if (err == PKE_OK) {
        printf("ok - %s", r.request.message_id ? r.request.message_id : "-");
        print_hash(r.certificate);
        print_hash(rst.request);
        print_hash(PKE_BYTES(r.digest, sizeof r.digest));
    } else {
        printf("%s %s", pke_err_token(err), fail.reason);
    }
    puts("");
    pke_arena_free(arena);
    return err == PKE_OK;
}

int main(int argc, char **argv)
{
    struct pke_arena *arena = pke_arena_new();
    struct xmlsig *x = xmlsig_new();
    struct pke_bytes *documents = pke_arena_alloc(arena, (size_t)argc * sizeof *documents);
    int64_t now = argc > 2 ? strtoll(argv[1], NULL, 10) : 0;

    if (argc < 3)
        return 2;
    for (int i = 2; i < argc; i++)
        documents[i] = read_file(argv[i], arena);
    if (!verdict(x, documents[2], now)) /* whatever the libraries open once, they have open now */
        _exit(1);
    lock_down();
    for (int i = 3; i < argc; i++)
        verdict(x, documents[i], now);
    fflush(stdout);
    _exit(0); /* the leak check of a sanitizer would open files */
}
