/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/import.h"

#include <errno.h>
#include <jansson.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/mem.h"
#include "ctl/client.h"
#include "ctl/records.h"
#include "ctl/show.h"
#include "ipc/wipealloc.h"

#define PIECE_BYTES (52u << 10) /* of JSON in one call; the daemon takes 64 KiB */
#define PIECE_MAX   200
#define DER_MAX     (32u << 10)
#define CALL_MS     120000

struct importer {
    const struct ctl_options *o;
    const char *folder; /* of the list: where files are looked for */
    json_t *piece;
    size_t bytes;
    unsigned lines[PIECE_MAX];
    json_int_t imported, present, refused;
    bool denied; /* a whole piece was */
};

static enum pke_err wrong(struct pke_fail *fail, const char *name, const char *why)
{
    return pke_fail_set(fail, PKE_CONFIG, "usage", "pkienrollctl(8)", "%s: %s", name, why);
}

/* DER, or the first block of PEM, as base64 of DER. */
static json_t *base64_of(struct pke_bytes raw)
{
    static const char begin[] = "-----BEGIN CERTIFICATE-----", end[] = "-----END";
    PKE_CLEANUP(pke_buf_done) struct pke_buf text = {0};
    const char *p = raw.n ? memmem(raw.p, raw.n, begin, sizeof begin - 1) : NULL;
    const char *stop;

    pke_buf_init(&text, 2 * DER_MAX);
    if (!p) {
        (void)pke_base64_encode(raw, PKE_B64_STRICT, &text);
        return json_stringn((const char *)text.p, text.n);
    }
    p += sizeof begin - 1;
    stop = memmem(p, (size_t)((const char *)raw.p + raw.n - p), end, sizeof end - 1);
    for (; stop && p < stop; p++)
        if (!strchr(" \t\r\n", *p))
            (void)pke_buf_add_u8(&text, (uint8_t)*p);
    return json_stringn(text.n ? (const char *)text.p : "", text.n);
}

/* Member "file" becomes "certificate"; PEM in "certificate" becomes DER. */
static enum pke_err take_file(const struct importer *im, json_t *record, struct pke_fail *fail)
{
    const char *name = json_string_value(json_object_get(record, "file"));
    const char *text = json_string_value(json_object_get(record, "certificate"));
    PKE_CLEANUP(pke_free_p) char *path = NULL;
    PKE_CLEANUP(pke_buf_done) struct pke_buf raw = {0};
    FILE *f;
    char piece[4096];
    size_t n;

    if (!name && text && strncmp(text, "-----", 5) == 0)
        json_object_set_new(record, "certificate", base64_of(pke_bytes_str(text)));
    if (!name)
        return PKE_OK;
    path = *name == '/' ? pke_strdup(name) : pke_asprintf("%s/%s", im->folder, name);
    f = fopen(path, "re");
    if (!f)
        return wrong(fail, path, strerror(errno));
    pke_buf_init(&raw, DER_MAX);
    while ((n = fread(piece, 1, sizeof piece, f)) > 0 && pke_buf_add(&raw, piece, n) == PKE_OK)
        ;
    fclose(f);
    if (raw.overflow)
        return wrong(fail, path, "too large for a certificate");
    json_object_del(record, "file");
    json_object_set_new(record, "certificate", base64_of(pke_buf_bytes(&raw)));
    return PKE_OK;
}

static json_t *body_of(const struct importer *im)
{
    static const char *const names[] = {"names", "tenant"};
    json_t *body = json_pack("{s:s, s:O}", "template", pke_pairs_get(&im->o->args, "template"),
                             "certificates", im->piece);

    for (size_t i = 0; i < PKE_LEN(names); i++)
        if (pke_pairs_get(&im->o->values, names[i]))
            json_object_set_new(body, names[i], json_string(pke_pairs_get(&im->o->values, names[i])));
    if (pke_pairs_get(&im->o->values, "dry_run"))
        json_object_set_new(body, "dry_run", json_true());
    return body;
}

static void tell_refusals(const struct importer *im, const json_t *refusals)
{
    const json_t *r;
    size_t i;

    json_array_foreach(refusals, i, r)
    {
        json_int_t index = json_integer_value(json_object_get(r, "index"));

        fprintf(stderr, "line %u: ", index >= 0 && index < PIECE_MAX ? im->lines[index] : 0);
        show_text(json_string_value(json_object_get(r, "text")), stderr);
        fputs(" (", stderr);
        show_text(json_string_value(json_object_get(r, "reason")), stderr);
        fputs(")\n", stderr);
    }
}

static void tell_progress(const struct importer *im, bool last)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr,
                "\r%" JSON_INTEGER_FORMAT " imported, %" JSON_INTEGER_FORMAT
                " there already, %" JSON_INTEGER_FORMAT " refused%s",
                im->imported, im->present, im->refused, last ? "\n" : "");
}

static void print_json(const struct importer *im, const json_t *j)
{
    json_dumpf(j, stdout, im->o->format == CTL_JSON ? JSON_INDENT(2) : JSON_COMPACT);
    fputc('\n', stdout);
}

static int take_answer(struct importer *im, const struct client_answer *a)
{
    if (a->status != 200) {
        im->denied = true;
        if (im->o->format != CTL_TEXT)
            print_json(im, a->json);
        show_error(a->json, a->status, stderr);
        return CTL_REFUSED;
    }
    im->imported += json_integer_value(json_object_get(a->json, "imported"));
    im->present += json_integer_value(json_object_get(a->json, "present"));
    im->refused += json_integer_value(json_object_get(a->json, "refused"));
    tell_refusals(im, json_object_get(a->json, "refusals"));
    tell_progress(im, false);
    return CTL_OK;
}

static int send_piece(struct importer *im)
{
    json_t *body = body_of(im);
    char *text = json_dumps(body, JSON_COMPACT);
    struct client_call call = {.socket = im->o->socket,
                               .method = im->o->verb->method,
                               .target = im->o->verb->path,
                               .body = pke_bytes_str(text ? text : ""),
                               .timeout_ms = im->o->timeout_ms ? im->o->timeout_ms : CALL_MS};
    struct client_answer a;
    int rc = CTL_OK;

    if (json_array_size(im->piece) > 0) {
        if (client_call(&call, &a) == CLIENT_UNREACHABLE) {
            fprintf(stderr, "pkienrollctl: %s; what was sent before is imported, the same command goes on\n",
                    a.why);
            rc = CTL_UNREACHABLE;
        } else {
            rc = take_answer(im, &a);
        }
        json_decref(a.json);
        free(a.text);
    }
    wipe_free(text);
    json_decref(body);
    json_array_clear(im->piece);
    im->bytes = 0;
    return rc;
}

/* Takes over @p record. */
static int add(struct importer *im, json_t *record, unsigned line)
{
    char *text = json_dumps(record, JSON_COMPACT);
    size_t n = text ? strlen(text) + 1 : 0;
    int rc = CTL_OK;

    wipe_free(text);
    if (im->bytes + n > PIECE_BYTES || json_array_size(im->piece) == PIECE_MAX)
        rc = send_piece(im);
    im->lines[json_array_size(im->piece)] = line;
    im->bytes += n;
    json_array_append_new(im->piece, record);
    return rc;
}

static int import_records(struct importer *im, struct records *r, struct pke_fail *fail)
{
    int rc = CTL_OK;
    json_t *record;

    while (rc == CTL_OK && (record = records_next(r, fail))) {
        if (take_file(im, record, fail) == PKE_OK) {
            rc = add(im, record, r->line);
            continue;
        }
        fprintf(stderr, "line %u: %s\n", r->line, fail->text);
        im->refused++;
        json_decref(record);
    }
    if (rc == CTL_OK)
        rc = send_piece(im);
    return rc;
}

static int finish(const struct importer *im, int rc)
{
    json_t *sums =
        json_pack("{s:b, s:I, s:I, s:I}", "dry_run", pke_pairs_get(&im->o->values, "dry_run") != NULL,
                  "imported", im->imported, "present", im->present, "refused", im->refused);

    tell_progress(im, true);
    if (im->denied && !im->imported && !im->present && !im->refused)
        ; /* the error says it all */
    else if (im->o->format == CTL_TEXT)
        show_object(sums, false, stdout);
    else
        print_json(im, sums);
    json_decref(sums);
    return rc == CTL_OK && im->refused ? CTL_REFUSED : rc;
}

int import_certificates(const struct ctl_options *o)
{
    const char *path = pke_pairs_get(&o->args, "certificates");
    PKE_CLEANUP(pke_free_p) char *copy = pke_strdup(path);
    struct importer im = {.o = o, .folder = dirname(copy), .piece = json_array()};
    struct pke_fail fail;
    struct records r;
    int rc;

    if (records_open(&r, path, &fail) != PKE_OK) {
        fprintf(stderr, "pkienrollctl: %s\n", fail.text);
        records_close(&r);
        json_decref(im.piece);
        return CTL_USAGE;
    }
    rc = import_records(&im, &r, &fail);
    if (rc == CTL_OK && ferror(r.in))
        pke_fail_set(&fail, PKE_CONFIG, "usage", "pkienrollctl(8)", "%s: %s", path, strerror(errno));
    if (rc == CTL_OK && fail.err != PKE_OK) {
        fprintf(stderr, "pkienrollctl: %s\n", fail.text);
        rc = CTL_USAGE;
    }
    records_close(&r);
    rc = finish(&im, rc);
    json_decref(im.piece);
    return rc;
}
