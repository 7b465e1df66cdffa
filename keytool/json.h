/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The report as one JSON object: {"command", facts ..., "checks": [{"name", "ok", "text"}], "error", "ok"}.
 */
#ifndef KEYTOOL_JSON_H
#define KEYTOOL_JSON_H

#include <stdio.h>

#include "base/bytes.h"

struct tool_json {
    struct pke_buf facts, checks, error;
};

void tool_json_begin(struct tool_json *j, const char *command);
void tool_json_fact(struct tool_json *j, const char *name, const char *text);
void tool_json_verdict(struct tool_json *j, bool ok, const char *what, const char *text);
void tool_json_error(struct tool_json *j, const struct pke_fail *fail);
void tool_json_print(struct tool_json *j, int rc, FILE *out);
void tool_json_done(struct tool_json *j);

#endif
