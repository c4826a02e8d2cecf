/* message: what lib/backend's messages and replies are on the wire (docs/formats/wire.md). Bodies
 * travel beside: a frame's head is what these functions write and read. Pure; any thread.
 *
 * Decoding trusts nothing: lengths, NULs, kv blocks, enums; anything else is ERR_FORMAT. */
#ifndef LIB_WIRE_MESSAGE_H
#define LIB_WIRE_MESSAGE_H

#include "lib/backend/backend.h"

/* Versions of all that comes after the hello. Two neighbours understand each other; a node speaks
 * the newest both know. 2: an answer tells how long the device worked on it. */
#define WIRE_VERSION_MIN 1
#define WIRE_VERSION_MAX 5

struct wire_call_head {
	uint32_t device;     /* by the order of the server's welcome */
	uint64_t timeout_us; /* what is left of the deadline; 0: none */
};

/* Appends to `out`. ERR_BAD_REQUEST: it does not fit the format (a text too long). */
enum err wire_call_encode(struct buf *out, unsigned version, const struct wire_call_head *head,
        const struct backend_msg *msg);
/* A new message, with the body (moved, also on failure). Texts point into its own copy of the
 * head. */
enum err wire_call_decode(unsigned version, const void *data, size_t len, struct bytes *body,
        struct wire_call_head *ret_head, struct backend_msg **ret_msg);

/* What a call weighs in the credit of its connection: the bytes it brings, and those that its
 * answer may have. */
size_t wire_call_cost(const struct backend_msg *msg);

/* The body's slice is sent by the caller. */
enum err wire_reply_encode(
        struct buf *out, unsigned version, const struct backend_reply *reply, uint64_t worked_us);
/* Takes the body, also on failure. *ret_worked_us is 0 in version 1. */
enum err wire_reply_decode(unsigned version, const void *data, size_t len, struct bytes *body,
        struct backend_reply *ret_reply, uint64_t *ret_worked_us);

/* Outcomes have numbers of their own on the wire, which never change. One that is not known there
 * is ERR_INTERNAL. */
uint16_t wire_err_code(enum err err);
enum err wire_err_from(uint16_t code);

#endif
