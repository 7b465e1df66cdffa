/* SPDX-License-Identifier: Apache-2.0 */
/* Write the seeds that are made rather than kept: the HTTP vectors, one message with a field of every type,
 * requests of the control API, user files, the record of an assertion. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/common/assertion.h"
#include "tests/fuzz/crl_seeds.h"
#include "tests/fuzz/ipc_sample.h"
#include "tests/fuzz/jws_sample.h"
#include "tests/fuzz/tbs_seeds.h"
#include "tests/unit/http_vectors.h"

static bool put(FILE *f, struct pke_bytes b)
{
    return b.n == 0 || fwrite(b.p, 1, b.n, f) == b.n;
}

static void save(const char *folder, size_t number, struct pke_bytes prefix, struct pke_bytes content)
{
    char path[4096];
    FILE *f;

    snprintf(path, sizeof path, "%s/%03zu", folder, number);
    f = fopen(path, "wb");
    if (!f || !put(f, prefix) || !put(f, content) || fclose(f) != 0) {
        perror(path);
        exit(1);
    }
}

static void write_http(const char *folder)
{
    static const char step[] = "\x06"; /* pieces of seven bytes */

    for (size_t i = 0; i < sizeof http_vectors / sizeof *http_vectors; i++)
        save(folder, i, PKE_BYTES(step, 1), PKE_BYTES(http_vectors[i].bytes, http_vectors[i].n));
}

static void write_ipc(const char *folder)
{
    struct pke_arena *arena = pke_arena_new();
    struct ipc_sample s = {.number = 7, .text = "text", .blob = PKE_BYTES("\x30\x00", 2)};
    struct pke_buf payload, frame;

    pke_buf_init(&payload, IPC_MAX_CONTROL);
    pke_buf_init(&frame, IPC_MAX_CONTROL);
    pke_fail_set(&s.fail, PKE_POLICY, "reason", "rule", "sentence");
    pke_pairs_add(&s.pairs, arena, "name", "value");
    pke_blobs_add(&s.blobs, arena, s.blob);
    pke_blobs_add(&s.blobs, arena, PKE_BYTES("abc", 3));
    if (ipc_record_write(ipc_sample_fields, &s, &payload) != PKE_OK ||
        ipc_frame_write(&frame, 1, 1, false, pke_buf_bytes(&payload)) != PKE_OK ||
        ipc_frame_write(&frame, 2, 2, true, PKE_BYTES(payload.p, 14)) != PKE_OK)
        abort();
    save(folder, 0, PKE_BYTES("", 0), pke_buf_bytes(&frame));
    save(folder, 1, PKE_BYTES("", 0), PKE_BYTES(frame.p, frame.n - 1));
    pke_buf_done(&payload);
    pke_buf_done(&frame);
    pke_arena_free(arena);
}

static void write_assertion(const char *folder)
{
    static const uint8_t key[ASSERTION_KEY_SIZE], hash[32];
    struct pke_arena *arena = pke_arena_new();
    struct assertion a = {.tenant = "",
                          .principal = "ada@corp.example",
                          .user_id = "5d9a1b2c-0000-4000-8000-000000000001",
                          .kind = "username",
                          .stage = "enroll",
                          .endpoint = "main",
                          .expires = UINT64_MAX};
    struct pke_buf out;

    pke_pairs_add(&a.attributes, arena, "upn", "ada@corp.example");
    a.request_hash = PKE_BYTES(hash, sizeof hash);
    pke_buf_init(&out, 4096);
    if (assertion_write(&a, PKE_BYTES(key, sizeof key), &out) != PKE_OK)
        abort();
    save(folder, 0, PKE_BYTES("", 0), PKE_BYTES(out.p + 4, out.n - 36)); /* without magic and MAC */
    pke_buf_done(&out);
    pke_arena_free(arena);
}

static void write_texts(const char *folder, const char *const *texts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        save(folder, i, PKE_BYTES("", 0), pke_bytes_str(texts[i]));
}

static void write_control(const char *folder)
{
    static const char *const requests[] = {
        "GET\n/v1/status\n\n",
        "POST\n/v1/reload\n\n{}",
        "GET\n/v1/certificates\nlimit=7&principal=a%2Bb+c%40d&state=issued\n",
        "GET\n/v1/certificates/AA%3ABB\n\n",
        "GET\n/v1/issuers/%2e%2e%2fx\n\n",
        "POST\n/v1/keys/issuing/test\n\n",
        "POST\n/v1/users\n\n{\"name\":\"a@b\",\"password\":\"p\\u00e4ss\"}",
        "DELETE\n/v1/users/a%40b\n\n",
        "POST\n/v1/tokens\n\n{\"user\":\"a@b\",\"type\":\"full\",\"lifetime\":\"90d\",\"tenant\":\"t\"}",
        "POST\n/v1/tokens\n\n{\"user\":\"a@b\",\"count\":\"2\"}",
        "DELETE\n/v1/tokens/00ff\n\n",
        "GET\n/v1/tokens\nuser=a&cursor=x&limit=500\n",
    };

    write_texts(folder, requests, sizeof requests / sizeof *requests);
}

#define HASH "$y$j9T$k1S0J0Ej1J9xkqnmBYBIw/$7M1J1Q0XcXGZ8Jm3fOe5T2aW4K0Vp9mOqv6dZl3YyC9"

static void write_userfile(const char *folder)
{
    static const char *const files[] = {
        "# users\n\nada@corp.example:" HASH "\nbob:" HASH ":upn=bob@corp.example,display-name=Bob\n",
        "a:" HASH "\nB:" HASH "\nc:" HASH ":x=y",
        "a:" HASH "\nA:" HASH "\n",
        "a:*\n",
    };

    write_texts(folder, files, sizeof files / sizeof *files);
}

static void write_jws(const char *folder)
{
    static const char *const inputs[] = {
        JWS_SAMPLE_TOKEN,
        JWS_SAMPLE_TOKEN "=",
        "eyJhbGciOiJub25lIiwia2lkIjoiazEifQ.e30.",
        "eyJhbGciOiJIUzI1NiIsImtpZCI6ImsxIn0.e30.AAAA",
        "eyJhbGciOiJFZERTQSIsImNyaXQiOlsiYjY0Il19.e30.AAAA",
        JWS_SAMPLE_KEYS,
        JWS_SAMPLE_PAYLOAD,
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
        "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\",\"alg\":\"ES256\"},{\"kty\":\"oct\"}]}",
        "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\",\"key_ops\":[\"verify\"]}]}",
        "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
        "-----END PUBLIC KEY-----\n",
        "{\"iss\":\"i\",\"aud\":\"a\",\"nbf\":1800000000,\"exp\":1800000500.5}",
    };

    write_texts(folder, inputs, sizeof inputs / sizeof *inputs);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *target;
        void (*write)(const char *folder);
    } writers[] = {{"http", write_http},           {"ipc", write_ipc},
                   {"control", write_control},     {"userfile", write_userfile},
                   {"assertion", write_assertion}, {"jws", write_jws},
                   {"tbs", tbs_seeds_write},       {"crl", crl_seeds_write}};

    for (size_t i = 0; argc == 3 && i < sizeof writers / sizeof *writers; i++)
        if (strcmp(argv[1], writers[i].target) == 0) {
            writers[i].write(argv[2]);
            return 0;
        }
    return 2;
}
