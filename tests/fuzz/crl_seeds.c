/* SPDX-License-Identifier: Apache-2.0 */
/* Revocation lists of every shape that the floor lets through. */
#include "tests/fuzz/crl_seeds.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "ca/crl.h"
#include "tests/fuzz/tbs_seeds.h"

#define NOW INT64_C(1793491200) /* FUZZ_NOW */
#define DAY 86400

static void write_one(const struct ca_issuer *ca, const struct ca_crl_spec *spec, const char *folder, int i)
{
    struct pke_buf tbs;
    char path[4096];
    FILE *f;

    snprintf(path, sizeof path, "%s/crl-%d", folder, i);
    pke_buf_init(&tbs, CA_CRL_MAX);
    if (ca_crl_build(ca, spec, &tbs, NULL) != PKE_OK || !(f = fopen(path, "we")) ||
        fwrite(tbs.p, 1, tbs.n, f) != tbs.n)
        abort();
    fclose(f);
    pke_buf_done(&tbs);
}

void crl_seeds_write(const char *folder)
{
    static char url[] = "http://pki.example/ca-delta.crl", *list[] = {url};
    static const struct pke_strings urls = {list, 1};
    struct ca_issuer *ca = tbs_seeds_ca();
    struct ca_crl_spec spec = {.number = 5, .this_update = NOW - 300, .next_update = NOW + 7 * DAY};
    struct pke_buf entries;

    write_one(ca, &spec, folder, 0);
    spec.delta_urls = &urls;
    write_one(ca, &spec, folder, 1);
    pke_buf_init(&entries, 4096);
    ca_crl_entry_add(&entries, PKE_BYTES("\x05", 1), NOW - 60, 1);
    ca_crl_entry_add(&entries, PKE_BYTES("\x80\x01", 2), NOW - DAY, 0);
    ca_crl_entry_add(&entries, PKE_BYTES("\x41\x02\x03\x04\x05\x06\x07\x08", 8), INT64_C(2600000000), 6);
    spec.entries = pke_buf_bytes(&entries);
    write_one(ca, &spec, folder, 2);
    ca_crl_entry_add(&entries, PKE_BYTES("\x41\x02\x03\x04\x05\x06\x07\x09", 8), NOW, CA_REASON_REMOVE);
    spec.entries = pke_buf_bytes(&entries);
    spec.base = 300;
    spec.number = INT64_MAX;
    write_one(ca, &spec, folder, 3);
    pke_buf_done(&entries);
    ca_issuer_free(ca);
}
