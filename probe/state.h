/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * What a run leaves for the next: certificate, key and chain as PEM, the device id, and the file "state", a
 * line "NAME VALUE" for each of the other things that a renewal needs. The files are replaced only when the
 * new certificate is there, so a refused renewal leaves the device as it was.
 */
#ifndef PROBE_STATE_H
#define PROBE_STATE_H

#include "probe/run.h"

/**
 * Read the folder p->opt.in into p->state, p->device_id and those options that the command line leaves open.
 * Blocks on disk.
 * @return PKE_OK, or PKE_STORE_DOWN naming the file that is missing or wrong.
 */
enum pke_err state_load(struct probe *p, struct pke_fail *fail);

/** Keep p->leaf with p->key, in the artefact folder and in p->state. False when that is no usable pair. */
bool state_save(struct probe *p);

void state_done(struct probe_state *state);

/** Name of the file for a new key or request: that of a renewal or recovery must not replace the present one.
 */
const char *state_file(const struct probe *p, const char *name);

#endif
