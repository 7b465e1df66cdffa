/* SPDX-License-Identifier: Apache-2.0 */
/** @file Records of a file: JSON lines, or CSV (RFC 4180) whose head has the names. */
#ifndef CTL_RECORDS_H
#define CTL_RECORDS_H

#include <jansson.h>
#include <stdio.h>

#include "base/bytes.h"

struct records {
    FILE *in;
    bool csv;
    json_t *head;  /* of CSV: names */
    unsigned line; /* of the record that was read last */
};

/** What it is, is seen from its first byte. PKE_CONFIG with a sentence. */
enum pke_err records_open(struct records *r, const char *path, struct pke_fail *fail);
void records_close(struct records *r);

/** The next one, an object of texts (one owner), without empty members; NULL at the end or with *fail. */
json_t *records_next(struct records *r, struct pke_fail *fail);

#endif
