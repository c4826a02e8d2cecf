/* keyfile: keys of 32 bytes in files named by number, 0600, in a folder that is the owner's alone.
 */
#ifndef IDENTITY_KEYFILE_H
#define IDENTITY_KEYFILE_H

#include "lib/base/buf.h"

#define KEYFILE_BYTES 32

/* Failures come with a text that names the file. */

/* ERR_CONFIG: others can read it, or it is no key. */
enum err keyfile_load(const char *path, uint8_t ret_key[KEYFILE_BYTES], struct buf *error);

/* Whole and durable under its name, as is the folder, which is made when it is not there. One that
 * another process has just made of this number stays, and is as good. */
enum err keyfile_make(
        const char *dir, uint32_t number, const uint8_t key[KEYFILE_BYTES], struct buf *error);

/* A file's name as a number; 0: it is none. */
uint32_t keyfile_number(const char *name);

/* Tells of errno. */
enum err keyfile_told(struct buf *error, const char *path);

#endif
