/* SPDX-License-Identifier: Apache-2.0 */
#include "keytool/options.h"

#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/option.h"
#include "config.h"
#include "keytool/tool.h"

const struct tool_command tool_commands[] = {
    {"init-token", TOOL_INIT_TOKEN, tool_init_token, "make a token or TPM ready for keys"},
    {"generate", TOOL_GENERATE, tool_generate,
     "make a key pair inside the device: it cannot leave, sign only"},
    {"import-key", TOOL_IMPORT_KEY, tool_import_key,
     "put a key that was made elsewhere into a PKCS#11 token, which says so for ever"},
    {"show", TOOL_SHOW, tool_show, "print algorithm and attributes of a key"},
    {"check", TOOL_CHECK, tool_check, "is the key fit for use, and does it belong to the certificate?"},
    {"self-sign", TOOL_SELF_SIGN, tool_self_sign, "make the self-signed certificate of a root CA"},
    {"csr", TOOL_CSR, tool_csr, "make the certificate request of a CA below another"},
    {"issuer-csr", TOOL_ISSUER_CSR, tool_issuer_csr, "the same for a CA that has a certificate: rollover"},
    {"cross-sign", TOOL_CROSS_SIGN, tool_cross_sign,
     "sign the certificate of another CA, or of the next key"},
    {"import-cert", TOOL_IMPORT_CERT, tool_import_cert,
     "check the certificate that came back and put it in place"},
    {"attest", TOOL_ATTEST, tool_attest, "prove that the key lives in this TPM"},
    {"attest-verify", TOOL_ATTEST_VERIFY, tool_attest_verify, "check such a proof, without a TPM"},
    {"change-auth", TOOL_CHANGE_AUTH, tool_change_auth,
     "change the PIN of the token or the auth value of the key"},
    {NULL, 0, NULL, NULL},
};

#define N_COMMANDS (PKE_LEN(tool_commands) - 1)

#define EVERY  0x1fffu
#define DEVICE (EVERY & ~(unsigned)TOOL_ATTEST_VERIFY)
#define KEYED  (DEVICE & ~(unsigned)TOOL_INIT_TOKEN)
#define WRITERS \
    (TOOL_SELF_SIGN | TOOL_CSR | TOOL_ISSUER_CSR | TOOL_CROSS_SIGN | TOOL_IMPORT_CERT | TOOL_ATTEST)
#define SIGNERS (TOOL_SELF_SIGN | TOOL_CROSS_SIGN)

enum kind { STRING, SWITCH, NUMBER, NAME };

static const struct pke_enum_name backends[] = {{"pkcs11", KS_PKCS11}, {"tpm2", KS_TPM2}, {NULL, 0}};
static const struct pke_enum_name sessions[] = {
    {"salted", KS_TPM_SALTED}, {"password", KS_TPM_PASSWORD}, {NULL, 0}};
static const struct pke_enum_name signatures[] = {{"default", KS_SIGNATURE_DEFAULT},
                                                  {"rsa-pss", KS_SIGNATURE_RSA_PSS},
                                                  {"ed25519", KS_SIGNATURE_ED25519},
                                                  {NULL, 0}};
static const struct pke_enum_name logins[] = {
    {"pin", KS_LOGIN_PIN}, {"protected", KS_LOGIN_PROTECTED}, {"none", KS_LOGIN_NONE}, {NULL, 0}};
static const struct pke_enum_name hierarchies[] = {
    {"endorsement", TOOL_AK_ENDORSEMENT}, {"owner", TOOL_AK_OWNER}, {NULL, 0}};

#define AT_STRING(f)           STRING, PKE_FIELD(const char *, struct tool_options, f), 0, 0, NULL
#define AT_SWITCH(f)           SWITCH, PKE_FIELD(bool, struct tool_options, f), 0, 0, NULL
#define AT_NUMBER(f, min, max) NUMBER, PKE_FIELD(long, struct tool_options, f), min, max, NULL
/* An enumeration is as wide as an int, but of another type. */
#define AT_NAME(f, names) NAME, offsetof(struct tool_options, f), 0, 0, names

static const struct row {
    const char *name, *arg; /* arg NULL: none */
    unsigned in, need;      /* commands */
    enum kind kind;
    size_t offset;
    long min, max;
    const struct pke_enum_name *names;
    const char *help;
} rows[] = {
    {"backend", "NAME", DEVICE, 0, AT_NAME(config.backend, backends),
     "pkcs11 or tpm2 (default: as the URI says)"},
    {"module", "PATH", DEVICE, 0, AT_STRING(config.module), "PKCS#11 module, absolute path"},
    {"tcti", "NAME", DEVICE, 0, AT_STRING(config.tcti),
     "TPM: device:/dev/tpmrm0 (default), unix:/PATH, tabrmd:CONF"},
    {"session", "KIND", DEVICE, 0, AT_NAME(config.session, sessions), "TPM: salted (default) or password"},
    {"signature", "KIND", KEYED, 0, AT_NAME(config.signature, signatures), "default, rsa-pss or ed25519"},
    {"uri", "URI", KEYED, KEYED, AT_STRING(config.uri),
     "pkcs11:token=...;object=..., tpm2:file=/PATH or tpm2:handle=0x81......"},
    {"login", "KIND", KEYED, 0, AT_NAME(config.login, logins), "PKCS#11: pin (default), protected or none"},
    {"pin-file", "FILE", DEVICE, 0, AT_STRING(pin_file),
     "file with the PIN or auth value, mode 0600 or 0400"},
    {"pin-credential", "NAME", DEVICE, 0, AT_STRING(pin_credential),
     "the same from $CREDENTIALS_DIRECTORY/NAME"},
    {"allow-weak", NULL, KEYED, 0, AT_SWITCH(config.allow_weak), "do not fail for weak key attributes"},
    {"transcript", "FILE", EVERY, 0, AT_STRING(transcript), "append what was done to FILE"},
    {"json", NULL, TOOL_SHOW | TOOL_CHECK | TOOL_ATTEST_VERIFY, 0, AT_SWITCH(json), "print JSON"},
    {"label", "TEXT", TOOL_INIT_TOKEN, 0, AT_STRING(label),
     "PKCS#11: name of the new token, at most 32 octets"},
    {"serial", "TEXT", TOOL_INIT_TOKEN, 0, AT_STRING(serial), "PKCS#11: the token with this serial number"},
    {"so-pin-file", "FILE", TOOL_INIT_TOKEN, 0, AT_STRING(so_pin_file),
     "PKCS#11: file with the security officer's PIN"},
    {"algorithm", "ALG", TOOL_GENERATE, TOOL_GENERATE, AT_STRING(algorithm),
     "rsa-2048, rsa-3072, rsa-4096, p256, p384 or ed25519"},
    {"in", "FILE", TOOL_IMPORT_KEY, TOOL_IMPORT_KEY, AT_STRING(in), "PEM file of the private key"},
    {"creation", "FILE", TOOL_GENERATE | TOOL_ATTEST, 0, AT_STRING(creation),
     "TPM: what attest needs to prove that the key was made there"},
    {"subject", "DN", SIGNERS | TOOL_CSR, TOOL_SELF_SIGN | TOOL_CSR, AT_STRING(subject),
     "'CN=Lab Root,O=Example' (RFC 4514)"},
    {"days", "N", SIGNERS, 0, AT_NUMBER(days, 1, 36500), "validity, 1 to 36500 (default 3650)"},
    {"path-len", "N", SIGNERS | TOOL_CSR, 0, AT_NUMBER(path_len, 0, 16), "path length constraint, 0 to 16"},
    {"name-constraints", "TEXT", TOOL_CROSS_SIGN, 0, AT_STRING(constraints),
     "'permitted;DNS:corp.example,excluded;...' (x509v3_config)"},
    {"issuer", "FILE", TOOL_CROSS_SIGN, TOOL_CROSS_SIGN, AT_STRING(issuer),
     "PEM certificate of the signing CA"},
    {"csr", "FILE", TOOL_CROSS_SIGN, 0, AT_STRING(csr), "PEM certificate request of the other CA"},
    {"certificate", "FILE",
     TOOL_CHECK | TOOL_ISSUER_CSR | TOOL_CROSS_SIGN | TOOL_IMPORT_CERT | TOOL_ATTEST_VERIFY,
     TOOL_CHECK | TOOL_ISSUER_CSR | TOOL_IMPORT_CERT | TOOL_ATTEST_VERIFY, AT_STRING(certificate),
     "PEM certificate of the CA"},
    {"root", "FILE", TOOL_IMPORT_CERT, 0, AT_STRING(root), "PEM certificates the chain must end in"},
    {"store", NULL, TOOL_IMPORT_CERT, 0, AT_SWITCH(store), "PKCS#11: put it into the token, too"},
    {"nonce", "HEX", TOOL_ATTEST | TOOL_ATTEST_VERIFY, TOOL_ATTEST | TOOL_ATTEST_VERIFY, AT_STRING(nonce),
     "the verifier's challenge, 8 to 32 octets"},
    {"ak-hierarchy", "NAME", TOOL_ATTEST, 0, AT_NAME(ak_hierarchy, hierarchies),
     "endorsement (default) or owner"},
    {"bundle", "FILE", TOOL_ATTEST_VERIFY, TOOL_ATTEST_VERIFY, AT_STRING(bundle), "what attest wrote"},
    {"ak", "HEX", TOOL_ATTEST_VERIFY, TOOL_ATTEST_VERIFY, AT_STRING(ak),
     "fingerprint of the attestation key, as attest printed it"},
    {"new-pin-file", "FILE", TOOL_CHANGE_AUTH, TOOL_CHANGE_AUTH, AT_STRING(new_pin_file),
     "file with the new one"},
    {"out", "FILE", WRITERS, WRITERS, AT_STRING(out), "where the result goes"},
    {"force", NULL, WRITERS, 0, AT_SWITCH(force), "replace FILE when it exists"},
};

#define N_ROWS PKE_LEN(rows)

static const char *given[N_ROWS]; /* value of each option of the command line; "" for a switch */

static void print_option(const struct row *r)
{
    printf("  --%s%s%s%*s %s\n", r->name, r->arg ? " " : "", r->arg ? r->arg : "",
           (int)(24 - strlen(r->name) - (r->arg ? strlen(r->arg) + 1 : 0)), "", r->help);
}

static int help_command(const struct tool_command *c)
{
    printf("Usage: pkienroll-keytool %s OPTION ...\n\n%s\n\nNeeded:\n", c->name, c->help);
    for (size_t i = 0; i < N_ROWS; i++) {
        if (rows[i].need & c->bit)
            print_option(&rows[i]);
    }
    puts("Also:");
    for (size_t i = 0; i < N_ROWS; i++) {
        if ((rows[i].in & c->bit) && !(rows[i].need & c->bit))
            print_option(&rows[i]);
    }
    return TOOL_OK;
}

static int help(void)
{
    puts("Usage: pkienroll-keytool COMMAND OPTION ...\n"
         "\n"
         "Make, certify and check CA keys inside a TPM 2.0 or a PKCS#11 token, offline.\n"
         "\n"
         "Commands (COMMAND --help says which options it needs):");
    for (size_t i = 0; i < N_COMMANDS; i++)
        printf("  %-14s %s\n", tool_commands[i].name, tool_commands[i].help);
    puts("\nOptions:");
    for (size_t i = 0; i < N_ROWS; i++)
        print_option(&rows[i]);
    puts("  --help                     this text, or that of the command\n"
         "  --version                  version of the program\n"
         "\n"
         "Exit status: 0 done, 1 refused or a check failed, 2 wrong usage.");
    return TOOL_OK;
}

static bool parse_number(const char *text, long min, long max, long *ret)
{
    char *end;

    errno = 0;
    *ret = strtol(text, &end, 10);
    return errno == 0 && text[0] >= '0' && text[0] <= '9' && *end == '\0' && *ret >= min && *ret <= max;
}

static bool parse_name(const struct pke_enum_name *names, const char *text, int *ret)
{
    for (; names->name; names++) {
        if (strcmp(names->name, text) == 0) {
            *ret = names->value;
            return true;
        }
    }
    return false;
}

static bool set_option(struct tool_options *o, size_t row, const char *value)
{
    const struct row *r = &rows[row];
    void *field = (char *)o + r->offset;

    if (given[row])
        return false;
    given[row] = value ? value : "";
    switch (r->kind) {
    case STRING:
        o->tpm_given |= r->offset == offsetof(struct tool_options, config.tcti);
        *(const char **)field = value;
        return value[0] != '\0';
    case SWITCH:
        *(bool *)field = true;
        return true;
    case NUMBER:
        return parse_number(value, r->min, r->max, field);
    case NAME:
        o->backend_given |= r->names == backends;
        o->tpm_given |= r->names == sessions;
        return parse_name(r->names, value, field);
    }
    return false;
}

void tool_given(void (*each)(const char *name, const char *value, void *arg), void *arg)
{
    for (size_t i = 0; i < N_ROWS; i++) {
        if (given[i])
            each(rows[i].name, given[i], arg);
    }
}

static int version(void)
{
    return puts("pkienroll-keytool " PACKAGE_VERSION) < 0;
}

/* Status to end with, or -1 to go on. */
static int read_options(int argc, char **argv, struct tool_options *o, const struct tool_command *command)
{
    struct option longs[N_ROWS + 3] = {{0}};
    int c, index = 0;

    for (size_t i = 0; i < N_ROWS; i++)
        longs[i] = (struct option){rows[i].name, rows[i].arg ? required_argument : no_argument, NULL, 256};
    longs[N_ROWS] = (struct option){"help", no_argument, NULL, 257};
    longs[N_ROWS + 1] = (struct option){"version", no_argument, NULL, 258};
    while ((c = getopt_long(argc, argv, "", longs, &index)) != -1) {
        if (c == 257)
            return help_command(command);
        if (c == 258)
            return version();
        if (c != 256)
            return TOOL_USAGE; /* getopt_long has said it */
        if (!(rows[index].in & command->bit))
            return tool_usage("--%s does not belong to %s", rows[index].name, command->name);
        if (given[index])
            return tool_usage("--%s is given twice", rows[index].name);
        if (!set_option(o, (size_t)index, optarg))
            return tool_usage("--%s: \"%s\" is not a value of it: %s", rows[index].name, optarg,
                              rows[index].help);
    }
    if (optind < argc)
        return tool_usage("unexpected argument \"%s\"", argv[optind]);
    for (size_t i = 0; i < N_ROWS; i++) {
        if ((rows[i].need & command->bit) && !given[i])
            return tool_usage("%s needs --%s", command->name, rows[i].name);
    }
    return -1;
}

bool tool_parse(int argc, char **argv, struct tool_options *o, const struct tool_command **command, int *rc)
{
    const char *name = argc > 1 ? argv[1] : "";
    const struct tool_command *c = tool_commands;

    *o = (struct tool_options){.config.backend = KS_PKCS11, .path_len = -1};
    optind = 2;
    if (strcmp(name, "attest") == 0 && argc > 2 && strcmp(argv[2], "verify") == 0) {
        name = "attest-verify";
        optind = 3;
    }
    while (c->name && strcmp(c->name, name) != 0)
        c++;
    *command = c;
    if (strcmp(name, "--help") == 0)
        *rc = help();
    else if (strcmp(name, "--version") == 0)
        *rc = version();
    else if (!c->name)
        *rc = tool_usage("%s", argc < 2 ? "a command is needed" : "unknown command");
    else
        *rc = read_options(argc, argv, o, c);
    return *rc == -1;
}
