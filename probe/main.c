/* SPDX-License-Identifier: Apache-2.0 */
/* pkienroll-probe: enroll once as a Windows client would, and judge the answers. */
#include "config.h"

#include <libxml/parser.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "probe/run.h"

#define CLIENT_KEY_BITS 2048 /* what the client makes when the policy does not say */

static void run(struct probe *p)
{
    if (!p->opt.skip_policy && !step_policy(p))
        return;
    if (step_request(p))
        step_enroll(p);
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
    for (size_t i = 0; i < p->n_certs; i++)
        X509_free(p->certs[i].x509);
    X509_free(p->policy_ca);
    EVP_PKEY_free(p->key);
    EVP_PKEY_free(p->public_key);
    pke_buf_done(&p->csr);
    http_free(p->http);
    artefacts_close(p->out);
    verdict_free(p->verdict);
    pke_arena_free(p->arena);
    probe_options_done(&p->opt);
    xmlCleanupParser();
}

int main(int argc, char **argv)
{
    struct probe p = {.key_bits = CLIENT_KEY_BITS};
    struct pke_fail fail;
    setlocale(LC_CTYPE, ""); /* only to know whether the terminal takes UTF-8 */
    int status = probe_options_parse(&p.opt, argc, argv);
    if (status >= 0) {
        probe_options_done(&p.opt);
        return status;
    }
    if (artefacts_open(p.opt.out, &p.out, &fail) != PKE_OK) {
        fprintf(stderr, "pkienroll-probe: --out %s\n", fail.text);
        probe_options_done(&p.opt);
        return PROBE_USAGE;
    }
    p.arena = pke_arena_new();
    p.verdict = verdict_new(p.opt.json);
    p.http = http_new(p.opt.ca_file, p.opt.timeout);
    pke_buf_init(&p.csr, 64u << 10);
    run(&p);
    verdict_fact(p.verdict, "artefacts", artefacts_folder(p.out));
    save_verdict(&p);
    verdict_finish(p.verdict);
    status = verdict_status(p.verdict);
    release(&p);
    return status;
}
