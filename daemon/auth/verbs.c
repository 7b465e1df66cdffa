/* SPDX-License-Identifier: Apache-2.0 */
/* The user verbs. They run in the one auth process that writes the user file, one after another. */
#include <crypt.h>
#include <inttypes.h>
#include <jansson.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/encode.h"
#include "base/mem.h"
#include "base/option.h"
#include "daemon/auth/core_impl.h"
#include "daemon/auth/jsonout.h"
#include "daemon/common/log.h"

#define LIST_DEFAULT 100
#define LIST_MAX     500
#define LIST_BYTES   (48u << 10) /* a reply must fit IPC_MAX_CONTROL with its frame */

static enum pke_err refused(struct pke_fail *fail, enum pke_err err, const char *reason, const char *text)
{
    return pke_fail_set(fail, err, reason, "pkienrolld.conf(5) user-file", "%s", text);
}

static json_t *user_json(const struct user *u)
{
    json_t *attributes = json_object(), *user;

    for (size_t i = 0; i < u->attributes.n; i++)
        json_object_set_new(attributes, u->attributes.v[i].name, json_string(u->attributes.v[i].value));
    user = json_pack("{s:s, s:o}", "name", u->name, "attributes", attributes);
    if (!user)
        pke_oom(); /* every text was checked to be UTF-8 */
    return user;
}

static enum pke_err put_json(json_t *object, struct pke_buf *out)
{
    auth_json_write(object, out);
    json_decref(object);
    return out->overflow ? PKE_LIMIT : PKE_OK;
}

/* Store and read back through the same path as every other change of the file. */
static enum pke_err replace_file(struct auth_core *core, struct auth_users *users, const struct pke_buf *text,
                                 struct pke_fail *fail)
{
    enum pke_err err;

    if (text->overflow)
        return refused(fail, PKE_LIMIT, "user-file-full", "the user file is full");
    err = userfile_store(users->path, pke_buf_bytes(text), fail);
    return err == PKE_OK ? auth_users_of(core, users->tenant, &users, fail) : err;
}

/* "attribute" -> "NAME=VALUE", as often as there are attributes. */
static enum pke_err read_attributes(const struct pke_pairs *args, struct user *user, struct pke_arena *arena,
                                    struct pke_fail *fail)
{
    for (size_t i = 0; i < args->n; i++) {
        char *name, *value;

        if (strcmp(args->v[i].name, "attribute") != 0)
            continue;
        name = pke_arena_strdup(arena, args->v[i].value);
        value = strchr(name, '=');
        if (!value)
            return refused(fail, PKE_MALFORMED, "user-attribute", "an attribute is NAME=VALUE");
        *value++ = '\0';
        if (!userfile_attribute_valid(name, value) || pke_pairs_get(&user->attributes, name))
            return refused(
                fail, PKE_MALFORMED, "user-attribute",
                "an attribute name is lower-case letters, digits and dashes, once; a value has no comma");
        pke_pairs_add(&user->attributes, arena, name, value);
    }
    return PKE_OK;
}

/* The name can be given to somebody else one day; what the old one enrolled must not come with it. */
static enum pke_err draw_id(struct user *user, struct pke_arena *arena, struct pke_fail *fail)
{
    uint8_t raw[16];
    char *id = pke_arena_alloc(arena, PKE_UUID_LEN + 1);

    if (pke_pairs_get(&user->attributes, "id"))
        return refused(fail, PKE_MALFORMED, "user-attribute", "the attribute id is drawn, not given");
    if (RAND_bytes(raw, sizeof raw) != 1)
        pke_oom();
    pke_uuid_format(raw, id);
    pke_pairs_add(&user->attributes, arena, "id", id);
    return PKE_OK;
}

static enum pke_err check_new_user(const struct auth_users *users, const struct msg_verb *m,
                                   const struct user *user, struct pke_fail *fail)
{
    if (!user->name || !userfile_name_valid(user->name))
        return refused(fail, PKE_MALFORMED, "user-name",
                       "a user name is 1 to 320 bytes of UTF-8 without colon, comma and control characters");
    if (!password_valid(m->secret))
        return refused(fail, PKE_MALFORMED, "user-password",
                       "a password is 1 to 511 bytes of UTF-8 without control characters");
    if (userfile_find(users->file, user->name))
        return refused(fail, PKE_EXISTS, "user-exists", "there is a user of that name");
    return PKE_OK;
}

static enum pke_err add_user(struct auth_core *core, struct auth_users *users, const struct msg_verb *m,
                             struct pke_buf *json, struct pke_arena *arena, struct pke_fail *fail)
{
    struct user user = {.name = pke_pairs_get(&m->args, "name")};
    char hash[CRYPT_OUTPUT_SIZE];
    struct pke_buf text;
    enum pke_err err = check_new_user(users, m, &user, fail);

    if (err == PKE_OK)
        err = read_attributes(&m->args, &user, arena, fail);
    if (err == PKE_OK)
        err = draw_id(&user, arena, fail);
    if (err != PKE_OK)
        return err;
    if (!password_hash(m->secret, hash, sizeof hash))
        return refused(fail, PKE_INTERNAL, "yescrypt", "the password cannot be hashed");
    user.hash = hash;
    pke_buf_init(&text, USERFILE_MAX_BYTES);
    userfile_text_add(users->file, &user, &text);
    err = replace_file(core, users, &text, fail);
    pke_buf_wipe(&text);
    if (err != PKE_OK)
        return err;
    log_event(LOG_NOTICE, "user added", "tenant", users->tenant, "user", user.name, "actor", m->actor, NULL);
    return put_json(user_json(&user), json);
}

static enum pke_err remove_user(struct auth_core *core, struct auth_users *users, const struct msg_verb *m,
                                struct pke_buf *json, struct pke_fail *fail)
{
    const char *name = pke_pairs_get(&m->args, "name");
    const struct user *user = name ? userfile_find(users->file, name) : NULL;
    struct pke_buf text;
    json_t *gone;
    enum pke_err err;

    if (!user)
        return refused(fail, PKE_NOT_FOUND, "user-unknown", "there is no user of that name");
    gone = user_json(user);
    pke_buf_init(&text, USERFILE_MAX_BYTES);
    userfile_text_remove(users->file, user, &text);
    err = replace_file(core, users, &text, fail); /* user is gone from here on */
    pke_buf_wipe(&text);
    if (err != PKE_OK) {
        json_decref(gone);
        return err;
    }
    log_event(LOG_NOTICE, "user removed", "tenant", users->tenant, "user", name, "actor", m->actor, NULL);
    return put_json(gone, json);
}

static enum pke_err read_limit(const struct msg_verb *m, size_t *limit, struct pke_fail *fail)
{
    const char *text = pke_pairs_get(&m->args, "limit");
    unsigned long n;
    char *end;

    *limit = LIST_DEFAULT;
    if (!text || !*text)
        return PKE_OK;
    n = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || n == 0)
        return refused(fail, PKE_MALFORMED, "list-limit", "limit is a whole number above 0");
    *limit = n < LIST_MAX ? n : LIST_MAX;
    return PKE_OK;
}

/* A page begins behind the name that the cursor is; it may have been removed meanwhile. */
static size_t first_after(const struct userfile *users, const char *cursor)
{
    size_t lo = 0, hi = userfile_count(users);

    while (cursor && *cursor && lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (strcasecmp(userfile_at(users, mid)->name, cursor) <= 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static enum pke_err list_users(const struct userfile *users, const struct msg_verb *m, struct pke_buf *json,
                               struct pke_fail *fail)
{
    size_t limit, bytes = 0, i = first_after(users, pke_pairs_get(&m->args, "cursor"));
    json_t *items, *next = json_null();
    enum pke_err err = read_limit(m, &limit, fail);

    if (err != PKE_OK)
        return err;
    items = json_array();
    for (; i < userfile_count(users); i++) {
        const struct user *u = userfile_at(users, i);
        json_t *user = user_json(u);
        size_t size = json_dumpb(user, NULL, 0, JSON_COMPACT);

        if (json_array_size(items) == limit || (bytes + size > LIST_BYTES && json_array_size(items))) {
            next = json_string(userfile_at(users, i - 1)->name);
            json_decref(user);
            break;
        }
        bytes += size + 1;
        json_array_append_new(items, user);
    }
    return put_json(json_pack("{s:o, s:o}", "items", items, "next", next), json);
}

enum pke_err auth_core_verb(struct auth_core *core, const struct msg_verb *m, struct pke_buf *json,
                            struct pke_fail *fail)
{
    const char *tenant = pke_pairs_get(&m->args, "tenant");
    struct auth_users *users;
    struct pke_arena *arena;
    enum pke_err err;

    if (!core->writer)
        return pke_fail_set(fail, PKE_UNSUPPORTED, "auth-writer", "architecture: processes",
                            "another process writes the user file");
    if (!tenant && !(tenant = conf_only_tenant(core->conf)))
        return refused(fail, PKE_MALFORMED, "tenant-needed", "there are several tenants: say which one");
    err = auth_users_of(core, tenant, &users, fail);
    if (err != PKE_OK)
        return err;
    arena = pke_arena_new();
    if (strcmp(m->verb, "user-add") == 0)
        err = add_user(core, users, m, json, arena, fail);
    else if (strcmp(m->verb, "user-remove") == 0)
        err = remove_user(core, users, m, json, fail);
    else if (strcmp(m->verb, "user-list") == 0)
        err = list_users(users->file, m, json, fail);
    else
        err = pke_fail_set(fail, PKE_UNSUPPORTED, "verb", "control API", "auth does not know this verb");
    pke_arena_free(arena);
    return err;
}
