/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates with every extension and every kind of names, within the bounds of fuzz_floor(). */
#include "tests/fuzz/tbs_seeds.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "ca/cert.h"

#define FROM  1793491200 /* FUZZ_NOW */
#define UNTIL (FROM + 86400)

static char client_auth[] = "1.3.6.1.5.5.7.3.2", policy[] = "1.3.6.1.4.1.99999.1";
static char *eku_list[] = {client_auth}, *policy_list[] = {policy};
static const struct pke_strings ekus = {eku_list, 1}, policies = {policy_list, 1};

/* A key on P-256: the generator of the curve. */
static const uint8_t spki[] = "\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce"
                              "\x3d\x03\x01\x07\x03\x42\x00\x04"
                              "\x6b\x17\xd1\xf2\xe1\x2c\x42\x47\xf8\xbc\xe6\xe5\x63\xa4\x40\xf2\x77\x03\x7d"
                              "\x81\x2d\xeb\x33\xa0\xf4\xa1\x39"
                              "\x45\xd8\x98\xc2\x96\x4f\xe3\x42\xe2\xfe\x1a\x7f\x9b\x8e\xe7\xeb\x4a\x7c\x0f"
                              "\x9e\x16\x2b\xce\x33\x57\x6b\x31"
                              "\x5e\xce\xcb\xb6\x40\x68\x37\xbf\x51\xf5";

static void must(bool good)
{
    if (!good)
        abort();
}

struct ca_issuer *tbs_seeds_ca(void)
{
    const char *top = getenv("top_srcdir");
    char path[4096], pem[8192];
    struct ca_issuer *ca;
    size_t n;
    FILE *f;

    snprintf(path, sizeof path, "%s/tests/data/cert/ica.pem", top ? top : ".");
    must((f = fopen(path, "re")));
    n = fread(pem, 1, sizeof pem, f);
    fclose(f);
    must(ca_issuer_load_unanchored(PKE_BYTES(pem, n), CA_SCHEME_DEFAULT, &ca, NULL) == PKE_OK);
    return ca;
}

static void write_one(const struct ca_issuer *ca, const struct ca_profile_spec *spec,
                      const struct pke_pairs *subject, const struct pke_pairs *san, const char *sid,
                      const char *path)
{
    struct ca_cert_spec cert = {.serial = {1, 0x80, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
                                .subject = subject,
                                .san = san,
                                .sid = sid,
                                .not_before = FROM,
                                .not_after = UNTIL,
                                .spki = PKE_BYTES(spki, sizeof spki - 1)};
    struct ca_profile *profile;
    struct pke_buf tbs;
    FILE *f;

    pke_buf_init(&tbs, CA_TBS_MAX);
    must(ca_profile_new(ca, spec, &profile, NULL) == PKE_OK);
    must(ca_tbs_build(ca, profile, &cert, &tbs, NULL) == PKE_OK);
    must((f = fopen(path, "we")) && fwrite(tbs.p, 1, tbs.n, f) == tbs.n);
    fclose(f);
    ca_profile_free(profile);
    pke_buf_done(&tbs);
}

void tbs_seeds_write(const char *folder)
{
    static struct pke_pair rdns[] = {{"DC", "example"}, {"C", "DE"},   {"O", "Corp"},
                                     {"OU", "IT"},      {"CN", "ada"}, {"serialNumber", "4711"},
                                     {"UID", "ada"}},
                           names[] = {
                               {"dns", "pc.corp.example"},  {"email", "ada@corp.example"},
                               {"uri", "urn:x:1"},          {"uri", PKE_SID_URI_PREFIX "S-1-5-21-1-2-3-1104"},
                               {"upn", "ada@corp.example"}, {"guid", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"}};
    const struct pke_pairs subject = {rdns, PKE_LEN(rdns)}, san = {names, PKE_LEN(names)}, none = {NULL, 0},
                           cn = {rdns + 4, 1};
    const struct ca_profile_spec full = {.ekus = &ekus,
                                         .key_usage = 0xf8,
                                         .application_policies = &ekus,
                                         .policies = &policies,
                                         .cps_uri = "http://corp.example/cps",
                                         .template_oid = "1.3.6.1.4.1.99999.2",
                                         .template_major = 100,
                                         .template_minor = 3},
                                 named = {.ekus = &ekus, .key_usage = 0x80, .template_name = "WindowsMDM"};
    struct ca_issuer *ca = tbs_seeds_ca();
    char path[4096];
    const struct {
        const struct ca_profile_spec *spec;
        const struct pke_pairs *subject, *san;
        const char *sid;
    } seeds[] = {{&full, &subject, &san, "S-1-5-21-1-2-3-1104"},
                 {&named, &none, &san, NULL},
                 {&named, &cn, &none, NULL}};

    for (size_t i = 0; i < PKE_LEN(seeds); i++) {
        snprintf(path, sizeof path, "%s/full-%zu", folder, i);
        write_one(ca, seeds[i].spec, seeds[i].subject, seeds[i].san, seeds[i].sid, path);
    }
    ca_issuer_free(ca);
}
