/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The catalogue of ContextItems (MS-MDE2 3.4.4.1.1.1): how each is spelled, whether it may repeat, the form
 * of its value. Clients vary: a value of another form is kept as it was sent and marked where people see it.
 * Every value is the client's claim. Pure functions without XML.
 */
#ifndef PROTO_CONTEXT_ITEM_H
#define PROTO_CONTEXT_ITEM_H

#include <stdbool.h>

enum context_type {
    CONTEXT_TEXT,       /* anything */
    CONTEXT_BOOL,       /* true or false in any letter case */
    CONTEXT_INTEGER,    /* decimal digits: OSEdition, IMEI */
    CONTEXT_VERSION,    /* decimal numbers and dots (pke_version_parse) */
    CONTEXT_GUID,       /* with or without braces */
    CONTEXT_HEX,        /* pairs of hexadecimal digits */
    CONTEXT_BASE64,     /* white space allowed */
    CONTEXT_MAC,        /* six pairs with dashes or colons; or empty, as some clients send it */
    CONTEXT_HINT,       /* key:value */
    CONTEXT_CORRELATOR, /* 1 to 100 letters and digits, single hyphens between them */
    CONTEXT_HRESULT,    /* 0x and up to eight digits, or a decimal number that may be negative */
};

struct context_item {
    const char *name; /* documented spelling */
    enum context_type type;
    bool repeats; /* all of them count; of others the first */
    bool guarded; /* to be shown by its digest only: a blob for somebody else */
};

/** The item called @p name in any letter case (PlugAndForget is PlugandForget); NULL for a name that is in no
 * document. */
const struct context_item *context_item_find(const char *name);

/** Has @p value the form of the type? */
bool context_value_fits(enum context_type type, const char *value);

/** "text", "bool", "integer", "version", ... */
const char *context_type_name(enum context_type type);

#endif
