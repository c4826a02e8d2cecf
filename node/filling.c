/* A device that was here before and comes back empty (a disk that was replaced, or its stores lost)
 * took part in writes that it no longer knows of. If it said "there is nothing", it and a replica
 * that missed such a write would be a majority for what was before. So it takes writes, but has no
 * say in anything that depends on what it does not know, until replicate.c finds that it has all
 * that so many others have that nothing it had acknowledged can be missing.
 *
 * That it was here before, known/NAME in the state folder tells: the device's uuid, and whether it
 * was filled. A device without one is new, and nothing is missed. */
#include "node/node.h"

#include "lib/base/hex.h"
#include "lib/base/ts.h"
#include "lib/log/log.h"
#include "node/secrets.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AHEAD_TICKS (60 * TS_PER_SECOND) /* no clock may be further ahead */
#define UUID_TEXT   33

static void record_path(const struct node_device *d, char ret_path[PATH_MAX])
{
	snprintf(ret_path, PATH_MAX, "%s/known/%s", d->node->conf.state_dir, d->name);
}

/* Beside the stores: where the log is a block device of its own, they may be lost alone. */
static void marker_path(const struct node_device *d, char ret_path[PATH_MAX])
{
	snprintf(ret_path, PATH_MAX, "%s/uuid", d->path);
}

static void uuid_text(const struct node_device *d, char ret_text[UUID_TEXT])
{
	hex_encode(device_uuid(d->device), 16, ret_text);
}

static enum err save(const struct node_device *d, bool filling)
{
	char path[PATH_MAX], uuid[UUID_TEXT], text[64];

	uuid_text(d, uuid);
	int len = snprintf(text, sizeof(text), "%s %s\n", uuid, filling ? "filling" : "filled");
	record_path(d, path);
	return file_save(path, text, (size_t)len);
}

static enum err save_marker(const struct node_device *d)
{
	char path[PATH_MAX], uuid[UUID_TEXT];

	uuid_text(d, uuid);
	marker_path(d, path);
	return file_save(path, uuid, sizeof(uuid) - 1);
}

/* ERR_NOT_FOUND: there is none. */
static enum err holds(const char *path, const char *uuid, bool *ret_same, bool *ret_filling)
{
	char *text;
	enum err err = file_load(path, &text);

	if (err)
		return err;
	*ret_same = strncmp(text, uuid, strlen(uuid)) == 0;
	*ret_filling = strstr(text, " filling") != NULL;
	free(text);
	return ERR_OK;
}

static enum err look(struct node_device *d)
{
	bool same = false, filling = false, marked = false, none;
	char path[PATH_MAX], uuid[UUID_TEXT];
	enum err err;

	uuid_text(d, uuid);
	record_path(d, path);
	bool is_new = (err = holds(path, uuid, &same, &filling)) == ERR_NOT_FOUND;
	if (err && !is_new)
		return err;
	marker_path(d, path);
	if ((err = holds(path, uuid, &marked, &none)) && err != ERR_NOT_FOUND)
		return err;
	bool lost = !is_new && (!same || !marked);
	/* One that lost something: first that it is to be filled, for the marker alone would say
	 * that nothing is missing. A new one: first the marker, for without it the note alone would
	 * say that something is. */
	if (lost && (err = save(d, true)))
		return err;
	if (!marked && (err = save_marker(d)))
		return err;
	if (is_new && (err = save(d, false)))
		return err;
	atomic_store(&d->filling, lost || filling);
	return ERR_OK;
}

static void look_run(struct work *work)
{
	struct node_device *d = CONTAINER_OF(work, struct node_device, knowing);

	d->err = look(d);
}

static void look_done(struct work *work)
{
	struct node_device *d = CONTAINER_OF(work, struct node_device, knowing);

	d->filling_ts = hlc_now(&d->node->hlc) + AHEAD_TICKS;
	if (!d->err && atomic_load(&d->filling))
		log_warn("device-filling", "id=%u path=%s next=%s", d->id, log_quote(d->data_path),
		        log_quote("it came back empty: nothing to do, while the other "
		                  "devices of its partitions are there"));
	node_device_known(d, d->err);
}

void node_filling_look(struct node_device *d)
{
	if (!d->node->conf.state_dir) { /* simulated: its disks are not replaced */
		node_device_known(d, ERR_OK);
		return;
	}
	d->knowing = (struct work){.run = look_run, .done = look_done};
	enum err err = work_submit(d->pool, &d->knowing);
	if (err)
		node_device_known(d, err);
}

/* --- its end --- */

static void end_run(struct work *work)
{
	struct node_device *d = CONTAINER_OF(work, struct node_device, knowing);

	if (save(d, false))
		log_warn("device-filled", "id=%u why=%s", d->id,
		        log_quote("could not be noted: it is compared again after a restart"));
}

void node_filling_end(struct node_device *d)
{
	log_info("device-filled", "id=%u path=%s", d->id, log_quote(d->data_path));
	atomic_store(&d->filling, false);
	d->knowing = (struct work){.run = end_run};
	(void)work_submit(d->pool, &d->knowing); /* else as above */
}
