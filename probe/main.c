/* SPDX-License-Identifier: Apache-2.0 */
/* pkienroll-probe: enroll and renew as a Windows client would, and judge the answers. */
#include "config.h"

#include <libxml/parser.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/secret.h"
#include "probe/state.h"

#define CLIENT_KEY_BITS 2048 /* what the client makes when the policy does not say */

static bool enroll(struct probe *p, enum probe_request request)
{
    p->request = request;
    if (!p->opt.skip_policy && !step_policy(p))
        return false;
    return step_request(p) && step_enroll(p) && (state_save(p) || !p->key);
}

/* A renewal asks for the policy only when told to: it needs nothing of it, and an automatic one has no
 * credential for it. */
static void renew(struct probe *p)
{
    p->request = PROBE_RENEWAL;
    if (p->opt.policy_given && p->opt.manual && !p->opt.skip_policy && !step_policy(p))
        return;
    step_renew(p);
}

static void run(struct probe *p)
{
    if (!step_client(p))
        return;
    switch (p->opt.command) {
    case PROBE_RENEW:
        renew(p);
        return;
    case PROBE_RECOVER:
        enroll(p, PROBE_RECOVERY);
        return;
    case PROBE_SOAK:
        if (p->opt.in || enroll(p, PROBE_ISSUE))
            step_soak(p);
        return;
    default:
        enroll(p, PROBE_ISSUE);
    }
}

/* The verdict is written last, so that it tells of the artefacts before it. */
static void save_verdict(struct probe *p)
{
    const char *failed = artefacts_failed(p->out);
    if (failed) {
        verdict_step(p->verdict, "artefacts", "Artefacts");
        verdict_check(p->verdict, false, "artefacts", "--out", "%s/%s could not be written", p->opt.out,
                      failed);
    }
    artefacts_write(p->out, "verdict.json", verdict_json(p->verdict));
    if (artefacts_failed(p->out) && !failed)
        verdict_check(p->verdict, false, "artefacts", "--out", "%s/verdict.json could not be written",
                      p->opt.out);
}

static void release(struct probe *p)
{
    probe_forget(p);
    X509_free(p->policy_ca);
    X509_free(p->client_cert);
    EVP_PKEY_free(p->client_key);
    pke_buf_done(&p->client_pem);
    state_done(&p->state);
    http_free(p->http);
    artefacts_close(p->out);
    verdict_free(p->verdict);
    pke_arena_free(p->arena);
    probe_options_done(&p->opt);
    xmlCleanupParser();
}

static bool same_folder(const char *a, const char *b)
{
    struct stat first, second;
    return a && stat(a, &first) == 0 && stat(b, &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}

/* Options, the earlier run, the artefact folder. Returns -1 to go on, or the exit status. */
static int prepare(struct probe *p, int argc, char **argv)
{
    struct pke_fail fail;
    int status = probe_options_parse(&p->opt, argc, argv);
    if (status >= 0)
        return status;
    if (p->opt.in && p->opt.command != PROBE_ENROLL && state_load(p, &fail) != PKE_OK)
        return probe_refuse(p->opt.in, fail.text);
    status = probe_options_validate(&p->opt);
    if (status >= 0)
        return status;
    if (artefacts_open(p->opt.out, same_folder(p->opt.in, p->opt.out), &p->out, &fail) != PKE_OK) {
        fprintf(stderr, "pkienroll-probe: --out %s\n", fail.text);
        return PROBE_USAGE;
    }
    return -1;
}

int main(int argc, char **argv)
{
    static const char *const commands[] = {"enroll", "renew", "recover", "soak"};
    struct probe p = {.key_bits = CLIENT_KEY_BITS};
    pke_secret_process();
    setlocale(LC_CTYPE, ""); /* only to know whether the terminal takes UTF-8 */
    p.arena = p.kept = pke_arena_new();
    probe_forget(&p);
    int status = prepare(&p, argc, argv);
    if (status < 0) {
        p.verdict = verdict_new(p.opt.json);
        verdict_command(p.verdict, commands[p.opt.command]);
        p.http = http_new(p.opt.ca_file, p.opt.timeout);
        run(&p);
        verdict_fact(p.verdict, "artefacts", artefacts_folder(p.out));
        save_verdict(&p);
        verdict_finish(p.verdict);
        status = verdict_status(p.verdict);
    }
    release(&p);
    return status;
}
