/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/mem.h"
#include "ledger/schema.h"
#include "ledger/writer.h"

/* A checkpoint that nobody found an idle moment for: 4 KiB pages, so the WAL ends at about 32 MiB. */
#define WAL_PAGES_MAX 8192

static const char *const statements[] = {
#define X(name, sql) sql,
    WRITER_STATEMENTS(X)
#undef X
};

/* Network file systems: WAL's shared memory does not work there and their locks cannot be trusted. */
static enum pke_err refuse_network(const char *dir, struct pke_fail *fail)
{
    static const uint32_t remote[] = {0x6969 /* NFS */,      0x517b /* SMB */,     0xff534d42 /* CIFS */,
                                      0xfe534d42 /* SMB2 */, 0x5346414f /* AFS */, 0x00c36400 /* Ceph */};
    struct statfs fs;

    if (statfs(dir, &fs) != 0)
        return pke_fail_set(fail, PKE_STORE_DOWN, "ledger-directory", STORE_RULE_DURABLE,
                            "the ledger's directory cannot be used: %s", strerror(errno));
    for (size_t i = 0; i < PKE_LEN(remote); i++)
        if ((uint32_t)fs.f_type == remote[i])
            return pke_fail_set(fail, PKE_CONFIG, "ledger-network", STORE_RULE_DURABLE,
                                "the ledger is on a network file system: it must be on a local disk");
    return PKE_OK;
}

/* The lock lives in a file of its own: a POSIX or flock lock on the database would meet SQLite's. */
static enum pke_err take_lock(struct ledger *l, const char *path, struct pke_fail *fail)
{
    PKE_CLEANUP(pke_free_p) char *lock = pke_asprintf("%s.lock", path);

    l->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
    if (l->lock_fd < 0)
        return pke_fail_set(fail, PKE_STORE_DOWN, "ledger-lock", "ledger single writer",
                            "the ledger's lock file cannot be opened: %s", strerror(errno));
    if (flock(l->lock_fd, LOCK_EX | LOCK_NB) != 0)
        return pke_fail_set(fail, PKE_STORE_DOWN, "ledger-locked", "ledger single writer",
                            "another process writes this ledger: only one may");
    return PKE_OK;
}

/*
 * Create with the right mode before SQLite does, or look at what is there. An existing file is never opened
 * here: closing any descriptor of it would drop the locks of every connection in this process.
 */
static enum pke_err prepare_file(const char *path, struct pke_fail *fail)
{
    struct stat st;
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0600);

    if (fd >= 0) {
        (void)close(fd);
        return PKE_OK;
    }
    if (errno != EEXIST || lstat(path, &st) != 0)
        return pke_fail_set(fail, PKE_STORE_DOWN, "ledger-file", STORE_RULE_DURABLE,
                            "the ledger cannot be created: %s", strerror(errno));
    if (!S_ISREG(st.st_mode) || (st.st_mode & 077) != 0)
        return pke_fail_set(fail, PKE_CONFIG, "ledger-file", STORE_RULE_DURABLE,
                            "the ledger must be a regular file that only its owner may read (mode 0600)");
    return PKE_OK;
}

/* The name of a new file must survive a power cut as its content does. */
static enum pke_err sync_directory(const char *dir, struct pke_fail *fail)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd >= 0 ? fsync(fd) : -1;

    if (fd >= 0)
        (void)close(fd);
    if (rc != 0)
        return pke_fail_set(fail, PKE_STORE_DOWN, "ledger-directory", STORE_RULE_DURABLE,
                            "the ledger's directory cannot be synced: %s", strerror(errno));
    return PKE_OK;
}

static int note_wal(void *arg, sqlite3 *db, const char *name, int pages)
{
    (void)db;
    (void)name;
    ((struct ledger *)arg)->wal_pages = pages;
    return SQLITE_OK;
}

static enum pke_err open_store(struct ledger *l, const char *path, struct pke_fail *fail)
{
    int64_t version = 0, node = 0;
    enum pke_err err = store_open(&l->store, path, SQLITE_OPEN_READWRITE, statements, WRITER_N, fail);

    if (err == PKE_OK)
        err = schema_version(&l->store, &version, fail);
    if (err == PKE_OK) /* asked for only now: a foreign file stays as it is */
        err = store_exec(&l->store,
                         "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0;"
                         "PRAGMA journal_size_limit=67108864",
                         fail);
    if (err == PKE_OK)
        err = store_expect(&l->store, "journal_mode", "wal", fail);
    if (err == PKE_OK)
        err = store_expect(&l->store, "quick_check(1)", "ok", fail);
    if (err == PKE_OK && version < LEDGER_SCHEMA)
        err = schema_upgrade(&l->store, version, fail);
    if (err == PKE_OK)
        err = meta_number(l, "node", &node, fail);
    if (err != PKE_OK)
        return err;
    l->node = (uint8_t)node;
    sqlite3_wal_hook(l->store.db, note_wal, l);
    return PKE_OK;
}

enum pke_err ledger_open(const char *path, struct ledger **ret, struct pke_fail *fail)
{
    PKE_CLEANUP(pke_free_p) char *copy = pke_strdup(path);
    const char *dir = dirname(copy);
    struct ledger *l = pke_calloc(1, sizeof *l);
    enum pke_err err;

    l->lock_fd = -1;
    err = refuse_network(dir, fail);
    if (err == PKE_OK)
        err = take_lock(l, path, fail);
    if (err == PKE_OK)
        err = prepare_file(path, fail);
    if (err == PKE_OK)
        err = open_store(l, path, fail);
    if (err == PKE_OK)
        err = sync_directory(dir, fail);
    if (err != PKE_OK) {
        ledger_close(l);
        return err;
    }
    *ret = l;
    return PKE_OK;
}

void ledger_close(struct ledger *l)
{
    if (!l)
        return;
    ledger_rollback(l);
    store_close(&l->store);
    if (l->lock_fd >= 0)
        (void)close(l->lock_fd);
    free(l);
}

bool ledger_broken(const struct ledger *l)
{
    return l->store.broken;
}

uint8_t ledger_node(const struct ledger *l)
{
    return l->node;
}

static enum pke_err run(struct ledger *l, enum writer_statement id, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, id);

    return query_run(&q, fail);
}

static enum pke_err refuse_broken(struct pke_fail *fail)
{
    return pke_fail_set(fail, PKE_STORE_DOWN, "ledger-broken", STORE_RULE_DURABLE,
                        "the ledger failed before: nothing more is recorded");
}

static enum pke_err misuse(struct pke_fail *fail, const char *what)
{
    return pke_fail_set(fail, PKE_INTERNAL, "ledger-group", "ledger groups", "%s", what);
}

static enum pke_err refuse_lost(struct pke_fail *fail)
{
    return pke_fail_set(fail, PKE_STORE_DOWN, "ledger-group-lost", STORE_RULE_DURABLE,
                        "the group was rolled back when one of its changes could not be written");
}

/* Did SQLite give up the transaction of the open group? */
static bool group_lost(struct ledger *l)
{
    if (sqlite3_get_autocommit(l->store.db))
        l->group_lost = true;
    return l->group_lost;
}

enum pke_err ledger_begin(struct ledger *l, struct pke_fail *fail)
{
    enum pke_err err;

    if (l->store.broken)
        return refuse_broken(fail);
    if (l->in_group)
        return misuse(fail, "a group of changes is open already");
    err = run(l, WRITER_BEGIN, fail);
    l->in_group = err == PKE_OK;
    l->group_lost = false;
    return err;
}

enum pke_err ledger_commit(struct ledger *l, struct pke_fail *fail)
{
    enum pke_err err;

    if (!l->in_group)
        return misuse(fail, "there is no group of changes to commit");
    if (l->store.broken)
        err = refuse_broken(fail);
    else if (group_lost(l))
        err = refuse_lost(fail);
    else
        err = run(l, WRITER_COMMIT, fail);
    if (err != PKE_OK) {
        ledger_rollback(l);
        return err;
    }
    l->in_group = false;
    if (l->wal_pages > WAL_PAGES_MAX)
        (void)ledger_checkpoint(l, NULL); /* the commit is durable whatever comes of this; broken latches */
    return PKE_OK;
}

void ledger_rollback(struct ledger *l)
{
    if (l->in_group && !sqlite3_get_autocommit(l->store.db))
        (void)run(l, WRITER_ROLLBACK, NULL);
    l->in_group = false;
    l->group_lost = false;
}

enum pke_err ledger_checkpoint(struct ledger *l, struct pke_fail *fail)
{
    int rc;

    if (l->store.broken)
        return refuse_broken(fail);
    if (l->in_group)
        return misuse(fail, "a checkpoint cannot run inside a group of changes");
    if (l->wal_pages == 0)
        return PKE_OK;
    rc = sqlite3_wal_checkpoint_v2(l->store.db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    if (rc != SQLITE_OK)
        return store_error(&l->store, rc, fail);
    l->wal_pages = 0;
    return PKE_OK;
}

enum pke_err change_begin(struct ledger *l, struct pke_fail *fail)
{
    if (l->store.broken)
        return refuse_broken(fail);
    if (!l->in_group)
        return misuse(fail, "a change outside a group of changes");
    if (group_lost(l)) /* a savepoint would open a transaction of its own, and its release commit it */
        return refuse_lost(fail);
    return run(l, WRITER_SAVE, fail);
}

enum pke_err change_end(struct ledger *l, enum pke_err err, struct pke_fail *fail)
{
    if (group_lost(l)) { /* by a full disk or an I/O error: there is no savepoint any more */
        return err != PKE_OK ? err : store_error(&l->store, SQLITE_FULL, fail);
    }
    if (err != PKE_OK && run(l, WRITER_UNDO, NULL) != PKE_OK)
        l->group_lost = true;
    if (run(l, WRITER_RELEASE, err == PKE_OK ? fail : NULL) != PKE_OK) {
        l->group_lost = true;
        return err != PKE_OK ? err : PKE_STORE_DOWN;
    }
    return err;
}

enum pke_err meta_number(struct ledger *l, const char *name, int64_t *ret, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_GET_META);

    query_text(&q, name);
    if (!query_row(&q)) {
        enum pke_err err = query_result(&q, fail);

        return err != PKE_OK ? err : store_error(&l->store, SQLITE_CORRUPT, fail);
    }
    *ret = query_col_int(&q, 0);
    return PKE_OK;
}

enum pke_err ledger_wall_clock(struct ledger *l, int64_t *ret, struct pke_fail *fail)
{
    return meta_number(l, "wall-clock", ret, fail);
}

enum pke_err clock_raise(struct ledger *l, int64_t at, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_RAISE_CLOCK);

    query_int(&q, at);
    return query_run(&q, fail);
}

enum pke_err ledger_clock(struct ledger *l, int64_t at, struct pke_fail *fail)
{
    enum pke_err err = change_begin(l, fail);

    return err == PKE_OK ? change_end(l, clock_raise(l, at, fail), fail) : err;
}
