/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control/openapi.h"

#include <string.h>

#include "base/mem.h"
#include "config.h"
#include "ipc/verbs.h"

static json_t *text_schema(unsigned min, unsigned max)
{
    return json_pack("{s:s, s:i, s:i}", "type", "string", "minLength", (int)min, "maxLength", (int)max);
}

static json_t *pattern_schema(const char *pattern)
{
    return json_pack("{s:s, s:s}", "type", "string", "pattern", pattern);
}

/* In a body a number is a text, as every other argument (request.c); in a query everything is. */
static json_t *schema_of(const struct verb_arg *a)
{
    switch (a->type) {
    case VERB_ARG_NAME:
        return pattern_schema("^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$");
    case VERB_ARG_TEXT:
        return text_schema(1, 256);
    case VERB_ARG_STATE:
        return pattern_schema("^[a-z]{1,32}$");
    case VERB_ARG_LIMIT:
    case VERB_ARG_COUNT:
        return pattern_schema("^[1-9][0-9]{0,8}$");
    case VERB_ARG_DURATION:
        return pattern_schema("^[0-9]+(ms|s|m|h|d)?$");
    case VERB_ARG_HANDLE:
        return pattern_schema("^[0-9a-f]{1,32}$");
    case VERB_ARG_FLAG:
        return json_pack("{s:s}", "type", "boolean");
    case VERB_ARG_CURSOR:
        return pattern_schema("^[!-~]{1,256}$");
    case VERB_ARG_FILE:
        return json_pack("{s:s, s:s, s:i}", "type", "string", "format", "byte", "maxLength",
                         (int)(VERB_FILE_MAX / 3 * 4 + 4));
    case VERB_ARG_JSON:
        return json_pack("{s:[{s:s}, {s:s, s:{}}]}", "oneOf", "type", "object", "type", "array", "items");
    case VERB_ARG_SECRET:
        return json_pack("{s:s, s:s, s:i}", "type", "string", "format", "password", "maxLength", 1024);
    }
    return json_object();
}

static json_t *parameters_of(const struct verb *v)
{
    json_t *list = json_array();

    for (const struct verb_arg *a = NULL; (a = verb_arg_next(v, a));)
        if (a->place != VERB_PLACE_BODY)
            json_array_append_new(list,
                                  json_pack("{s:s, s:s, s:b, s:s, s:o}", "name", a->name, "in",
                                            a->place == VERB_PLACE_PATH ? "path" : "query", "required",
                                            a->required, "description", a->help, "schema", schema_of(a)));
    if (verb_arg_find(v, VERB_PLACE_BODY, pke_bytes_str("idempotency_key")))
        json_array_append_new(list, json_pack("{s:s, s:s, s:b, s:s, s:{s:s}}", "name", "Idempotency-Key",
                                              "in", "header", "required", false, "description",
                                              "the same answer to the same key; or in the body", "schema",
                                              "type", "string"));
    return list;
}

/* NULL: it takes no body. */
static json_t *body_of(const struct verb *v)
{
    json_t *properties = json_object(), *required = json_array(), *schema;

    for (const struct verb_arg *a = NULL; (a = verb_arg_next(v, a));) {
        json_t *one;

        if (a->place != VERB_PLACE_BODY)
            continue;
        one = schema_of(a);
        json_object_set_new(one, "description", json_string(a->help));
        json_object_set_new(properties, a->name, one);
        if (a->required)
            json_array_append_new(required, json_string(a->name));
    }
    if (json_object_size(properties) == 0) {
        json_decref(properties);
        json_decref(required);
        return NULL;
    }
    schema = json_pack("{s:s, s:b, s:o}", "type", "object", "additionalProperties", false, "properties",
                       properties);
    if (json_array_size(required))
        json_object_set(schema, "required", required);
    schema = json_pack("{s:b, s:{s:{s:o}}}", "required", json_array_size(required) > 0, "content",
                       "application/json", "schema", schema);
    json_decref(required);
    return schema;
}

static json_t *reference(const char *name)
{
    PKE_CLEANUP(pke_free_p) char *text = pke_asprintf("#/components/%s", name);

    return json_pack("{s:s}", "$ref", text);
}

static json_t *answer_of(const struct verb *v)
{
    if (v->shape == VERB_SHAPE_TEXT)
        return json_pack("{s:s, s:{s:{s:{s:s}}}}", "description", v->help, "content", "text/plain", "schema",
                         "type", "string");
    return json_pack("{s:s, s:{s:{s:o}}}", "description", v->help, "content", "application/json", "schema",
                     v->shape == VERB_SHAPE_LIST ? reference("schemas/List")
                                                 : json_pack("{s:s}", "type", "object"));
}

static json_t *operation_of(const struct verb *v)
{
    json_t *body = body_of(v), *o;

    o = json_pack("{s:s, s:s, s:s, s:b, s:o, s:{s:o, s:o}}", "operationId", v->token, "summary", v->help,
                  "x-role", verb_role_name(v->role & ~(unsigned)VERB_ROLE_FRONTEND), "x-frontend",
                  (v->role & VERB_ROLE_FRONTEND) != 0, "parameters", parameters_of(v), "responses", "200",
                  answer_of(v), "default", reference("responses/Error"));
    if (body)
        json_object_set_new(o, "requestBody", body);
    return o;
}

static json_t *paths(void)
{
    json_t *all = json_object();

    for (size_t i = 0; i < VERB__MAX; i++) {
        const struct verb *v = &verbs[i];
        json_t *path = json_object_get(all, v->path);
        const char *method = strcmp(v->method, "GET") == 0    ? "get"
                             : strcmp(v->method, "POST") == 0 ? "post"
                                                              : "delete";

        if (!path) {
            path = json_object();
            json_object_set_new(all, v->path, path);
        }
        json_object_set_new(path, method, operation_of(v));
    }
    return all;
}

static json_t *components(void)
{
    json_t *text = json_pack("{s:s}", "type", "string");
    json_t *error = json_pack("{s:s, s:[s,s,s,s], s:{s:O, s:O, s:O, s:O, s:O}}", "type", "object", "required",
                              "code", "reason", "text", "trace_id", "properties", "code", text, "reason",
                              text, "rule", text, "text", text, "trace_id", text);
    json_t *list = json_pack("{s:s, s:[s,s], s:{s:{s:s, s:{s:s}}, s:{s:s, s:b, s:s}}}", "type", "object",
                             "required", "items", "next", "properties", "items", "type", "array", "items",
                             "type", "object", "next", "type", "string", "nullable", true, "description",
                             "cursor of the next page; null: this is the last");

    json_decref(text);
    return json_pack("{s:{s:o}, s:{s:{s:s, s:{s:{s:{s:s, s:[s], s:{s:o}}}}}}}", "schemas", "List", list,
                     "responses", "Error", "description", "Refused, or not possible now: doc/control-api.md",
                     "content", "application/json", "schema", "type", "object", "required", "error",
                     "properties", "error", error);
}

json_t *openapi_document(void)
{
    json_t *o =
        json_pack("{s:s, s:{s:s, s:s, s:s, s:{s:s}}, s:[{s:s, s:s}], s:o, s:o}", "openapi", "3.0.3", "info",
                  "title", "Control API of pkienrolld", "version", PACKAGE_VERSION, "description",
                  "HTTP/1.1 over a local stream socket; who asks is known by his user and groups. "
                  "x-role: the least role; x-frontend: open to frontends, for what is their tenants'.",
                  "license", "name", "Apache-2.0", "servers", "url", "http://localhost", "description",
                  "over the unix socket control-socket", "paths", paths(), "components", components());

    if (!o)
        pke_oom();
    return o;
}
