/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lint and the check before release say of certificates: one line each for test_lint.py. Usage:
 * lint_verdict base|full|agent|constrained CA.pem GOOD.der FILE..., or lint_verdict rules. The names are
 * those that tests/data/cert/generate.py writes, key and serial are those of GOOD.der. "agent" is the full
 * profile of a template with an application policy that is none of its extended key usages, "constrained" the
 * full one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "base/names.h"
#include "ca/lint.h"
#include "ca/release.h"
#include "ca/tbs.h"

#define START 1793491200 /* 2026-11-01 00:00:00 UTC */
#define END   1825027200 /* 2027-11-01 */

static char client_auth[] = "1.3.6.1.5.5.7.3.2", enroller[] = "1.3.6.1.4.1.311.20.2.1",
            smart_card[] = "1.3.6.1.4.1.311.20.2.2", policy1[] = "1.3.6.1.4.1.99999.1",
            policy2[] = "1.3.6.1.4.1.99999.2", crl_a[] = "http://pki.example/a.crl",
            crl_b[] = "http://pki.example/b.crl", cer[] = "http://pki.example/a.cer";
static char *usages[] = {client_auth, smart_card}, *policies[] = {policy1, policy2}, *crls[] = {crl_a, crl_b},
            *cers[] = {cer}, *agents[] = {enroller};
static const struct pke_strings one_usage = {usages, 1}, two_usages = {usages, 2},
                                two_policies = {policies, 2}, two_crls = {crls, 2}, one_cer = {cers, 1},
                                agent = {agents, 1};

static const struct ca_profile_spec base_profile = {.ekus = &one_usage, .key_usage = 0xa0};
static const struct ca_profile_spec full_profile = {.ekus = &two_usages,
                                                    .key_usage = 0xa0,
                                                    .application_policies = &one_usage,
                                                    .policies = &two_policies,
                                                    .cps_uri = "https://pki.example/cps",
                                                    .crl_urls = &two_crls,
                                                    .ca_issuers_urls = &one_cer,
                                                    .template_name = "Ger\xc3\xa4t",
                                                    .template_oid = "1.3.6.1.4.1.311.21.8.1.2.3",
                                                    .template_major = 100,
                                                    .template_minor = 1};

static struct pke_pair base_subject[] = {{PKE_RDN_CN, "dev-1"}},
                       base_san[] = {{PKE_SAN_URI, "urn:uuid:4d5c8f46-6a4f-4d63-8a4f-0f8ec1a2b3c4"}};
static struct pke_pair full_subject[] = {
    {PKE_RDN_C, "DE"},       {PKE_RDN_ST, "Berlin"},          {PKE_RDN_L, "Berlin"},   {PKE_RDN_O, "Corp"},
    {PKE_RDN_OU, "Devices"}, {PKE_RDN_OU, "Field"},           {PKE_RDN_DC, "example"}, {PKE_RDN_DC, "com"},
    {PKE_RDN_UID, "ada"},    {PKE_RDN_SERIAL_NUMBER, "SN-1"}, {PKE_RDN_CN, "dev-1"}};
static struct pke_pair full_san[] = {
    {PKE_SAN_DNS, "dev-1.example.com"},
    {PKE_SAN_EMAIL, "ada@example.com"},
    {PKE_SAN_UPN, "ada@example.com"},
    {PKE_SAN_URI, PKE_SID_URI_PREFIX "S-1-5-21-1-2-3-1105"},
    {PKE_SAN_GUID, "03020100-0504-0706-0809-0a0b0c0d0e0f"},
};
static const struct pke_pairs base_subjects = {base_subject, PKE_LEN(base_subject)},
                              base_sans = {base_san, PKE_LEN(base_san)},
                              full_subjects = {full_subject, PKE_LEN(full_subject)},
                              full_sans = {full_san, PKE_LEN(full_san)};

static struct pke_bytes read_file(const char *path, struct pke_arena *arena)
{
    FILE *f = fopen(path, "rb");
    uint8_t *p = pke_arena_alloc(arena, 65536);
    size_t n = f ? fread(p, 1, 65536, f) : 0;

    if (!f) {
        perror(path);
        exit(2);
    }
    fclose(f);
    return PKE_BYTES(p, n);
}

/* The first element inside the outer SEQUENCE, by a reader of lengths that knows no DER: what the TBS is, is
 * lint's to say. */
static struct pke_bytes tbs_of(struct pke_bytes certificate)
{
    size_t at = 4, n;

    if (certificate.n < 8 || certificate.p[0] != 0x30 || certificate.p[1] != 0x82 || certificate.p[5] != 0x82)
        return PKE_BYTES(NULL, 0); /* each is longer than 255 octets, and shorter than 65536 */
    n = 4 + ((size_t)certificate.p[at + 2] << 8 | certificate.p[at + 3]);
    return n <= certificate.n - at ? PKE_BYTES(certificate.p + at, n) : PKE_BYTES(NULL, 0);
}

static void verdict(const struct ca_issuer *ca, const char *kind, const struct ca_tbs *good,
                    struct pke_bytes certificate)
{
    bool full = strcmp(kind, "base") != 0;
    struct ca_profile_spec profile = full ? full_profile : base_profile;
    struct pke_bytes tbs = tbs_of(certificate);
    struct ca_lint_decision decision = {.subject = full ? &full_subjects : &base_subjects,
                                        .san = full ? &full_sans : &base_sans,
                                        .sid = full ? "S-1-5-21-1-2-3-1105" : NULL,
                                        .not_before = START,
                                        .not_after = END,
                                        .spki = good->spki,
                                        .serial = good->serial};
    const struct ca_lint_context context = {ca, &profile, 366 * 86400, &decision, START};
    uint8_t digest[CA_LINT_DIGEST] = {0};
    struct pke_fail fail = {0};

    if (strcmp(kind, "agent") == 0)
        profile.application_policies = &agent;
    if (tbs.n && ca_lint(tbs, &context, digest, &fail) != PKE_OK)
        printf("%s\n", fail.reason);
    else
        puts(ca_release_check(ca, digest, certificate, &fail) == PKE_OK ? "ok" : fail.reason);
}

static int list_rules(void)
{
    for (const struct ca_lint_rule *r = ca_lint_rules; r->name; r++)
        printf("%s\t%s\n", r->name, r->clause);
    return 0;
}

int main(int argc, char **argv)
{
    struct pke_arena *arena;
    struct ca_issuer *ca = NULL;
    struct pke_fail fail;
    struct ca_tbs good;

    if (argc == 2 && strcmp(argv[1], "rules") == 0)
        return list_rules();
    if (argc < 5)
        return 2;
    arena = pke_arena_new();
    if (ca_issuer_load_unanchored(read_file(argv[2], arena), CA_SCHEME_DEFAULT, &ca, &fail) != PKE_OK ||
        ca_tbs_decode(tbs_of(read_file(argv[3], arena)), &good, &fail) != PKE_OK) {
        fprintf(stderr, "%s\n", fail.text);
        return 2;
    }
    for (int i = 4; i < argc; i++)
        verdict(ca, argv[1], &good, read_file(argv[i], arena));
    ca_issuer_free(ca);
    pke_arena_free(arena);
    return 0;
}
