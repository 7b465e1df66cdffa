/* SPDX-License-Identifier: Apache-2.0 */
/* pkienrolld: command line, configuration check, dispatch to a role. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config.h"
#include "daemon/common/log.h"
#include "daemon/common/process.h"
#include "daemon/common/role.h"
#include "daemon/main/options.h"
#include "daemon/main/supervisor.h"

/* sysexits: what the unit's RestartPreventExitStatus= lists */
#define EXIT_USAGE  64
#define EXIT_CONFIG 78

static int run_role(const struct options *o)
{
    process_harden(1);
    switch (o->role) {
    case ROLE_NET:
        return role_net(o->index);
    case ROLE_CONTROL:
        return role_control(o->index);
    case ROLE_AUTH:
        return role_auth(o->index);
    case ROLE_ISSUER:
        return role_issuer(o->index);
    case ROLE_KEY:
        return role_key(o->index, o->name);
    default:
        return EXIT_USAGE;
    }
}

static int print_buffer(enum pke_err err, struct pke_buf *b)
{
    if (err == PKE_OK)
        fputs(pke_buf_cstr(b), stdout);
    pke_buf_done(b);
    return err == PKE_OK ? 0 : 70;
}

static int with_config(const struct options *o)
{
    struct conf_errors errors = {0};
    struct conf *conf = NULL;
    struct pke_buf text, out;
    enum pke_err err;
    int code = 0;

    pke_buf_init(&text, CONF_MAX_BYTES);
    err = conf_load(o->config, &text, &conf, &errors);
    if (err == PKE_OK)
        err = conf_check_files(conf, &errors);
    if (err == PKE_OK)
        err = fragments_check(conf, &errors);
    if (err == PKE_OK)
        err = keyuris_check(conf, &errors);
    if (err == PKE_OK && o->mode == MODE_CHECK) /* at the start the issuer does it */
        err = templates_check(conf, &errors);
    if (err != PKE_OK) {
        fputs(pke_buf_cstr(&errors.text), stderr);
        code = EXIT_CONFIG;
    } else if (o->mode == MODE_CHECK) {
        printf("%s: ok, generation %s\n", o->config, conf->generation_hex);
    } else if (o->mode == MODE_DUMP) {
        pke_buf_init(&out, 4 * CONF_MAX_BYTES);
        code = print_buffer(conf_dump(conf, &out), &out);
    } else {
        code = supervisor_run(o, conf, &text);
        conf = NULL;
    }
    conf_unref(conf);
    pke_buf_done(&text);
    conf_errors_done(&errors);
    return code;
}

int main(int argc, char **argv)
{
    struct options o;
    struct pke_buf out;

    options_parse(argc, argv, &o);
    log_level(o.log_level);
    switch (o.mode) {
    case MODE_ROLE:
        return run_role(&o);
    case MODE_VERSION:
        printf("pkienrolld %s\n", PACKAGE_VERSION);
        return 0;
    case MODE_HELP:
        options_help();
        return 0;
    case MODE_USAGE:
        fputs("try 'pkienrolld --help'\n", stderr);
        return EXIT_USAGE;
    case MODE_SCHEMA:
        pke_buf_init(&out, 4 * CONF_MAX_BYTES);
        return print_buffer(conf_dump_schema(&out), &out);
    default:
        process_harden(0);
        log_identity("main");
        return with_config(&o);
    }
}
